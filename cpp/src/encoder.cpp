#include "encoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace dt {
namespace {

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

void rectify(float* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    x[i] = std::max(x[i], 0.0F);
  }
}

}  // namespace

Encoder::History::History(std::int64_t dilation, std::int64_t width_floats)
    : past(2 * dilation),
      width(width_floats),
      columns(static_cast<std::size_t>((past + kGroupColumns) * width), 0.0F) {}

void Encoder::History::advance(std::int64_t count) {
  std::memmove(columns.data(), &columns[static_cast<std::size_t>(count * width)],
               static_cast<std::size_t>(past * width) * sizeof(float));
}

Encoder::Encoder(std::shared_ptr<const Model> model)
    : model_(std::move(model)),
      weights_(model_->weights()),
      channels_(weights_.config.channels),
      stride_(padded(channels_)),
      input_(1, LogMel::kBands),
      hidden_(static_cast<std::size_t>(kGroupColumns * stride_), 0.0F),
      branch_(hidden_) {
  for (const std::int64_t dilation : weights_.config.dilations) {
    blocks_.emplace_back(dilation, channels_);
  }
}

void Encoder::reset() {
  std::fill(input_.columns.begin(), input_.columns.end(), 0.0F);
  for (History& block : blocks_) {
    std::fill(block.columns.begin(), block.columns.end(), 0.0F);
  }
}

void Encoder::push(const float* mel, std::int64_t count, float* features) {
  for (std::int64_t at = 0; at < count; at += kGroupColumns) {
    push_group(mel + at * LogMel::kBands, std::min(kGroupColumns, count - at),
               features + at * channels_);
  }
}

// out = bias + the three taps' products, for each column of the group.
void Encoder::convolve(const ConvWeights& conv, History& history, std::int64_t count,
                       float* out) const {
  for (std::int64_t i = 0; i < count; ++i) {
    std::copy(conv.bias.begin(), conv.bias.end(), out + i * stride_);
  }
  for (std::int64_t tap = 0; tap < 3; ++tap) {
    const float* x = history.group() - (2 - tap) * conv.dilation * history.width;
    conv.taps[tap].multiply_add(weights_.kernels, x, history.width, count, out, stride_);
  }
  history.advance(count);
}

void Encoder::push_group(const float* mel, std::int64_t count, float* features) {
  const EncoderWeights& encoder = weights_.encoder;
  float* hidden = hidden_.data();
  float* branch = branch_.data();

  std::copy(mel, mel + count * LogMel::kBands, input_.group());
  convolve(encoder.input, input_, count, hidden);
  rectify(hidden, count * stride_);

  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    const EncoderWeights::Block& block = encoder.blocks[b];
    for (std::int64_t i = 0; i < count; ++i) {
      normalise(block.norm, hidden + i * stride_, blocks_[b].group() + i * channels_);
    }
    convolve(block.conv, blocks_[b], count, branch);
    rectify(branch, count * stride_);
    for (std::int64_t i = 0; i < count; ++i) {
      for (std::int64_t c = 0; c < channels_; ++c) {
        hidden[i * stride_ + c] += block.mix_bias[static_cast<std::size_t>(c)];
      }
    }
    block.mix.multiply_add(weights_.kernels, branch, stride_, count, hidden, stride_);
  }
  for (std::int64_t i = 0; i < count; ++i) {
    normalise(encoder.norm, hidden + i * stride_, features + i * channels_);
  }
}

}  // namespace dt
