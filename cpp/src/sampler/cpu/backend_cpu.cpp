#include "sampler/cpu/backend_cpu.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "dt/model.h"
#include "kernels/kernels.h"

namespace dt {
namespace {

AlignedFloats rows(std::int64_t stride) {
  return AlignedFloats(static_cast<std::size_t>(kMostSampledFrames * stride), 0.0F);
}

}  // namespace

CpuBackend::CpuBackend(std::shared_ptr<const Model> model, std::int64_t voices)
    : model_(std::move(model)),
      weights_(ModelWeights::of(*model_)),
      steps_(weights_.sample_steps()),
      curves_(weights_.curves()),
      channels_(weights_.config.channels),
      x_stride_(padded(curves_)),
      hidden_stride_(padded(weights_.config.hidden)),
      gates_(3 * hidden_stride_),
      ddim_(static_cast<std::size_t>(steps_) + 1),
      stride_(static_cast<std::size_t>(voices), 1),
      state_(static_cast<std::size_t>(weights_.config.layers),
             AlignedFloats(static_cast<std::size_t>(voices * steps_ * hidden_stride_))),
      activations_(state_.size(), Aligned<std::uint8_t>(state_.front().size())),
      x_(rows(x_stride_)),
      projected_(rows(gates_)),
      x0_(rows(x_stride_)),
      input_(rows(gates_)),
      recurrent_(rows(gates_)),
      frame_features_(weights_.precision, kMostSampledFrames, channels_),
      x_operand_(weights_.precision, kMostSampledFrames, curves_),
      state_operand_(weights_.precision, kMostSampledFrames, weights_.config.hidden),
      below_(state_.size(), state_operand_) {
  cells_.reserve(static_cast<std::size_t>(kMostSampledFrames));
  for (std::int64_t stride = 1; stride <= steps_; ++stride) {
    if (steps_ % stride == 0) {
      ddim_[static_cast<std::size_t>(stride)] = ddim_steps(weights_.config.alpha_bar, stride);
    }
  }
  for (std::int64_t voice = 0; voice < voices; ++voice) {
    reset(voice);
  }
}

void CpuBackend::reset(std::int64_t voice) {
  const std::int64_t count = steps_ * hidden_stride_;
  stride_[static_cast<std::size_t>(voice)] = 1;
  for (std::size_t layer = 0; layer < state_.size(); ++layer) {
    std::fill_n(state(layer, voice * steps_), count, 0.0F);
    std::fill_n(activations(layer, voice * steps_), count, static_cast<std::uint8_t>(kZeroPoint));
  }
}

void CpuBackend::read_state(float* out) const {
  const std::int64_t hidden = weights_.config.hidden;
  for (std::int64_t step = 0; step < steps_; ++step) {
    for (const AlignedFloats& layer : state_) {
      const float* row = &layer[static_cast<std::size_t>(step * hidden_stride_)];
      out = std::copy(row, row + hidden, out);
    }
  }
}

void CpuBackend::write_state(const float* from) {
  const std::int64_t hidden = weights_.config.hidden;
  for (std::int64_t step = 0; step < steps_; ++step) {
    for (std::size_t layer = 0; layer < state_.size(); ++layer) {
      std::copy(from, from + hidden, state(layer, step));
      from += hidden;
      // A GRU's states lie between -1 and 1: rounded as its kernel does, halves to the even number.
      for (std::int64_t i = 0; i < hidden_stride_; ++i) {
        const float value = std::nearbyint(state(layer, step)[i] * kActivationSteps);
        activations(layer, step)[i] =
            static_cast<std::uint8_t>(static_cast<int>(value) + kZeroPoint);
      }
    }
  }
}

void CpuBackend::sample(std::int64_t frames, const float* audio, const float* identity,
                        const float* noise, float* x0) {
  for (std::int64_t f = 0; f < frames; f += kMostSampledFrames) {
    const Job job = {0,
                     std::min(kMostSampledFrames, frames - f),
                     audio + f * channels_,
                     identity + f * channels_,
                     noise + f * curves_,
                     x0 + f * curves_};
    sample_jobs(&job, 1, {nullptr, 0});
  }
}

void CpuBackend::trace(std::int64_t frames, const float* audio, const float* identity,
                       const float* noise, float* x) {
  std::copy(noise, noise + frames * curves_, x);
  for (std::int64_t f = 0; f < frames; f += kMostSampledFrames) {
    const Job job = {0,
                     std::min(kMostSampledFrames, frames - f),
                     audio + f * channels_,
                     identity + f * channels_,
                     noise + f * curves_,
                     x + (steps_ * frames + f) * curves_};
    sample_jobs(&job, 1, {x + (frames + f) * curves_, frames * curves_});
  }
}

void CpuBackend::sample(const Job* jobs, std::int64_t count) {
  sample_jobs(jobs, count, {nullptr, 0});
}

// A step that was left out has the states of long ago. When it is run again it begins with those of
// the step before it that was not: the same network on the same sound, at the next noise level.
void CpuBackend::take_up_steps(const Job& job) {
  std::int64_t& before = stride_[static_cast<std::size_t>(job.voice)];
  if (job.stride < before) {
    for (std::int64_t step = 0; step < steps_; ++step) {
      const std::int64_t from = job.voice * steps_ + step / before * before;
      const std::int64_t to = job.voice * steps_ + step;
      for (std::size_t layer = 0; from != to && layer < state_.size(); ++layer) {
        std::copy_n(state(layer, from), hidden_stride_, state(layer, to));
        std::copy_n(activations(layer, from), hidden_stride_, activations(layer, to));
      }
    }
  }
  before = job.stride;
}

// Steps are counted in the order of sampling: step 0 starts from the noise.
void CpuBackend::sample_jobs(const Job* jobs, std::int64_t count, const Trace& trace) {
  const std::int64_t diagonals = load_frames(jobs, count);
  for (std::int64_t diagonal = 0; diagonal < diagonals; ++diagonal) {
    find_cells(jobs, count, diagonal);
    run_network();
    finish_cells(trace);
  }
  const float* x = x_.data();
  for (std::int64_t j = 0; j < count; ++j) {
    for (std::int64_t f = 0; f < jobs[j].frames; ++f, x += x_stride_) {
      std::copy(x, x + curves_, jobs[j].x0 + f * curves_);
    }
  }
}

// The frames' noise to x_, and their part of the first layer to projected_. Returns how many
// diagonals the jobs have.
std::int64_t CpuBackend::load_frames(const Job* jobs, std::int64_t count) {
  const auto project = [&](const Matrix& matrix, const float* Job::* features) {
    std::int64_t frame = 0;
    for (std::int64_t j = 0; j < count; ++j) {
      for (std::int64_t f = 0; f < jobs[j].frames; ++f, ++frame) {
        const float* row = jobs[j].*features + f * channels_;
        std::copy(row, row + channels_, frame_features_.row(frame));
      }
    }
    frame_features_.close(weights_.kernels, frame);
    matrix.multiply_add(weights_.kernels, frame_features_, frame, projected_.data(), gates_);
  };
  std::int64_t diagonals = 0, frame = 0;
  for (std::int64_t j = 0; j < count; ++j) {
    take_up_steps(jobs[j]);
    diagonals = std::max(diagonals, jobs[j].frames + steps_ / jobs[j].stride - 1);
    for (std::int64_t f = 0; f < jobs[j].frames; ++f, ++frame) {
      const float* noise = jobs[j].noise + f * curves_;
      std::copy(noise, noise + curves_, &x_[static_cast<std::size_t>(frame * x_stride_)]);
      const AlignedFloats& bias = weights_.decoder.layers.front().input_bias;
      std::copy(bias.begin(), bias.end(), &projected_[static_cast<std::size_t>(frame * gates_)]);
    }
  }
  project(weights_.decoder.audio, &Job::audio);
  project(weights_.decoder.identity, &Job::identity);
  return diagonals;
}

void CpuBackend::find_cells(const Job* jobs, std::int64_t count, std::int64_t diagonal) {
  cells_.clear();
  std::int64_t frame = 0;
  for (std::int64_t j = 0; j < count; ++j) {
    const std::int64_t first = std::max<std::int64_t>(0, diagonal - jobs[j].frames + 1);
    const std::int64_t stride = jobs[j].stride;
    const std::int64_t last = std::min(diagonal, steps_ / stride - 1);
    for (std::int64_t nth = first; nth <= last; ++nth) {
      const std::int64_t step = nth * stride;
      cells_.push_back({frame + diagonal - nth, step, stride, jobs[j].voice * steps_ + step});
    }
    frame += jobs[j].frames;
  }
}

// x_ -> x0_ for the diagonal's cells; updates their states.
void CpuBackend::run_network() {
  const DecoderWeights& decoder = weights_.decoder;
  const auto count = static_cast<std::int64_t>(cells_.size());
  for (std::int64_t c = 0; c < count; ++c) {
    const float* x =
        &x_[static_cast<std::size_t>(cells_[static_cast<std::size_t>(c)].frame * x_stride_)];
    std::copy(x, x + curves_, x_operand_.row(c));
  }
  x_operand_.close(weights_.kernels, count);
  for (std::size_t layer = 0; layer < decoder.layers.size(); ++layer) {
    run_layer(layer, layer == 0 ? x_operand_ : below_[layer - 1]);
  }
  decoder.head.multiply(weights_.kernels, below_.back(), count, decoder.head_bias, x0_.data(),
                        x_stride_);
}

void CpuBackend::run_layer(std::size_t number, const Operand& below) {
  const GruWeights& layer = weights_.decoder.layers[number];
  const auto count = static_cast<std::int64_t>(cells_.size());
  for (std::int64_t c = 0; c < count; ++c) {
    const Cell& cell = cells_[static_cast<std::size_t>(c)];
    if (number == 0) {
      float* input = &input_[static_cast<std::size_t>(c * gates_)];
      const float* frame = &projected_[static_cast<std::size_t>(cell.frame * gates_)];
      const float* step = &weights_.decoder.step_rows[static_cast<std::size_t>(cell.step * gates_)];
      for (std::int64_t g = 0; g < gates_; ++g) {
        input[g] = frame[g] + step[g];
      }
    }
    state_operand_.set_state(c, state(number, cell.state), activations(number, cell.state));
  }
  if (number == 0) {
    layer.input.multiply_add(weights_.kernels, below, count, input_.data(), gates_);
  } else {
    layer.input.multiply(weights_.kernels, below, count, layer.input_bias, input_.data(), gates_);
  }
  layer.recurrent.multiply(weights_.kernels, state_operand_, count, layer.recurrent_bias,
                           recurrent_.data(), gates_);
  for (std::int64_t c = 0; c < count; ++c) {
    const std::int64_t row = cells_[static_cast<std::size_t>(c)].state;
    weights_.kernels.gru(&input_[static_cast<std::size_t>(c * gates_)],
                         &recurrent_[static_cast<std::size_t>(c * gates_)], hidden_stride_,
                         state(number, row), activations(number, row));
    below_[number].set_state(c, state(number, row), activations(number, row));
  }
}

// x_ <- what the next step starts from, or x0 after the last one.
void CpuBackend::finish_cells(const Trace& trace) {
  for (std::size_t c = 0; c < cells_.size(); ++c) {
    const Cell& cell = cells_[c];
    const float* x0 = &x0_[c * static_cast<std::size_t>(x_stride_)];
    float* x = &x_[static_cast<std::size_t>(cell.frame * x_stride_)];
    if (cell.step + cell.stride == steps_) {
      std::copy(x0, x0 + curves_, x);
      continue;
    }
    const DdimStep& ddim = ddim_[static_cast<std::size_t>(cell.stride)]
                                [static_cast<std::size_t>(cell.step / cell.stride)];
    for (std::int64_t i = 0; i < curves_; ++i) {
      x[i] = ddim.x_scale * x[i] + ddim.x0_scale * x0[i];
    }
    if (trace.after_step != nullptr) {
      std::copy(x, x + curves_, trace.after_step + cell.step * trace.stride + cell.frame * curves_);
    }
  }
}

}  // namespace dt
