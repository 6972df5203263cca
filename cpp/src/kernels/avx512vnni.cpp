// AVX-512 with VNNI: four products and their sum in one instruction (the build gives this file
// alone the compiler's flags for it).
#include "kernels/kernels.h"

#if defined(__AVX512VNNI__) || (defined(_MSC_VER) && !defined(__clang__) && defined(__AVX512BW__))
#define DT_AVX512VNNI 1

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace {

#include "kernels/vec/avx512.h"

inline Sums dot4(Sums sum, Ints x, Ints w) { return _mm512_dpbusd_epi32(sum, x, w); }

}  // namespace

#include "kernels/body/table.h"

#endif

namespace dt {

const Kernels* avx512vnni_kernels() {
#if defined(DT_AVX512VNNI)
  static const Kernels kernels = table("avx512vnni");
  return &kernels;
#else
  return nullptr;
#endif
}

}  // namespace dt
