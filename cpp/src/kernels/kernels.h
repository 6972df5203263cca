// The two inner loops of the runtime, once for each instruction set, and the choice between them.
//
// The order of every sum is fixed: an output accumulates over the depth from first to last, one
// multiplication and addition a weight, and the lanes of a register are different outputs. So a
// column of a batch has the same bits as that column alone, whatever the batch size.
//
// The sources of the instruction sets include this header, so it keeps to <cstdint>: an inline
// function of the standard library, compiled for AVX-512 there, could be linked in everywhere.
#pragma once

#include <cstdint>

namespace dt {

constexpr std::int64_t kPanelLanes = 16;

// Rows rounded up to whole panels.
constexpr std::int64_t padded(std::int64_t n) {
  return (n + kPanelLanes - 1) / kPanelLanes * kPanelLanes;
}

struct Kernels {
  const char* name;
  // y[b][r] += sum over k of w[r][k] x[b][k] for b < batch. `panels` holds kPanelLanes rows each,
  // panel by panel, depth by depth, lane by lane. Strides count floats.
  void (*multiply_add)(const float* panels, std::int64_t panel_count, std::int64_t depth,
                       const float* x, std::int64_t x_stride, std::int64_t batch, float* y,
                       std::int64_t y_stride);
  // A GRU cell's gates, PyTorch's order (reset, update, new): `input` and `recurrent` hold 3 hidden
  // floats, biases included; `state` is replaced. `hidden` is a multiple of kPanelLanes.
  void (*gru)(const float* input, const float* recurrent, std::int64_t hidden, float* state);
};

// One a source file, each compiled for its own instruction set; null where the compiler was not
// asked for that set.
const Kernels* scalar_kernels();
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();
const Kernels* neon_kernels();

// The kernels called `name`; "" means the environment's DT_KERNEL, and without it the best. Throws
// std::invalid_argument, naming what is available.
const Kernels& find_kernels(const char* name);

}  // namespace dt
