#include "sampler/cpu/backend_cpu.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "dt/model.h"
#include "kernels/kernels.h"

namespace dt {

CpuBackend::CpuBackend(std::shared_ptr<const Model> model)
    : model_(std::move(model)),
      weights_(ModelWeights::of(*model_)),
      steps_(weights_.sample_steps()),
      curves_(weights_.curves()),
      x_stride_(padded(curves_)),
      hidden_stride_(padded(weights_.config.hidden)),
      gates_(3 * hidden_stride_),
      state_(static_cast<std::size_t>(weights_.config.layers),
             AlignedFloats(static_cast<std::size_t>(steps_ * hidden_stride_), 0.0F)),
      x_(static_cast<std::size_t>(steps_ * x_stride_), 0.0F),
      x0_(x_),
      input_(static_cast<std::size_t>(steps_ * gates_), 0.0F),
      recurrent_(input_),
      projected_(static_cast<std::size_t>(kBlockFrames * gates_), 0.0F) {}

void CpuBackend::reset() {
  for (AlignedFloats& layer : state_) {
    std::fill(layer.begin(), layer.end(), 0.0F);
  }
}

void CpuBackend::read_state(float* state) const {
  const std::int64_t hidden = weights_.config.hidden;
  for (std::int64_t step = 0; step < steps_; ++step) {
    for (const AlignedFloats& layer : state_) {
      const float* row = &layer[static_cast<std::size_t>(step * hidden_stride_)];
      state = std::copy(row, row + hidden, state);
    }
  }
}

void CpuBackend::write_state(const float* state) {
  const std::int64_t hidden = weights_.config.hidden;
  for (std::int64_t step = 0; step < steps_; ++step) {
    for (AlignedFloats& layer : state_) {
      std::copy(state, state + hidden, &layer[static_cast<std::size_t>(step * hidden_stride_)]);
      state += hidden;
    }
  }
}

void CpuBackend::sample(std::int64_t frames, const float* audio, const float* identity,
                        const float* noise, float* x0) {
  const std::int64_t channels = weights_.config.channels;
  for (std::int64_t f = 0; f < frames; f += kBlockFrames) {
    sample_block(std::min(kBlockFrames, frames - f), audio + f * channels, identity + f * channels,
                 noise + f * curves_, {x0 + f * curves_, nullptr, 0});
  }
}

void CpuBackend::trace(std::int64_t frames, const float* audio, const float* identity,
                       const float* noise, float* x) {
  const std::int64_t channels = weights_.config.channels;
  std::copy(noise, noise + frames * curves_, x);
  float* after_first = x + frames * curves_;
  float* x0 = x + steps_ * frames * curves_;
  for (std::int64_t f = 0; f < frames; f += kBlockFrames) {
    sample_block(std::min(kBlockFrames, frames - f), audio + f * channels, identity + f * channels,
                 noise + f * curves_, {x0 + f * curves_, after_first + f * curves_, frames});
  }
}

// Steps are counted in the order of sampling: step 0 starts from the noise.
void CpuBackend::sample_block(std::int64_t frames, const float* audio, const float* identity,
                              const float* noise, const Output& out) {
  project_frames(frames, audio, identity);
  for (std::int64_t diagonal = 0; diagonal < frames + steps_ - 1; ++diagonal) {
    const std::int64_t first = std::max<std::int64_t>(0, diagonal - frames + 1);
    const std::int64_t last = std::min(diagonal, steps_ - 1);
    if (diagonal < frames) {
      std::copy(noise + diagonal * curves_, noise + (diagonal + 1) * curves_, x_.begin());
    }
    run_network(diagonal, first, last - first + 1);
    // The last step first: each one hands its x to the slot of the next.
    for (std::int64_t step = last; step >= first; --step) {
      finish_step(step, diagonal - step, out);
    }
  }
}

void CpuBackend::project_frames(std::int64_t frames, const float* audio, const float* identity) {
  const AlignedFloats& bias = weights_.decoder.layers.front().input_bias;
  const std::int64_t channels = weights_.config.channels;
  for (std::int64_t f = 0; f < frames; ++f) {
    std::copy(bias.begin(), bias.end(), &projected_[static_cast<std::size_t>(f * gates_)]);
  }
  weights_.decoder.audio.multiply_add(weights_.kernels, audio, channels, frames, projected_.data(),
                                      gates_);
  weights_.decoder.identity.multiply_add(weights_.kernels, identity, channels, frames,
                                         projected_.data(), gates_);
}

// x -> x0 for the steps first .. first + count - 1, each at its own frame; updates their states.
void CpuBackend::run_network(std::int64_t diagonal, std::int64_t first, std::int64_t count) {
  const DecoderWeights& decoder = weights_.decoder;
  const Kernels& kernels = weights_.kernels;
  float* input = &input_[static_cast<std::size_t>(first * gates_)];
  float* recurrent = &recurrent_[static_cast<std::size_t>(first * gates_)];
  float* x0 = &x0_[static_cast<std::size_t>(first * x_stride_)];

  const float* below = &x_[static_cast<std::size_t>(first * x_stride_)];
  std::int64_t below_stride = x_stride_;
  for (std::size_t i = 0; i < decoder.layers.size(); ++i) {
    const GruWeights& layer = decoder.layers[i];
    float* state = &state_[i][static_cast<std::size_t>(first * hidden_stride_)];
    for (std::int64_t c = 0; c < count; ++c) {
      if (i == 0) {
        const float* frame = &projected_[static_cast<std::size_t>((diagonal - first - c) * gates_)];
        const float* step = &decoder.step_rows[static_cast<std::size_t>((first + c) * gates_)];
        for (std::int64_t g = 0; g < gates_; ++g) {
          input[c * gates_ + g] = frame[g] + step[g];
        }
      } else {
        std::copy(layer.input_bias.begin(), layer.input_bias.end(), input + c * gates_);
      }
      std::copy(layer.recurrent_bias.begin(), layer.recurrent_bias.end(), recurrent + c * gates_);
    }
    layer.input.multiply_add(kernels, below, below_stride, count, input, gates_);
    layer.recurrent.multiply_add(kernels, state, hidden_stride_, count, recurrent, gates_);
    for (std::int64_t c = 0; c < count; ++c) {
      kernels.gru(input + c * gates_, recurrent + c * gates_, hidden_stride_,
                  state + c * hidden_stride_);
    }
    below = state;
    below_stride = hidden_stride_;
  }
  for (std::int64_t c = 0; c < count; ++c) {
    std::copy(decoder.head_bias.begin(), decoder.head_bias.end(), x0 + c * x_stride_);
  }
  decoder.head.multiply_add(kernels, below, below_stride, count, x0, x_stride_);
}

void CpuBackend::finish_step(std::int64_t step, std::int64_t frame, const Output& out) {
  const float* x0 = &x0_[static_cast<std::size_t>(step * x_stride_)];
  if (step == steps_ - 1) {
    std::copy(x0, x0 + curves_, out.x0 + frame * curves_);
    return;
  }
  const DdimStep& ddim = weights_.ddim[static_cast<std::size_t>(step)];
  const float* x = &x_[static_cast<std::size_t>(step * x_stride_)];
  float* next = &x_[static_cast<std::size_t>((step + 1) * x_stride_)];
  for (std::int64_t i = 0; i < curves_; ++i) {
    next[i] = ddim.x_scale * x[i] + ddim.x0_scale * x0[i];
  }
  if (out.trace != nullptr) {
    std::copy(next, next + curves_, out.trace + (step * out.trace_frames + frame) * curves_);
  }
}

}  // namespace dt
