#include "kernels/packed_matrix.h"

#include <cstddef>

namespace dt {

PackedMatrix pack(const float* weights, std::int64_t groups, std::int64_t rows, std::int64_t depth,
                  std::int64_t row_stride, std::int64_t depth_stride) {
  PackedMatrix packed;
  packed.rows = groups * padded(rows);
  packed.depth = depth;
  packed.panels.assign(static_cast<std::size_t>(packed.rows * depth), 0.0F);
  for (std::int64_t g = 0; g < groups; ++g) {
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t row = g * padded(rows) + r;
      float* panel =
          &packed.panels[static_cast<std::size_t>(row / kPanelLanes * kPanelLanes * depth)];
      const float* source = weights + (g * rows + r) * row_stride;
      for (std::int64_t k = 0; k < depth; ++k) {
        panel[k * kPanelLanes + row % kPanelLanes] = source[k * depth_stride];
      }
    }
  }
  return packed;
}

AlignedFloats pack_bias(const float* bias, std::int64_t groups, std::int64_t rows) {
  AlignedFloats packed(static_cast<std::size_t>(groups * padded(rows)), 0.0F);
  for (std::int64_t g = 0; g < groups; ++g) {
    for (std::int64_t r = 0; r < rows; ++r) {
      packed[static_cast<std::size_t>(g * padded(rows) + r)] = bias[g * rows + r];
    }
  }
  return packed;
}

}  // namespace dt
