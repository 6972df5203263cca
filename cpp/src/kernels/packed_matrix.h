// Weight matrices and biases in the layout that the kernels read.
#pragma once

#include <cstdint>

#include "kernels/aligned.h"
#include "kernels/kernels.h"

namespace dt {

// A weight matrix packed for multiply_add.
struct PackedMatrix {
  std::int64_t rows = 0;  // padded
  std::int64_t depth = 0;
  AlignedFloats panels;

  void multiply_add(const Kernels& kernels, const float* x, std::int64_t x_stride,
                    std::int64_t batch, float* y, std::int64_t y_stride) const {
    kernels.multiply_add(panels.data(), rows / kPanelLanes, depth, x, x_stride, batch, y, y_stride);
  }
};

// Packs the matrix whose element (r, k) is weights[r * row_stride + k * depth_stride]. The rows
// come in `groups` groups of `rows`; each group is padded with zero rows, so that a group starts a
// panel.
PackedMatrix pack(const float* weights, std::int64_t groups, std::int64_t rows, std::int64_t depth,
                  std::int64_t row_stride, std::int64_t depth_stride = 1);

// The same padding for a bias.
AlignedFloats pack_bias(const float* bias, std::int64_t groups, std::int64_t rows);

}  // namespace dt
