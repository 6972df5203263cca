// What the audio encoder and its context are made of: norms, linear layers, and causal convolutions
// with the columns that they still reach back to.
#pragma once

#include <cstdint>

#include "kernels/aligned.h"
#include "kernels/kernels.h"
#include "weights/model.h"

namespace dt {

// Most columns (100 Hz) that the encoder takes through its layers at once.
constexpr std::int64_t kGroupColumns = 32;

// The inputs of a convolution: what it still reaches back to, then room for a group.
struct History {
  History(std::int64_t dilation, std::int64_t width_floats);
  float* group() { return columns.data() + past * width; }
  void advance(std::int64_t count);  // the group's first `count` columns become the past
  void clear();
  std::int64_t past, width;
  AlignedFloats columns;
};

// x -> out, both of the norm's size.
void normalise(const NormWeights& norm, const float* x, float* out);

// `row` in each of `count` rows of `out`.
void repeat(const AlignedFloats& row, std::int64_t count, float* out, std::int64_t out_stride);

// The product with each of `count` rows of `x`, and the bias, added to the rows of `y`.
void add_linear(const Kernels& kernels, const LinearWeights& linear, const float* x,
                std::int64_t x_stride, std::int64_t count, float* y, std::int64_t y_stride);

// The convolution at `count` of the group's columns, from column `first` on, every `step`-th.
void convolve(const Kernels& kernels, const ConvWeights& conv, const History& history,
              std::int64_t first, std::int64_t step, std::int64_t count, float* out,
              std::int64_t out_stride);

}  // namespace dt
