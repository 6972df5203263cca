#include "features/context.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "dt/model.h"
#include "kernels/kernels.h"

namespace dt {
namespace {

AlignedFloats rows(std::int64_t stride) {
  return AlignedFloats(static_cast<std::size_t>(kBatchColumns * stride), 0.0F);
}

// Both convolutions are centred ones: the first is heard a column late, the second, which makes one
// token of two columns, with every even column from 2 on. The first of a slice's columns that ends
// a token:
std::int64_t first_end(const ContextState& state) {
  return state.columns == 0 ? 2 : state.columns % 2;
}

}  // namespace

ContextState::ContextState(const ModelWeights& weights)
    : convolved(1, weights.config.context->width),
      memories(static_cast<std::size_t>(weights.config.context->layers),
               AttentionMemory(AttentionShape(*weights.config.context, weights.precision))),
      mixed(static_cast<std::size_t>(padded(weights.config.channels)), 0.0F) {}

void ContextState::reset() {
  // Keys and values of tokens that were not made yet are never read.
  columns = tokens = 0;
  convolved.clear();
  std::fill(mixed.begin(), mixed.end(), 0.0F);
}

Context::Context(std::shared_ptr<const Model> model)
    : model_(std::move(model)),
      weights_(ModelWeights::of(*model_)),
      context_(*weights_.encoder.context),
      channels_(weights_.config.channels),
      stride_(padded(weights_.config.context->width)),
      mixed_stride_(padded(channels_)),
      attention_(AttentionShape(*weights_.config.context, weights_.precision), weights_.kernels,
                 stride_),
      tokens_(static_cast<std::size_t>(kBatchColumns)),
      convolved_(rows(stride_)),
      hidden_(convolved_),
      qkv_(rows(3 * stride_)),
      mixed_(rows(mixed_stride_)),
      convolved_taps_(weights_.precision, kBatchColumns, 3 * weights_.config.context->width),
      normed_(weights_.precision, kBatchColumns, weights_.config.context->width),
      attended_(normed_),
      inner_(weights_.precision, kBatchColumns, weights_.config.context->hidden) {}

void Context::push(const Operand& taps, const std::vector<Slice>& slices,
                   std::int64_t hidden_stride) {
  convolve_columns(taps, slices);
  const std::int64_t count = make_tokens(slices);
  if (count > 0) {
    for (std::size_t layer = 0; layer < context_.layers.size(); ++layer) {
      run_layer(layer, slices, count);
    }
    for (std::int64_t t = 0; t < count; ++t) {
      normalise(weights_.kernels, context_.norm, hidden(t), normed_.row(t));
    }
    normed_.close(weights_.kernels, count);
    std::fill(mixed_.begin(), mixed_.begin() + count * mixed_stride_, 0.0F);
    context_.mix.multiply_add(weights_.kernels, normed_, count, mixed_.data(), mixed_stride_);
  }
  mix(slices, hidden_stride);
}

void Context::convolve_columns(const Operand& taps, const std::vector<Slice>& slices) {
  std::int64_t columns = 0;
  for (const Slice& slice : slices) {
    columns += slice.count;
  }
  float* convolved = convolved_.data();
  context_.conv1.matrix.multiply(weights_.kernels, taps, columns, context_.conv1.bias, convolved,
                                 stride_);
  weights_.kernels.gelu(convolved, columns * stride_);
  for (const Slice& slice : slices) {
    if (slice.state->columns == 0 && slice.count > 0) {
      // The column before the first is the second convolution's padding, not the first one's
      // output.
      std::fill(convolved, convolved + stride_, 0.0F);
    }
    convolved += slice.count * stride_;
  }
}

// Writes the tokens that the columns complete to hidden_, slice after slice, how many of each to
// tokens_, and returns their number.
std::int64_t Context::make_tokens(const std::vector<Slice>& slices) {
  std::int64_t count = 0;
  const float* convolved = convolved_.data();
  for (std::size_t s = 0; s < slices.size(); ++s) {
    const Slice& slice = slices[s];
    const std::int64_t first = first_end(*slice.state);
    tokens_[s] = first < slice.count ? (slice.count - first + 1) / 2 : 0;
    gather_taps(context_.conv2, slice.state->convolved, convolved, stride_, first, 2, tokens_[s],
                convolved_taps_, count);
    slice.state->convolved.advance(convolved, stride_, slice.count);
    slice.state->columns += slice.count;
    convolved += slice.count * stride_;
    count += tokens_[s];
  }
  convolved_taps_.close(weights_.kernels, count);
  context_.conv2.matrix.multiply(weights_.kernels, convolved_taps_, count, context_.conv2.bias,
                                 hidden_.data(), stride_);
  weights_.kernels.gelu(hidden_.data(), count * stride_);
  for (std::int64_t t = 0; t < count; ++t) {
    for (std::int64_t i = 0; i < stride_; ++i) {
      hidden(t)[i] += context_.position[static_cast<std::size_t>(i)];
    }
  }
  return count;
}

// hidden_ += attention(norm(hidden_)), then += mlp(norm(hidden_)), for the batch's tokens.
void Context::run_layer(std::size_t number, const std::vector<Slice>& slices, std::int64_t count) {
  const Kernels& kernels = weights_.kernels;
  const ContextWeights::Layer& layer = context_.layers[number];
  for (std::int64_t t = 0; t < count; ++t) {
    normalise(kernels, layer.attention_norm, hidden(t), normed_.row(t));
  }
  normed_.close(kernels, count);
  layer.qkv.matrix.multiply(kernels, normed_, count, layer.qkv.bias, qkv_.data(), 3 * stride_);
  const bool last = number + 1 == context_.layers.size();
  std::int64_t t = 0;
  for (std::size_t s = 0; s < slices.size(); ++s) {
    ContextState& state = *slices[s].state;
    for (std::int64_t i = 0; i < tokens_[s]; ++i, ++t) {
      attention_.push(layer.distance.data(), state.memories[number], state.tokens + i,
                      &qkv_[static_cast<std::size_t>(t * 3 * stride_)], attended_.row(t));
    }
    state.tokens += last ? tokens_[s] : 0;
  }
  attended_.close(kernels, count);
  add_linear(kernels, layer.out, attended_, count, hidden_.data(), stride_);

  for (t = 0; t < count; ++t) {
    normalise(kernels, layer.mlp_norm, hidden(t), normed_.row(t));
  }
  normed_.close(kernels, count);
  layer.fc1.matrix.multiply(kernels, normed_, count, layer.fc1.bias, inner_.row(0),
                            inner_.stride());
  kernels.gelu(inner_.row(0), count * inner_.stride());
  inner_.close(kernels, count);
  add_linear(kernels, layer.fc2, inner_, count, hidden_.data(), stride_);
}

// Adds to each column the newest token that it may hear.
void Context::mix(const std::vector<Slice>& slices, std::int64_t hidden_stride) {
  const float* mixed = mixed_.data();
  for (std::size_t s = 0; s < slices.size(); ++s) {
    const Slice& slice = slices[s];
    ContextState& state = *slice.state;
    const float* newest = state.mixed.data();
    std::int64_t used = 0;
    for (std::int64_t i = 0; i < slice.count; ++i) {
      const std::int64_t column = state.columns - slice.count + i;
      if (column >= 2 && column % 2 == 0) {
        newest = mixed + used++ * mixed_stride_;
      }
      for (std::int64_t c = 0; c < channels_; ++c) {
        slice.hidden[i * hidden_stride + c] += newest[c];
      }
    }
    if (used > 0) {
      std::copy(newest, newest + mixed_stride_, state.mixed.data());
    }
    mixed += tokens_[s] * mixed_stride_;
  }
}

}  // namespace dt
