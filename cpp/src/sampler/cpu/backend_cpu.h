// The sampler's network on the CPU. Cell (frame f, step s) needs only (f - 1, s), for the recurrent
// state, and (f, s - 1), for x; so the cells of one diagonal f + s = d run as one batch, of all
// voices together, and the weights are fetched F + K - 1 times for F frames and K steps, not F K
// times a voice. With a stride the steps between are left out: the sampler of fewer steps whose
// noise levels are every stride-th of these, on the same weights.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dt/model.h"
#include "kernels/aligned.h"
#include "kernels/matrix.h"
#include "sampler/backend.h"
#include "weights/model.h"

namespace dt {

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(std::shared_ptr<const Model> model, std::int64_t voices = 1);

  void sample(const Job* jobs, std::int64_t count) override;
  void reset(std::int64_t voice) override;
  bool strides() const override { return true; }

  // Any number of frames of voice 0.
  void sample(std::int64_t frames, const float* audio, const float* identity, const float* noise,
              float* x0);
  void reset() { reset(0); }

  // The same, and writes every x on the way: (steps + 1, frames, curves), the noise first and x0
  // last; for comparison with other implementations step by step.
  void trace(std::int64_t frames, const float* audio, const float* identity, const float* noise,
             float* x);

  // Voice 0's recurrent states, for the same purpose: (steps, layers, hidden).
  void read_state(float* state) const;
  void write_state(const float* state);

 private:
  // A cell of the present diagonal: which frame of the call, which step of all and of how many each
  // is run, and where its states lie.
  struct Cell {
    std::int64_t frame, step, stride, state;
  };

  // Where x goes after each step but the last; null unless somebody traces.
  struct Trace {
    float* after_step;  // of the call's first frame, after the first step
    std::int64_t stride;
  };

  void sample_jobs(const Job* jobs, std::int64_t count, const Trace& trace);
  void take_up_steps(const Job& job);
  std::int64_t load_frames(const Job* jobs, std::int64_t count);
  void find_cells(const Job* jobs, std::int64_t count, std::int64_t diagonal);
  void run_network();
  void run_layer(std::size_t number, const Operand& below);
  void finish_cells(const Trace& trace);

  float* state(std::size_t layer, std::int64_t row) {
    return &state_[layer][static_cast<std::size_t>(row * hidden_stride_)];
  }
  std::uint8_t* activations(std::size_t layer, std::int64_t row) {
    return &activations_[layer][static_cast<std::size_t>(row * hidden_stride_)];
  }

  std::shared_ptr<const Model> model_;
  const ModelWeights& weights_;
  std::int64_t steps_, curves_, channels_, x_stride_, hidden_stride_, gates_;

  std::vector<std::vector<DdimStep>> ddim_;  // by stride; none for what is no divisor
  std::vector<std::int64_t> stride_;         // of a voice's newest frames

  // The state, a layer: (voices, steps_, hidden_stride_), and the same as activations.
  std::vector<AlignedFloats> state_;
  std::vector<Aligned<std::uint8_t>> activations_;

  // Of one call: its frames, and the cells of a diagonal.
  AlignedFloats x_, projected_;
  std::vector<Cell> cells_;
  AlignedFloats x0_, input_, recurrent_;
  Operand frame_features_, x_operand_, state_operand_;
  std::vector<Operand> below_;  // a layer's new states, for what reads them
};

}  // namespace dt
