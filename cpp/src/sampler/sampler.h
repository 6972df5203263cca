// The diffusion sampler as a stage: frame features -> curve values. Draws the noise that sampling
// starts from, keyed by (seed, frame, curve), and takes the backend's result out of standardised
// units. Knows nothing of audio.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dt/backend.h"
#include "dt/model.h"
#include "kernels/aligned.h"
#include "sampler/backend.h"

namespace dt {

class Sampler {
 public:
  // A voice a seed.
  Sampler(std::shared_ptr<const Model> model, std::vector<std::uint64_t> seeds,
          const BackendOptions& backend);

  // audio, identity (frames, channels) -> curve values (frames, curves), a voice's next frames in
  // order.
  struct Job {
    std::int64_t voice, frames;
    const float* audio;
    const float* identity;
    float* curves;
  };
  void push(const Job* jobs, std::int64_t count);
  void reset(std::int64_t voice);
  void set_seed(std::int64_t voice, std::uint64_t seed);  // before reset()

 private:
  void add(const Job& part);
  void run();

  std::shared_ptr<const Model> model_;
  std::vector<std::uint64_t> seeds_;
  std::unique_ptr<Backend> backend_;
  std::vector<std::int64_t> next_frame_;  // a voice
  // What goes to the backend at once, its frames together, and where each job's begin.
  std::vector<Backend::Job> batch_;
  std::int64_t frames_ = 0;
  AlignedFloats noise_;
};

}  // namespace dt
