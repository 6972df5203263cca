// Registers of 64-bit ARM: 4 floats, or 4 rows' four bytes. Included inside an unnamed namespace,
// after <arm_neon.h> and <cstring>; the file that includes it defines Sums, zero_ints(), dot8(),
// sixteenth() and floats_of_difference().
using Vec = float32x4_t;
using Ints = int32x4_t;
using NibbleWeight = int8x16_t;
constexpr int kLanes = 4;
constexpr int kMaxTile = 6;  // float32: 24 sums, 4 weights, 1 value: 29 of the 32 registers
constexpr int panels_at_once(int columns) { return columns == 1 ? 4 : columns == 2 ? 2 : 1; }

inline Vec load(const float* p) { return vld1q_f32(p); }
inline void store(float* p, Vec v) { vst1q_f32(p, v); }
inline Vec set(float x) { return vdupq_n_f32(x); }
inline Vec add(Vec a, Vec b) { return vaddq_f32(a, b); }
inline Vec sub(Vec a, Vec b) { return vsubq_f32(a, b); }
inline Vec mul(Vec a, Vec b) { return vmulq_f32(a, b); }
inline Vec div(Vec a, Vec b) { return vdivq_f32(a, b); }
inline Vec fma(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }
inline Vec square_root(Vec a) { return vsqrtq_f32(a); }
inline Vec min(Vec a, Vec b) { return vminq_f32(a, b); }
inline Vec max(Vec a, Vec b) { return vmaxq_f32(a, b); }
inline Vec power_of_two(Vec shifted) {
  const uint32x4_t exponent = vshlq_n_u32(vreinterpretq_u32_f32(shifted), 23);
  return vreinterpretq_f32_u32(vaddq_u32(exponent, vdupq_n_u32(0x3F800000U)));
}
inline void store_low_bytes(std::uint8_t* p, Vec v) {
  const uint16x4_t words = vmovn_u32(vreinterpretq_u32_f32(v));
  const std::uint32_t four =
      vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(words, words))), 0);
  std::memcpy(p, &four, sizeof four);
}
inline Ints load_ints(const std::int32_t* p) { return vld1q_s32(p); }
// Activations are at most 127, so they are signed bytes too.
inline int8x16_t four_bytes(const std::uint8_t* p) {
  std::int32_t four = 0;
  std::memcpy(&four, p, sizeof four);
  return vreinterpretq_s8_s32(vdupq_n_s32(four));
}
inline int8x16_t weight_bytes(const std::int8_t* p) { return vld1q_s8(p); }
inline void nibble_weights(const std::uint8_t* p, int8x16_t* low, int8x16_t* high) {
  const uint8x16_t both = vld1q_u8(p);
  *low = vreinterpretq_s8_u8(vshlq_n_u8(both, 4));
  *high = vreinterpretq_s8_u8(vandq_u8(both, vdupq_n_u8(0xF0)));
}
