// NEON with dot products (ARMv8.2 and later: every Apple processor since 2018 among them): four
// products and their sum in one instruction (the build gives this file alone the compiler's flags
// for it).
#include "kernels/kernels.h"

// MSVC needs no flag for it; clang does, and defines _M_ARM64 as well for Windows.
#if defined(__ARM_FEATURE_DOTPROD) || \
    (defined(_MSC_VER) && !defined(__clang__) && defined(_M_ARM64))
#define DT_NEONDOT 1

#include <arm_neon.h>

#include <cstdint>
#include <cstring>

namespace {

#include "kernels/vec/neon.h"

using Sums = Ints;
constexpr int kMaxIntTile = 4;  // 16 sums, 8 activations, 2 weights
constexpr int int_panels_at_once(int columns) { return columns == 1 ? 4 : columns == 2 ? 2 : 1; }

inline Sums zero_ints() { return vdupq_n_s32(0); }
inline Sums dot8(Sums sum, int8x16_t x, int8x16_t next_x, int8x16_t w, int8x16_t next_w) {
  return vdotq_s32(vdotq_s32(sum, w, x), next_w, next_x);
}
inline Sums sixteenth(Sums sum) { return vshrq_n_s32(sum, 4); }
inline Vec floats_of_difference(Sums a, Ints b) { return vcvtq_f32_s32(vsubq_s32(a, b)); }

}  // namespace

#include "kernels/body/table.h"

#endif

namespace dt {

const Kernels* neondot_kernels() {
#if defined(DT_NEONDOT)
  static const Kernels kernels = table("neondot");
  return &kernels;
#else
  return nullptr;
#endif
}

}  // namespace dt
