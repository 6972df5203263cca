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
inline Sums dot8(Sums sum, Ints x, Ints next_x, Ints w, Ints next_w) {
  return dot4(dot4(sum, x, w), next_x, next_w);
}

}  // namespace

#include "kernels/body/elementwise.h"
#include "kernels/body/float32.h"
#include "kernels/body/int8.h"

#endif

namespace dt {

const Kernels* avx2_kernels() {
#if defined(__AVX2__)
  static const Kernels kernels = {"avx2", &multiply_add, &multiply_add_int8, &quantise,
                                  &gru,   &gelu,         &normalise,         &softmax};
  return &kernels;
#else
  return nullptr;
#endif
}

}  // namespace dt
