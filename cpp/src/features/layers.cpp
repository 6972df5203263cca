#include "features/layers.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace dt {

History::History(std::int64_t dilation, std::int64_t width_floats)
    : past(2 * dilation), width(width_floats), rows(static_cast<std::size_t>(past * width), 0.0F) {}

void History::advance(const float* x, std::int64_t stride, std::int64_t count) {
  const std::int64_t kept = std::max<std::int64_t>(past - count, 0);
  std::memmove(rows.data(), rows.data() + (past - kept) * width,
               static_cast<std::size_t>(kept * width) * sizeof(float));
  for (std::int64_t i = kept; i < past; ++i) {
    const float* row = x + (count - past + i) * stride;
    std::copy(row, row + width, rows.data() + i * width);
  }
}

void History::clear() { std::fill(rows.begin(), rows.end(), 0.0F); }

void gather_taps(const ConvWeights& conv, const History& history, const float* x,
                 std::int64_t x_stride, std::int64_t first, std::int64_t step, std::int64_t count,
                 Operand& operand, std::int64_t at) {
  for (std::int64_t j = 0; j < count; ++j) {
    float* out = operand.row(at + j);
    for (std::int64_t tap = 0; tap < 3; ++tap, out += history.width) {
      const std::int64_t column = first + step * j - (2 - tap) * conv.dilation;
      const float* row = column >= 0
                             ? x + column * x_stride
                             : history.rows.data() + (history.past + column) * history.width;
      std::copy(row, row + history.width, out);
    }
  }
}

void normalise(const Kernels& kernels, const NormWeights& norm, const float* x, float* out) {
  kernels.normalise(norm.scale.data(), norm.shift.data(), x, norm.size, out);
}

void add_linear(const Kernels& kernels, const LinearWeights& linear, const Operand& x,
                std::int64_t count, float* y, std::int64_t y_stride) {
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::size_t r = 0; r < linear.bias.size(); ++r) {
      y[i * y_stride + static_cast<std::int64_t>(r)] += linear.bias[r];
    }
  }
  linear.matrix.multiply_add(kernels, x, count, y, y_stride);
}

}  // namespace dt
