// Registers of WebAssembly's SIMD: 4 floats, or 4 rows' four bytes. Included inside an unnamed
// namespace, after <wasm_simd128.h>; the file that includes it defines NibbleWeight, the sizes of
// int8's tiles, dot8(), four_bytes(), weight_bytes(), nibble_weights() and sixteenth().
using Vec = v128_t;
using Ints = v128_t;
using Sums = Ints;
constexpr int kLanes = 4;
constexpr int kMaxTile = 2;  // float32: 8 sums, 4 weights, 1 value
constexpr int panels_at_once(int columns) { return columns == 1 ? 2 : 1; }

inline Vec load(const float* p) { return wasm_v128_load(p); }
inline void store(float* p, Vec v) { wasm_v128_store(p, v); }
inline Vec set(float x) { return wasm_f32x4_splat(x); }
inline Vec add(Vec a, Vec b) { return wasm_f32x4_add(a, b); }
inline Vec sub(Vec a, Vec b) { return wasm_f32x4_sub(a, b); }
inline Vec mul(Vec a, Vec b) { return wasm_f32x4_mul(a, b); }
inline Vec div(Vec a, Vec b) { return wasm_f32x4_div(a, b); }
inline Vec fma(Vec a, Vec b, Vec c) { return wasm_f32x4_add(wasm_f32x4_mul(a, b), c); }
inline Vec square_root(Vec a) { return wasm_f32x4_sqrt(a); }
// These two are one instruction of every processor, where f32x4.min and max are several.
inline Vec min(Vec a, Vec b) { return wasm_f32x4_pmin(b, a); }
inline Vec max(Vec a, Vec b) { return wasm_f32x4_pmax(b, a); }
inline Vec power_of_two(Vec shifted) {
  return wasm_i32x4_add(wasm_i32x4_shl(shifted, 23), wasm_i32x4_const_splat(0x3F800000));
}
inline void store_low_bytes(std::uint8_t* p, Vec v) {
  const v128_t bytes = wasm_i8x16_shuffle(v, v, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
  wasm_v128_store32_lane(p, bytes, 0);
}
inline Ints zero_ints() { return wasm_i32x4_const_splat(0); }
inline Ints load_ints(const std::int32_t* p) { return wasm_v128_load(p); }
inline Vec floats_of_difference(Ints a, Ints b) {
  return wasm_f32x4_convert_i32x4(wasm_i32x4_sub(a, b));
}
