// Registers of AVX2: 8 floats, or 8 rows' four bytes. Included inside an unnamed namespace, after
// <immintrin.h> and <cstring>; the file that includes it defines dot4().
using Vec = __m256;
using Ints = __m256i;
using Sums = Ints;
using NibbleWeight = Ints;
constexpr int kLanes = 8;
constexpr int kMaxTile = 6;  // float32: 12 sums, 2 weights, 1 value: 15 of the 16 registers
constexpr int panels_at_once(int columns) { return columns == 1 ? 4 : columns == 2 ? 2 : 1; }
constexpr int kMaxIntTile = 4;  // int8: 8 sums, 4 values, 2 weights, 1 constant
constexpr int int_panels_at_once(int columns) { return columns == 1 ? 4 : columns == 2 ? 2 : 1; }

inline Vec load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, Vec v) { _mm256_storeu_ps(p, v); }
inline Vec set(float x) { return _mm256_set1_ps(x); }
inline Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
inline Vec sub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
inline Vec div(Vec a, Vec b) { return _mm256_div_ps(a, b); }
inline Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
inline Vec square_root(Vec a) { return _mm256_sqrt_ps(a); }
inline Vec min(Vec a, Vec b) { return _mm256_min_ps(a, b); }
inline Vec max(Vec a, Vec b) { return _mm256_max_ps(a, b); }
inline Vec power_of_two(Vec shifted) {
  const __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(exponent, _mm256_set1_epi32(0x3F800000)));
}
inline void store_low_bytes(std::uint8_t* p, Vec v) {
  const __m256i low = _mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(0xFF));
  const __m128i words =
      _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
}
inline Sums zero_ints() { return _mm256_setzero_si256(); }
inline Ints load_ints(const std::int32_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
inline Vec floats_of_difference(Sums a, Ints b) {
  return _mm256_cvtepi32_ps(_mm256_sub_epi32(a, b));
}
inline Ints four_bytes(const std::uint8_t* p) {
  std::int32_t four = 0;
  std::memcpy(&four, p, sizeof four);
  return _mm256_set1_epi32(four);
}
inline Ints weight_bytes(const std::int8_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
inline void nibble_weights(const std::uint8_t* p, Ints* low, Ints* high) {
  const Ints both = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  const Ints mask = _mm256_set1_epi8(static_cast<char>(0xF0));
  *low = _mm256_and_si256(_mm256_slli_epi16(both, 4), mask);
  *high = _mm256_and_si256(both, mask);
}
inline Sums sixteenth(Sums sum) { return _mm256_srai_epi32(sum, 4); }

// Adds to each lane's sum the products of its four weights with the four activations, exactly.
inline Sums dot4(Sums sum, Ints x, Ints w);
inline Sums dot8(Sums sum, Ints x, Ints next_x, Ints w, Ints next_w) {
  return dot4(dot4(sum, x, w), next_x, next_w);
}
