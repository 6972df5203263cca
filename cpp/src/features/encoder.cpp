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

EncoderState::EncoderState(const Model& model) : input(1, LogMel::kBands) {
  const ModelWeights& weights = ModelWeights::of(model);
  for (const std::int64_t dilation : weights.config.dilations) {
    blocks.emplace_back(dilation, weights.config.channels);
  }
  if (weights.encoder.context) {
    context.emplace(weights);
  }
}

void EncoderState::reset() {
  input.clear();
  for (History& block : blocks) {
    block.clear();
  }
  if (context) {
    context->reset();
  }
}

Encoder::Encoder(std::shared_ptr<const Model> model)
    : model_(std::move(model)),
      weights_(ModelWeights::of(*model_)),
      channels_(weights_.config.channels),
      stride_(padded(channels_)),
      hidden_(static_cast<std::size_t>(kBatchColumns * stride_), 0.0F),
      branch_(hidden_),
      normed_(hidden_),
      taps_(weights_.precision, kBatchColumns, 3 * LogMel::kBands),
      block_taps_(weights_.precision, kBatchColumns, 3 * channels_),
      mix_(weights_.precision, kBatchColumns, channels_) {
  batch_.reserve(static_cast<std::size_t>(kBatchColumns));
  slices_.reserve(static_cast<std::size_t>(kBatchColumns));
  if (weights_.encoder.context) {
    context_.emplace(model_);
  }
}

void Encoder::push(const Job* jobs, std::int64_t count) {
  std::int64_t columns = 0;
  for (std::int64_t j = 0; j < count; ++j) {
    Job rest = jobs[j];
    while (rest.columns > 0) {
      Job slice = rest;
      slice.columns = std::min(rest.columns, kBatchColumns - columns);
      batch_.push_back(slice);
      columns += slice.columns;
      rest.mel += slice.columns * LogMel::kBands;
      rest.features += slice.columns * channels_;
      rest.columns -= slice.columns;
      if (columns == kBatchColumns) {
        push_batch(columns);
        columns = 0;
      }
    }
  }
  if (columns > 0) {
    push_batch(columns);
  }
}

void Encoder::push_batch(std::int64_t columns) {
  const EncoderWeights& encoder = weights_.encoder;
  const Kernels& kernels = weights_.kernels;
  float* hidden = hidden_.data();
  float* branch = branch_.data();

  slices_.clear();
  std::int64_t at = 0;
  for (const Job& job : batch_) {
    gather_taps(encoder.input, job.state->input, job.mel, LogMel::kBands, 0, 1, job.columns, taps_,
                at);
    job.state->input.advance(job.mel, LogMel::kBands, job.columns);
    if (context_) {
      slices_.push_back({&*job.state->context, job.columns, hidden + at * stride_});
    }
    at += job.columns;
  }
  taps_.close(kernels, columns);
  encoder.input.matrix.multiply(kernels, taps_, columns, encoder.input.bias, hidden, stride_);
  rectify(hidden, columns * stride_);

  for (std::size_t b = 0; b < encoder.blocks.size(); ++b) {
    const EncoderWeights::Block& block = encoder.blocks[b];
    for (std::int64_t i = 0; i < columns; ++i) {
      normalise(kernels, block.norm, hidden + i * stride_, normed_.data() + i * stride_);
    }
    at = 0;
    for (const Job& job : batch_) {
      const float* rows = normed_.data() + at * stride_;
      gather_taps(block.conv, job.state->blocks[b], rows, stride_, 0, 1, job.columns, block_taps_,
                  at);
      job.state->blocks[b].advance(rows, stride_, job.columns);
      at += job.columns;
    }
    block_taps_.close(kernels, columns);
    block.conv.matrix.multiply(kernels, block_taps_, columns, block.conv.bias, branch, stride_);
    rectify(branch, columns * stride_);
    for (std::int64_t i = 0; i < columns; ++i) {
      std::copy(branch + i * stride_, branch + (i + 1) * stride_, mix_.row(i));
    }
    mix_.close(kernels, columns);
    add_linear(kernels, block.mix, mix_, columns, hidden, stride_);
  }
  if (context_) {
    context_->push(taps_, slices_, stride_);
  }
  at = 0;
  for (const Job& job : batch_) {
    for (std::int64_t i = 0; i < job.columns; ++i, ++at) {
      float* row = hidden + at * stride_;
      normalise(kernels, encoder.norm, row, row);
      std::copy(row, row + channels_, job.features + i * channels_);
    }
  }
  batch_.clear();
}

}  // namespace dt
