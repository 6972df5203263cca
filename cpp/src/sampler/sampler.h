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

  // Where the backend hears, its ticks in place of push(): `noise` is filled in here, and `curves`
  // is null without a frame. Results lie in their places after rest().
  using Tick = Backend::Tick;
  bool hears() const { return backend_->hears(); }
  void talk(Tick* ticks, std::int64_t count);
  void rest();

  void reset(std::int64_t voice);
  void set_seed(std::int64_t voice, std::uint64_t seed);  // before reset()

  // Sampling steps of a voice's frames to come: a divisor of the model's, or 0: nothing is sampled,
  // and the curves before stand in the frames' place. reset() keeps it. Throws
  // std::invalid_argument.
  void set_steps(std::int64_t voice, std::int64_t steps);
  bool takes_fewer_steps() const { return backend_->strides(); }
  std::int64_t steps(std::int64_t voice) const { return steps_[static_cast<std::size_t>(voice)]; }

 private:
  void add(const Job& part);
  void hold(const Job& job);
  float* newest(std::int64_t voice) {
    return &newest_[static_cast<std::size_t>(voice * model_->curve_count())];
  }
  void run();

  std::shared_ptr<const Model> model_;
  std::vector<std::uint64_t> seeds_;
  std::unique_ptr<Backend> backend_;
  std::vector<std::int64_t> next_frame_, steps_;  // a voice
  std::vector<float> newest_;                     // (voices, curves): the last frame sampled
  // What goes to the backend at once, its frames together, and where each job's begin.
  std::vector<Backend::Job> batch_;
  std::int64_t frames_ = 0;
  AlignedFloats noise_;
  std::vector<const float*> told_;  // a voice's newest frame that is on its way, or null
};

}  // namespace dt
