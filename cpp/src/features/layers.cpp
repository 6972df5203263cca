#include "features/layers.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/kernels.h"

namespace dt {

History::History(std::int64_t dilation, std::int64_t width_floats)
    : past(2 * dilation),
      width(width_floats),
      columns(static_cast<std::size_t>((past + kGroupColumns) * width), 0.0F) {}

void History::advance(std::int64_t count) {
  std::memmove(columns.data(), &columns[static_cast<std::size_t>(count * width)],
               static_cast<std::size_t>(past * width) * sizeof(float));
}

void History::clear() { std::fill(columns.begin(), columns.end(), 0.0F); }

void normalise(const NormWeights& norm, const float* x, float* out) {
  const std::size_t n = norm.scale.size();
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    sum += static_cast<double>(x[i]);
  }
  const double mean = sum / static_cast<double>(n);
  double squares = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    const double d = static_cast<double>(x[i]) - mean;
    squares += d * d;
  }
  const double scale = 1.0 / std::sqrt(squares / static_cast<double>(n) + 1e-5);
  for (std::size_t i = 0; i < n; ++i) {
    out[i] = static_cast<float>((static_cast<double>(x[i]) - mean) * scale) * norm.scale[i] +
             norm.shift[i];
  }
}

void repeat(const AlignedFloats& row, std::int64_t count, float* out, std::int64_t out_stride) {
  for (std::int64_t i = 0; i < count; ++i) {
    std::copy(row.begin(), row.end(), out + i * out_stride);
  }
}

void add_linear(const Kernels& kernels, const LinearWeights& linear, const float* x,
                std::int64_t x_stride, std::int64_t count, float* y, std::int64_t y_stride) {
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::size_t r = 0; r < linear.bias.size(); ++r) {
      y[i * y_stride + static_cast<std::int64_t>(r)] += linear.bias[r];
    }
  }
  linear.matrix.multiply_add(kernels, x, x_stride, count, y, y_stride);
}

void convolve(const Kernels& kernels, const ConvWeights& conv, const History& history,
              std::int64_t first, std::int64_t step, std::int64_t count, float* out,
              std::int64_t out_stride) {
  repeat(conv.bias, count, out, out_stride);
  for (std::int64_t tap = 0; tap < 3; ++tap) {
    const std::int64_t column = history.past + first - (2 - tap) * conv.dilation;
    conv.taps[tap].multiply_add(kernels, history.columns.data() + column * history.width,
                                step * history.width, count, out, out_stride);
  }
}

}  // namespace dt
