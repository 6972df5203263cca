// WebAssembly with relaxed SIMD: four products and their sum in one instruction (a build for it is
// a module of its own: a machine without it refuses the whole of it).
#include "kernels/kernels.h"

#if defined(__wasm_relaxed_simd__)

#include <wasm_simd128.h>

#include <cstdint>

namespace {

#include "kernels/vec/wasm.h"

using NibbleWeight = v128_t;
constexpr int kMaxIntTile = 2;
constexpr int int_panels_at_once(int columns) { return columns == 1 ? 2 : 1; }

inline v128_t four_bytes(const std::uint8_t* p) { return wasm_v128_load32_splat(p); }
inline v128_t weight_bytes(const std::int8_t* p) { return wasm_v128_load(p); }
inline void nibble_weights(const std::uint8_t* p, v128_t* low, v128_t* high) {
  const v128_t both = wasm_v128_load(p);
  const v128_t mask = wasm_i8x16_const_splat(static_cast<std::int8_t>(0xF0));
  *low = wasm_v128_and(wasm_i16x8_shl(both, 4), mask);
  *high = wasm_v128_and(both, mask);
}
inline Sums sixteenth(Sums sum) { return wasm_i32x4_shr(sum, 4); }
// What is left open, for activations of 8 bits and for pairs beyond 16, does not come up: see
// kernels.h.
inline Sums dot8(Sums sum, v128_t x, v128_t next_x, v128_t w, v128_t next_w) {
  return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(next_w, next_x,
                                                wasm_i32x4_relaxed_dot_i8x16_i7x16_add(w, x, sum));
}

}  // namespace

#include "kernels/body/table.h"

#endif

namespace dt {

const Kernels* wasmrelaxed_kernels() {
#if defined(__wasm_relaxed_simd__)
  static const Kernels kernels = table("wasmrelaxed");
  return &kernels;
#else
  return nullptr;
#endif
}

}  // namespace dt
