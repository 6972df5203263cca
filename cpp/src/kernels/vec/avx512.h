// Registers of AVX-512: 16 floats, or 16 rows' four bytes. Included inside an unnamed namespace,
// after <immintrin.h> and <cstring>; the file that includes it defines dot4().
using Vec = __m512;
using Ints = __m512i;
using Sums = Ints;
using NibbleWeight = Ints;
constexpr int kLanes = 16;
constexpr int kMaxTile = 8;
constexpr int panels_at_once(int columns) { return columns == 1 ? 8 : columns == 2 ? 4 : 2; }
constexpr int kMaxIntTile = 8;
constexpr int int_panels_at_once(int columns) { return columns == 1 ? 8 : columns == 2 ? 4 : 2; }

inline Vec load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, Vec v) { _mm512_storeu_ps(p, v); }
inline Vec set(float x) { return _mm512_set1_ps(x); }
inline Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
inline Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
inline Vec div(Vec a, Vec b) { return _mm512_div_ps(a, b); }
inline Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
inline Vec square_root(Vec a) { return _mm512_sqrt_ps(a); }
inline Vec min(Vec a, Vec b) { return _mm512_min_ps(a, b); }
inline Vec max(Vec a, Vec b) { return _mm512_max_ps(a, b); }
inline Vec power_of_two(Vec shifted) {
  const __m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(shifted), 23);
  return _mm512_castsi512_ps(_mm512_add_epi32(exponent, _mm512_set1_epi32(0x3F800000)));
}
inline void store_low_bytes(std::uint8_t* p, Vec v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_castps_si512(v)));
}
inline Sums zero_ints() { return _mm512_setzero_si512(); }
inline Ints load_ints(const std::int32_t* p) { return _mm512_loadu_si512(p); }
inline Vec floats_of_difference(Sums a, Ints b) {
  return _mm512_cvtepi32_ps(_mm512_sub_epi32(a, b));
}
inline Ints four_bytes(const std::uint8_t* p) {
  std::int32_t four = 0;
  std::memcpy(&four, p, sizeof four);
  return _mm512_set1_epi32(four);
}
inline Ints weight_bytes(const std::int8_t* p) { return _mm512_loadu_si512(p); }
inline void nibble_weights(const std::uint8_t* p, Ints* low, Ints* high) {
  const Ints both = _mm512_loadu_si512(p);
  const Ints mask = _mm512_set1_epi8(static_cast<char>(0xF0));
  *low = _mm512_and_si512(_mm512_slli_epi16(both, 4), mask);
  *high = _mm512_and_si512(both, mask);
}
inline Sums sixteenth(Sums sum) { return _mm512_srai_epi32(sum, 4); }

// Adds to each lane's sum the products of its four weights with the four activations, exactly.
inline Sums dot4(Sums sum, Ints x, Ints w);
inline Sums dot8(Sums sum, Ints x, Ints next_x, Ints w, Ints next_w) {
  return dot4(dot4(sum, x, w), next_x, next_w);
}
