// The inner loops of the runtime, once for each instruction set, and the choice between them.
//
// Every result is the same bits on every instruction set. Integer sums have no order; floating
// point is additions, products and quotients only, one rounding each (no fused multiply-add),
// element by element; a sum over elements has sixteen lanes, whatever a register holds, which are
// added in one fixed order. Only multiply_add, the float32 reference, rounds as the instruction set
// likes; there the order is fixed too, so that a row of a batch has the same bits as that row
// alone.
//
// The sources of the instruction sets include this header, so it keeps to <cstdint>: an inline
// function of the standard library, compiled for AVX-512 there, could be linked in everywhere.
#pragma once

#include <cstdint>

namespace dt {

constexpr std::int64_t kPanelLanes = 16;
// The depth of an int8 matrix is a multiple of this: a row of AMX's tiles.
constexpr std::int64_t kDepthStep = 64;

// Activations have 7 bits: u = round(x / scale) + kZeroPoint, from 1 to 127. So a pair of products
// with weights from -127 to 127 is at most 2 x 127 x 127 = 32,258, which AVX2's pairwise
// multiply-add holds in 16 bits: no instruction set saturates. A sum over a depth of d is at most
// d x 16,129, which 32 bits hold up to kMostDepth. (As a float a sum beyond 2^24 is rounded, in the
// same way everywhere.)
constexpr std::int32_t kZeroPoint = 64;
constexpr float kActivationSteps = 63.0F;
constexpr float kShareSteps = 127.0F;  // of values from 0 to 1, without a zero point
constexpr float kWeightSteps = 127.0F;
constexpr std::int64_t kMostDepth = 65536;

// Rounded up to whole panels, or to `step`.
constexpr std::int64_t padded(std::int64_t n, std::int64_t step = kPanelLanes) {
  return (n + step - 1) / step * step;
}

// Weights of an integer product: row r is scales[r] times its int8 values.
struct Int8Panels {
  const std::int8_t* values;  // kPanelLanes rows each: panel by panel, four depths by four depths,
                              // row by row, the four beside each other
  const float* scales;        // a row
  const std::int32_t* offsets;  // a row: what the activations' zero point adds to its sum
  std::int64_t panels;
  std::int64_t depth;  // a multiple of kDepthStep
  // The same values where all lie between -8 and 7, else null: half as many bytes to fetch, which
  // is what a product with few rows waits for. Of each eight depths, byte by byte, the first four
  // in the low half and the last four in the high one. Kernels multiply by 16 times the value,
  // which is the byte with the other half cleared: a pair of products is at most 2 x 127 x 128 =
  // 32,512.
  const std::uint8_t* nibbles;
};

struct Kernels {
  const char* name;

  // y[b][r] += sum over k of w[r][k] x[b][k] for b < batch. `panels` holds kPanelLanes rows each,
  // panel by panel, depth by depth, lane by lane. Strides count elements.
  void (*multiply_add)(const float* panels, std::int64_t panel_count, std::int64_t depth,
                       const float* x, std::int64_t x_stride, std::int64_t batch, float* y,
                       std::int64_t y_stride);

  // In integers: y[b][r] = from[b][r] + (sum of w[r][k] x[b][k] - offsets[r]) (scales[r]
  // x_scales[b]). `from` may be `y`; with a stride of 0 it is the same row for the whole batch.
  void (*multiply_add_int8)(const Int8Panels& weights, const std::uint8_t* x, std::int64_t x_stride,
                            const float* x_scales, std::int64_t batch, const float* from,
                            std::int64_t from_stride, float* y, std::int64_t y_stride);

  // Of `n` floats, a multiple of kPanelLanes: writes round(x / scale) + `zero` as bytes, with the
  // scale that brings the greatest magnitude to `steps`, and returns that.
  float (*quantise)(const float* x, std::int64_t n, float steps, std::int32_t zero,
                    std::uint8_t* out);

  // A GRU cell's gates, PyTorch's order (reset, update, new): `input` and `recurrent` hold 3 hidden
  // floats, biases included; `state` is replaced, and written as activations of scale
  // 1 / kActivationSteps to `out` unless that is null. `hidden` is a multiple of kPanelLanes.
  void (*gru)(const float* input, const float* recurrent, std::int64_t hidden, float* state,
              std::uint8_t* out);

  // x Phi(x), of `n` floats, a multiple of kPanelLanes.
  void (*gelu)(float* x, std::int64_t n);

  // Layer norm over `n` floats. Rows are padded: x with zeros, and so comes `out`.
  void (*normalise)(const float* scale, const float* shift, const float* x, std::int64_t n,
                    float* out);

  // Softmax of the first `count` of `scores`, in place; zeros behind, to a multiple of kPanelLanes.
  void (*softmax)(float* scores, std::int64_t count);
};

// One a source file, each compiled for its own instruction set; null where the compiler was not
// asked for that set.
const Kernels* scalar_kernels();
const Kernels* avx2_kernels();
const Kernels* avxvnni_kernels();
const Kernels* avx512_kernels();
const Kernels* avx512vnni_kernels();
const Kernels* amx_kernels();
const Kernels* neon_kernels();
const Kernels* neondot_kernels();
const Kernels* wasm_kernels();
const Kernels* wasmrelaxed_kernels();

// The kernels called `name`; "" means the environment's DT_KERNEL, and without it the best. Throws
// std::invalid_argument, naming what is available.
const Kernels& find_kernels(const char* name);
// The same without exceptions: null, and why (in the 512 bytes of `refusal`), where there are none.
constexpr std::int64_t kKernelsRefusal = 512;
const Kernels* find_kernels(const char* name, char* refusal);

}  // namespace dt
