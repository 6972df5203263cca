// AVX2 and FMA: 16 registers of 8 floats (the build gives this file alone the compiler flag for
// it).
#include "kernels/kernels.h"

#if defined(__AVX2__)

#include <immintrin.h>

#include <cstdint>

namespace {

using Vec = __m256;
constexpr int kLanes = 8;
constexpr int kMaxTile = 6;  // 12 sums, 2 weights, 1 value: 15 of the 16 registers
constexpr int panels_at_once(int columns) { return columns == 1 ? 4 : columns == 2 ? 2 : 1; }

inline Vec load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, Vec v) { _mm256_storeu_ps(p, v); }
inline Vec set(float x) { return _mm256_set1_ps(x); }
inline Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
inline Vec sub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
inline Vec div(Vec a, Vec b) { return _mm256_div_ps(a, b); }
inline Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
inline Vec min(Vec a, Vec b) { return _mm256_min_ps(a, b); }
inline Vec max(Vec a, Vec b) { return _mm256_max_ps(a, b); }
// 2^n, n being the whole number in the low bits of `shifted` (see exponential()).
inline Vec power_of_two(Vec shifted) {
  const __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(exponent, _mm256_set1_epi32(0x3F800000)));
}

}  // namespace

#include "kernels/f32/body.h"

#endif

namespace dt {

const Kernels* avx2_kernels() {
#if defined(__AVX2__)
  static const Kernels kernels = {"avx2", &multiply_add, &gru};
  return &kernels;
#else
  return nullptr;
#endif
}

}  // namespace dt
