#include "features/encoder.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "dt/log_mel.h"
#include "dt/model.h"
#include "kernels/kernels.h"

namespace dt {
namespace {

void rectify(float* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    x[i] = std::max(x[i], 0.0F);
  }
}

}  // namespace

Encoder::Encoder(std::shared_ptr<const Model> model)
    : model_(std::move(model)),
      weights_(ModelWeights::of(*model_)),
      channels_(weights_.config.channels),
      stride_(padded(channels_)),
      input_(1, LogMel::kBands),
      hidden_(static_cast<std::size_t>(kGroupColumns * stride_), 0.0F),
      branch_(hidden_) {
  for (const std::int64_t dilation : weights_.config.dilations) {
    blocks_.emplace_back(dilation, channels_);
  }
  if (weights_.encoder.context) {
    context_.emplace(model_);
  }
}

void Encoder::reset() {
  input_.clear();
  for (History& block : blocks_) {
    block.clear();
  }
  if (context_) {
    context_->reset();
  }
}

void Encoder::push(const float* mel, std::int64_t count, float* features) {
  for (std::int64_t at = 0; at < count; at += kGroupColumns) {
    push_group(mel + at * LogMel::kBands, std::min(kGroupColumns, count - at),
               features + at * channels_);
  }
}

void Encoder::push_group(const float* mel, std::int64_t count, float* features) {
  const EncoderWeights& encoder = weights_.encoder;
  const Kernels& kernels = weights_.kernels;
  float* hidden = hidden_.data();
  float* branch = branch_.data();

  std::copy(mel, mel + count * LogMel::kBands, input_.group());
  convolve(kernels, encoder.input, input_, 0, 1, count, hidden, stride_);
  input_.advance(count);
  rectify(hidden, count * stride_);

  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    const EncoderWeights::Block& block = encoder.blocks[b];
    for (std::int64_t i = 0; i < count; ++i) {
      normalise(block.norm, hidden + i * stride_, blocks_[b].group() + i * channels_);
    }
    convolve(kernels, block.conv, blocks_[b], 0, 1, count, branch, stride_);
    blocks_[b].advance(count);
    rectify(branch, count * stride_);
    add_linear(kernels, block.mix, branch, stride_, count, hidden, stride_);
  }
  if (context_) {
    context_->push(mel, count, hidden, stride_);
  }
  for (std::int64_t i = 0; i < count; ++i) {
    normalise(encoder.norm, hidden + i * stride_, features + i * channels_);
  }
}

}  // namespace dt
