// AVX-512F and BW (the build gives this file alone the compiler's flags for them).
#include "kernels/kernels.h"

#if defined(__AVX512BW__)

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace {

#include "kernels/vec/avx512.h"

// Pairs of products fit 16 bits: see kernels.h.
inline Sums dot4(Sums sum, Ints x, Ints w) {
  const __m512i pairs = _mm512_maddubs_epi16(x, w);
  return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}

}  // namespace

#include "kernels/body/table.h"

#endif

namespace dt {

const Kernels* avx512_kernels() {
#if defined(__AVX512BW__)
  static const Kernels kernels = table("avx512");
  return &kernels;
#else
  return nullptr;
#endif
}

}  // namespace dt
