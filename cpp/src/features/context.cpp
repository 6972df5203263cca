#include "features/context.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "dt/log_mel.h"
#include "dt/model.h"
#include "kernels/kernels.h"

namespace dt {
namespace {

void gelu(float* x, std::int64_t n) {
  constexpr float kInverseRootOfTwo = 0.707106781F;
  for (std::int64_t i = 0; i < n; ++i) {
    x[i] = 0.5F * x[i] * (1.0F + std::erf(x[i] * kInverseRootOfTwo));
  }
}

AlignedFloats rows(std::int64_t count, std::int64_t stride) {
  return AlignedFloats(static_cast<std::size_t>(count * stride), 0.0F);
}

}  // namespace

Context::Context(std::shared_ptr<const Model> model)
    : model_(std::move(model)),
      weights_(ModelWeights::of(*model_)),
      context_(*weights_.encoder.context),
      width_(weights_.config.context->width),
      heads_(weights_.config.context->heads),
      window_(weights_.config.context->window),
      channels_(weights_.config.channels),
      stride_(padded(width_)),
      inner_stride_(padded(weights_.config.context->hidden)),
      mixed_stride_(padded(channels_)),
      mel_(1, LogMel::kBands),
      convolved_(1, stride_),
      mixed_(rows(1 + kGroupTokens, mixed_stride_)),
      hidden_(rows(kGroupTokens, stride_)),
      normed_(hidden_),
      attended_(hidden_),
      qkv_(rows(kGroupTokens, 3 * stride_)),
      inner_(rows(kGroupTokens, inner_stride_)),
      scores_(static_cast<std::size_t>(window_)),
      shares_(scores_) {
  const std::vector<float> empty(static_cast<std::size_t>(window_ * width_));
  memories_.assign(context_.layers.size(), {empty, empty});
}

void Context::reset() {
  // Keys and values of tokens that were not made yet are never read.
  columns_ = tokens_ = 0;
  mel_.clear();
  convolved_.clear();
  std::fill(mixed_.begin(), mixed_.end(), 0.0F);
}

void Context::push(const float* mel, std::int64_t count, float* hidden,
                   std::int64_t hidden_stride) {
  const std::int64_t tokens = make_tokens(mel, count);
  float* mixed = mixed_.data();
  if (tokens > 0) {
    for (std::size_t l = 0; l < memories_.size(); ++l) {
      run_layer(context_.layers[l], memories_[l], tokens);
    }
    for (std::int64_t t = 0; t < tokens; ++t) {
      normalise(context_.norm, &hidden_[static_cast<std::size_t>(t * stride_)],
                &normed_[static_cast<std::size_t>(t * stride_)]);
    }
    std::fill(mixed_.begin() + mixed_stride_, mixed_.end(), 0.0F);
    context_.mix.multiply_add(weights_.kernels, normed_.data(), stride_, tokens,
                              mixed + mixed_stride_, mixed_stride_);
  }

  const float* newest = mixed;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t column = columns_ + i;
    if (column >= 2 && column % 2 == 0) {
      newest += mixed_stride_;
    }
    for (std::int64_t c = 0; c < channels_; ++c) {
      hidden[i * hidden_stride + c] += newest[c];
    }
  }
  std::copy(newest, newest + mixed_stride_, mixed);
  columns_ += count;
  tokens_ += tokens;
}

// Writes the tokens that `count` columns complete to hidden_, and returns their number. Both
// convolutions are centred ones: the first is heard a column late, the second, which makes one
// token of two columns, with every even column from 2 on.
std::int64_t Context::make_tokens(const float* mel, std::int64_t count) {
  const Kernels& kernels = weights_.kernels;
  std::copy(mel, mel + count * LogMel::kBands, mel_.group());
  float* convolved = convolved_.group();
  convolve(kernels, context_.conv1, mel_, 0, 1, count, convolved, stride_);
  gelu(convolved, count * stride_);
  if (columns_ == 0 && count > 0) {
    // The column before the first is the second convolution's padding, not the first one's output.
    std::fill(convolved, convolved + stride_, 0.0F);
  }

  const std::int64_t first = columns_ == 0 ? 2 : columns_ % 2;  // of the columns that end a token
  const std::int64_t tokens = first < count ? (count - first + 1) / 2 : 0;
  float* hidden = hidden_.data();
  convolve(kernels, context_.conv2, convolved_, first, 2, tokens, hidden, stride_);
  gelu(hidden, tokens * stride_);
  for (std::int64_t t = 0; t < tokens; ++t) {
    for (std::int64_t i = 0; i < stride_; ++i) {
      hidden[t * stride_ + i] += context_.position[static_cast<std::size_t>(i)];
    }
  }
  mel_.advance(count);
  convolved_.advance(count);
  return tokens;
}

// hidden_ += attention(norm(hidden_)), then += mlp(norm(hidden_)), for `count` tokens.
void Context::run_layer(const ContextWeights::Layer& layer, Memory& memory, std::int64_t count) {
  const Kernels& kernels = weights_.kernels;
  float* hidden = hidden_.data();
  float* normed = normed_.data();
  for (std::int64_t t = 0; t < count; ++t) {
    normalise(layer.attention_norm, hidden + t * stride_, normed + t * stride_);
  }
  repeat(layer.qkv.bias, count, qkv_.data(), 3 * stride_);
  layer.qkv.matrix.multiply_add(kernels, normed, stride_, count, qkv_.data(), 3 * stride_);
  for (std::int64_t t = 0; t < count; ++t) {
    attend(layer, memory, tokens_ + t, qkv_.data() + t * 3 * stride_,
           attended_.data() + t * stride_);
  }
  add_linear(kernels, layer.out, attended_.data(), stride_, count, hidden, stride_);

  for (std::int64_t t = 0; t < count; ++t) {
    normalise(layer.mlp_norm, hidden + t * stride_, normed + t * stride_);
  }
  repeat(layer.fc1.bias, count, inner_.data(), inner_stride_);
  layer.fc1.matrix.multiply_add(kernels, normed, stride_, count, inner_.data(), inner_stride_);
  gelu(inner_.data(), count * inner_stride_);
  add_linear(kernels, layer.fc2, inner_.data(), inner_stride_, count, hidden, stride_);
}

// One token's attention to the last `window` tokens, itself included; puts its key and value into
// the memory. Every sum over tokens goes from the oldest to the newest.
void Context::attend(const ContextWeights::Layer& layer, Memory& memory, std::int64_t token,
                     const float* qkv, float* out) {
  const std::int64_t slot = token % window_;
  const std::int64_t known = std::min(token + 1, window_);  // in slots 0 .. known - 1
  const std::int64_t oldest = token + 1 - known;
  const std::int64_t size = width_ / heads_;
  const float scale = 1.0F / std::sqrt(static_cast<float>(size));
  float* keys = memory.keys.data();
  float* values = memory.values.data();
  for (std::int64_t i = 0; i < width_; ++i) {
    keys[i * window_ + slot] = qkv[stride_ + i];
  }
  std::copy(qkv + 2 * stride_, qkv + 2 * stride_ + width_, values + slot * width_);

  float* scores = scores_.data();
  float* shares = shares_.data();
  std::fill(out, out + width_, 0.0F);
  for (std::int64_t head = 0; head < heads_; ++head) {
    std::fill(scores, scores + known, 0.0F);
    for (std::int64_t i = head * size; i < (head + 1) * size; ++i) {
      const float query = qkv[i] * scale;
      const float* key = keys + i * window_;
      for (std::int64_t s = 0; s < known; ++s) {
        scores[s] += query * key[s];
      }
    }
    const float* distance = &layer.distance[static_cast<std::size_t>(head * window_)];
    for (std::int64_t j = 0; j < known; ++j) {
      shares[j] = scores[(oldest + j) % window_] + distance[known - 1 - j];
    }
    const float most = *std::max_element(shares, shares + known);
    float sum = 0.0F;
    for (std::int64_t j = 0; j < known; ++j) {
      shares[j] = std::exp(shares[j] - most);
      sum += shares[j];
    }
    float* mean = out + head * size;
    for (std::int64_t j = 0; j < known; ++j) {
      const float share = shares[j] / sum;
      const float* value = values + (oldest + j) % window_ * width_ + head * size;
      for (std::int64_t i = 0; i < size; ++i) {
        mean[i] += share * value[i];
      }
    }
  }
}

}  // namespace dt
