// AVX-512F: 32 registers of 16 floats (the build gives this file alone the compiler flag for it).
#include "kernels/kernels.h"

#if defined(__AVX512F__)

#include <immintrin.h>

#include <cstdint>

namespace {

using Vec = __m512;
constexpr int kLanes = 16;
constexpr int kMaxTile = 8;
constexpr int panels_at_once(int columns) { return columns == 1 ? 8 : columns == 2 ? 4 : 2; }

inline Vec load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, Vec v) { _mm512_storeu_ps(p, v); }
inline Vec set(float x) { return _mm512_set1_ps(x); }
inline Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
inline Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
inline Vec div(Vec a, Vec b) { return _mm512_div_ps(a, b); }
inline Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
inline Vec min(Vec a, Vec b) { return _mm512_min_ps(a, b); }
inline Vec max(Vec a, Vec b) { return _mm512_max_ps(a, b); }
// 2^n, n being the whole number in the low bits of `shifted` (see exponential()).
inline Vec power_of_two(Vec shifted) {
  const __m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(shifted), 23);
  return _mm512_castsi512_ps(_mm512_add_epi32(exponent, _mm512_set1_epi32(0x3F800000)));
}

}  // namespace

#include "kernels/f32/body.h"

#endif

namespace dt {

const Kernels* avx512_kernels() {
#if defined(__AVX512F__)
  static const Kernels kernels = {"avx512", &multiply_add, &gru};
  return &kernels;
#else
  return nullptr;
#endif
}

}  // namespace dt
