// WebAssembly with SIMD, which every browser has had since 2023.
#include "kernels/kernels.h"

#if defined(__wasm_simd128__)

#include <wasm_simd128.h>

#include <cstdint>

namespace {

#include "kernels/vec/wasm.h"

// Bytes as numbers of 16 bits: of each four, those of depths 0 and 2, and those of 1 and 3. A
// product of such registers adds up pairs, so a row's four products are one lane of two of them.
struct Halves {
  v128_t even, odd;
};
using NibbleWeight = Halves;
constexpr int kMaxIntTile = 2;  // 8 sums, 2 x 2 activations, 2 weights
constexpr int int_panels_at_once(int columns) { return columns == 1 ? 2 : 1; }

inline Halves four_bytes(const std::uint8_t* p) {
  const v128_t four = wasm_v128_load32_splat(p);
  return {wasm_v128_and(four, wasm_i16x8_const_splat(0xFF)), wasm_u16x8_shr(four, 8)};
}
inline Halves weight_bytes(const std::int8_t* p) {
  const v128_t bytes = wasm_v128_load(p);
  return {wasm_i16x8_shr(wasm_i16x8_shl(bytes, 8), 8), wasm_i16x8_shr(bytes, 8)};
}
// Here the values themselves, not 16 times them.
inline void nibble_weights(const std::uint8_t* p, Halves* low, Halves* high) {
  const v128_t both = wasm_v128_load(p);
  *low = {wasm_i16x8_shr(wasm_i16x8_shl(both, 12), 12),
          wasm_i16x8_shr(wasm_i16x8_shl(both, 4), 12)};
  *high = {wasm_i16x8_shr(wasm_i16x8_shl(both, 8), 12), wasm_i16x8_shr(both, 12)};
}
inline Sums sixteenth(Sums sum) { return sum; }
inline Sums dot4(Sums sum, const Halves& x, const Halves& w) {
  return wasm_i32x4_add(wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(w.even, x.even)),
                        wasm_i32x4_dot_i16x8(w.odd, x.odd));
}
inline Sums dot8(Sums sum, const Halves& x, const Halves& next_x, const Halves& w,
                 const Halves& next_w) {
  return dot4(dot4(sum, x, w), next_x, next_w);
}

}  // namespace

#include "kernels/body/table.h"

#endif

namespace dt {

const Kernels* wasm_kernels() {
#if defined(__wasm_simd128__)
  static const Kernels kernels = table("wasm");
  return &kernels;
#else
  return nullptr;
#endif
}

}  // namespace dt
