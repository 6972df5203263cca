// What the audio encoder and its context are made of: linear layers, and causal convolutions with
// the columns that they still reach back to.
#pragma once

#include <cstdint>

#include "kernels/aligned.h"
#include "kernels/kernels.h"
#include "kernels/matrix.h"
#include "weights/model.h"

namespace dt {

// Most columns (100 Hz) that the encoder takes through its layers at once, of all voices together.
constexpr std::int64_t kBatchColumns = 64;

// What a convolution of three taps still reaches back to: the newest 2 dilation rows of its input.
struct History {
  History(std::int64_t dilation, std::int64_t width_floats);
  void advance(const float* rows, std::int64_t stride, std::int64_t count);
  void clear();
  std::int64_t past, width;
  AlignedFloats rows;
};

// The convolution's inputs at `count` columns of the new rows `x`, from `first` on and every
// `step`-th, three each, to the operand's rows from `at` on.
void gather_taps(const ConvWeights& conv, const History& history, const float* x,
                 std::int64_t x_stride, std::int64_t first, std::int64_t step, std::int64_t count,
                 Operand& operand, std::int64_t at);

void normalise(const Kernels& kernels, const NormWeights& norm, const float* x, float* out);

// The product with the operand's first `count` rows, and the bias, added to the rows of `y`.
void add_linear(const Kernels& kernels, const LinearWeights& linear, const Operand& x,
                std::int64_t count, float* y, std::int64_t y_stride);

}  // namespace dt
