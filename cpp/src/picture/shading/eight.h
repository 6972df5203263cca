// Two pixels at once, of four samples each.
constexpr int kPixels = 2;

struct Lanes {
  __m256 v;
};
struct Ints {
  __m256i v;
};

inline Lanes fill(float value) { return {_mm256_set1_ps(value)}; }
inline Ints fill_ints(std::int32_t value) { return {_mm256_set1_epi32(value)}; }
inline Lanes load_samples(const float* from) {
  return {_mm256_broadcast_ps(reinterpret_cast<const __m128*>(from))};
}
inline Lanes load(const float* from) { return {_mm256_loadu_ps(from)}; }
inline Lanes pixel_numbers() { return {_mm256_setr_ps(0, 0, 0, 0, 1, 1, 1, 1)}; }
inline Lanes operator+(Lanes a, Lanes b) { return {_mm256_add_ps(a.v, b.v)}; }
inline Lanes operator*(Lanes a, Lanes b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline Ints operator&(Ints a, Ints b) { return {_mm256_and_si256(a.v, b.v)}; }
inline Ints seen_in(Lanes first, Lanes second, Lanes third, Lanes depth, Lanes there) {
  const __m256 zero = _mm256_setzero_ps();
  const __m256 inside = _mm256_and_ps(_mm256_and_ps(_mm256_cmp_ps(first.v, zero, _CMP_GE_OQ),
                                                    _mm256_cmp_ps(second.v, zero, _CMP_GE_OQ)),
                                      _mm256_cmp_ps(third.v, zero, _CMP_GE_OQ));
  return {_mm256_castps_si256(_mm256_and_ps(inside, _mm256_cmp_ps(depth.v, there.v, _CMP_GT_OQ)))};
}
inline Ints below(Lanes number, Lanes count) {
  return {_mm256_castps_si256(_mm256_cmp_ps(number.v, count.v, _CMP_LT_OQ))};
}
inline void put_where(Ints mask, Lanes value, float* to) {
  _mm256_maskstore_ps(to, mask.v, value.v);
}
inline void put_where(Ints mask, Ints value, std::int32_t* to) {
  _mm256_maskstore_epi32(to, mask.v, value.v);
}
