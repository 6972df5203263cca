// The sampler's network on the CPU. Cell (frame f, step s) needs only (f - 1, s), for the recurrent
// state, and (f, s - 1), for x; so the cells of one diagonal f + s = d run as one batch, and the
// weights are fetched F + K - 1 times for F frames and K steps, not F K times.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dt/model.h"
#include "kernels/aligned.h"
#include "sampler/backend.h"
#include "weights/model.h"

namespace dt {

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(std::shared_ptr<const Model> model);

  void sample(std::int64_t frames, const float* audio, const float* identity, const float* noise,
              float* x0) override;
  void reset() override;

  // The same, and writes every x on the way: (steps + 1, frames, curves), the noise first and x0
  // last; for comparison with other implementations step by step.
  void trace(std::int64_t frames, const float* audio, const float* identity, const float* noise,
             float* x);

  // The recurrent states, for the same purpose: (steps, layers, hidden).
  void read_state(float* state) const;
  void write_state(const float* state);

 private:
  static constexpr std::int64_t kBlockFrames = 64;

  // Where a frame's x goes after step s: x0 after the last one, every step for a trace.
  struct Output {
    float* x0;
    float* trace;
    std::int64_t trace_frames;  // frames between two steps of the trace
  };
  void sample_block(std::int64_t frames, const float* audio, const float* identity,
                    const float* noise, const Output& out);
  void project_frames(std::int64_t frames, const float* audio, const float* identity);
  void run_network(std::int64_t diagonal, std::int64_t first, std::int64_t count);
  void finish_step(std::int64_t step, std::int64_t frame, const Output& out);

  std::shared_ptr<const Model> model_;
  const ModelWeights& weights_;
  std::int64_t steps_, curves_, x_stride_, hidden_stride_, gates_;
  std::vector<AlignedFloats> state_;  // a layer: (steps_, hidden_stride_)
  AlignedFloats x_, x0_;             // (steps_, x_stride_): input and output of each step's network
  AlignedFloats input_, recurrent_;  // (steps_, gates_): a layer's two products
  AlignedFloats projected_;          // (kBlockFrames, gates_): the frame's part of the first layer
};

}  // namespace dt
