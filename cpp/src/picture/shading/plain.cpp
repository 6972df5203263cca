// For any processor; and which of the two is taken.
#include "picture/shading.h"

#include <math.h>

#include <cstring>

#include "picture/studio.h"

#if defined(_MSC_VER) && defined(_M_X64)
#include <intrin.h>
#endif

namespace {

#include "picture/shading/four.h"

#include "picture/shading/body.h"

bool has_avx2() {
#if defined(_MSC_VER) && defined(_M_X64)
  int first[4] = {}, features[4] = {};
  __cpuid(first, 1);
  __cpuidex(features, 7, 0);
  constexpr int kSavesRegisters = 1 << 27, kAvx2 = 1 << 5;
  return (first[2] & kSavesRegisters) != 0 && (features[1] & kAvx2) != 0 && (_xgetbv(0) & 6U) == 6U;
#elif defined(__x86_64__)
  return __builtin_cpu_supports("avx2") != 0;
#else
  return false;
#endif
}

}  // namespace

namespace dt::picture {

const Shading* compiled_for_avx2();

const Shading& plain_shading() {
  static const Shading shading{"plain", cover, shine, tone, move, yuv};
  return shading;
}

const Shading* avx2_shading() {
  static const Shading* const found = has_avx2() ? compiled_for_avx2() : nullptr;
  return found;
}

const Shading& fastest_shading() {
  return avx2_shading() != nullptr ? *avx2_shading() : plain_shading();
}

}  // namespace dt::picture
