// NEON of 64-bit ARM: 32 registers of 4 floats.
#include "kernels/kernels.h"

#if defined(__aarch64__) || defined(_M_ARM64)

#include <arm_neon.h>

#include <cstdint>

namespace {

using Vec = float32x4_t;
constexpr int kLanes = 4;
constexpr int kMaxTile = 6;  // 24 sums, 4 weights, 1 value: 29 of the 32 registers
constexpr int panels_at_once(int columns) { return columns == 1 ? 4 : columns == 2 ? 2 : 1; }

inline Vec load(const float* p) { return vld1q_f32(p); }
inline void store(float* p, Vec v) { vst1q_f32(p, v); }
inline Vec set(float x) { return vdupq_n_f32(x); }
inline Vec add(Vec a, Vec b) { return vaddq_f32(a, b); }
inline Vec sub(Vec a, Vec b) { return vsubq_f32(a, b); }
inline Vec mul(Vec a, Vec b) { return vmulq_f32(a, b); }
inline Vec div(Vec a, Vec b) { return vdivq_f32(a, b); }
inline Vec fma(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }
inline Vec min(Vec a, Vec b) { return vminq_f32(a, b); }
inline Vec max(Vec a, Vec b) { return vmaxq_f32(a, b); }
// 2^n, n being the whole number in the low bits of `shifted` (see exponential()).
inline Vec power_of_two(Vec shifted) {
  const uint32x4_t exponent = vshlq_n_u32(vreinterpretq_u32_f32(shifted), 23);
  return vreinterpretq_f32_u32(vaddq_u32(exponent, vdupq_n_u32(0x3F800000U)));
}

}  // namespace

#include "kernels/f32/body.h"

#endif

namespace dt {

const Kernels* neon_kernels() {
#if defined(__aarch64__) || defined(_M_ARM64)
  static const Kernels kernels = {"neon", &multiply_add, &gru};
  return &kernels;
#else
  return nullptr;
#endif
}

}  // namespace dt
