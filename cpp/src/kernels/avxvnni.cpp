// AVX2 with VNNI: four products and their sum in one instruction (the build gives this file alone
// the compiler's flags for it).
#include "kernels/kernels.h"

#if defined(__AVXVNNI__) || (defined(_MSC_VER) && !defined(__clang__) && defined(__AVX2__))
#define DT_AVXVNNI 1

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace {

#include "kernels/vec/avx2.h"

inline Sums dot4(Sums sum, Ints x, Ints w) { return _mm256_dpbusd_avx_epi32(sum, x, w); }

}  // namespace

#include "kernels/body/table.h"

#endif

namespace dt {

const Kernels* avxvnni_kernels() {
#if defined(DT_AVXVNNI)
  static const Kernels kernels = table("avxvnni");
  return &kernels;
#else
  return nullptr;
#endif
}

}  // namespace dt
