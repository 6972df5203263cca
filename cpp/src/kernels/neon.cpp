// NEON of any 64-bit ARM.
#include "kernels/kernels.h"

#if defined(__aarch64__) || defined(_M_ARM64)

#include <arm_neon.h>

#include <cstdint>
#include <cstring>

namespace {

#include "kernels/vec/neon.h"

// The sums of two rows each, in two parts a row.
struct Sums {
  int32x4_t first, last;
};
constexpr int kMaxIntTile = 2;  // 16 sums, 4 activations, 2 weights, 2 products
constexpr int int_panels_at_once(int columns) { return columns == 1 ? 2 : 1; }

inline Sums zero_ints() { return {vdupq_n_s32(0), vdupq_n_s32(0)}; }
// Two products in 16 bits: see kernels.h.
inline Sums dot8(Sums sum, int8x16_t x, int8x16_t next_x, int8x16_t w, int8x16_t next_w) {
  int16x8_t first = vmull_s8(vget_low_s8(w), vget_low_s8(x));
  int16x8_t last = vmull_high_s8(w, x);
  first = vmlal_s8(first, vget_low_s8(next_w), vget_low_s8(next_x));
  last = vmlal_high_s8(last, next_w, next_x);
  return {vpadalq_s16(sum.first, first), vpadalq_s16(sum.last, last)};
}
// Both parts are sums of products by multiples of 16.
inline Sums sixteenth(Sums sum) { return {vshrq_n_s32(sum.first, 4), vshrq_n_s32(sum.last, 4)}; }
inline Vec floats_of_difference(Sums a, Ints b) {
  return vcvtq_f32_s32(vsubq_s32(vpaddq_s32(a.first, a.last), b));
}

}  // namespace

#include "kernels/body/table.h"

#endif

namespace dt {

const Kernels* neon_kernels() {
#if defined(__aarch64__) || defined(_M_ARM64)
  static const Kernels kernels = table("neon");
  return &kernels;
#else
  return nullptr;
#endif
}

}  // namespace dt
