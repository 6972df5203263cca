// AVX2 and FMA (the build gives this file alone the compiler's flags for them).
#include "kernels/kernels.h"

#if defined(__AVX2__)

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace {

#include "kernels/vec/avx2.h"

// Pairs of products fit 16 bits: see kernels.h.
inline Sums dot4(Sums sum, Ints x, Ints w) {
  const __m256i pairs = _mm256_maddubs_epi16(x, w);
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

}  // namespace

#include "kernels/body/table.h"

#endif

namespace dt {

const Kernels* avx2_kernels() {
#if defined(__AVX2__)
  static const Kernels kernels = table("avx2");
  return &kernels;
#else
  return nullptr;
#endif
}

}  // namespace dt
