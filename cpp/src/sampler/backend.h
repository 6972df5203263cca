// What runs the denoising network: all sampling steps of a few frames at once. On the CPU
// (backend_cpu.h), or on an NVIDIA GPU (tensorrt_sampler.h).
#pragma once

#include <cstdint>
#include <memory>

#include "dt/backend.h"
#include "dt/model.h"

namespace dt {

// Frames of all jobs of one call of Backend::sample together, at the most.
constexpr std::int64_t kMostSampledFrames = 64;

class Backend {
 public:
  virtual ~Backend() = default;

  // The next `frames` > 0 frames of a voice: audio and identity features (frames, channels), noise
  // (frames, curves) as the start of sampling -> x0 (frames, curves) in standardised units.
  struct Job {
    std::int64_t voice, frames;
    const float* audio;
    const float* identity;
    const float* noise;
    float* x0;
    std::int64_t stride = 1;  // every stride-th sampling step is run; a divisor of their number
  };

  // Of different voices. Carries one recurrent state for each voice and sampling step, so any split
  // of a voice's frames, and whatever other voices come along, gives the same values.
  virtual void sample(const Job* jobs, std::int64_t count) = 0;
  virtual void reset(std::int64_t voice) = 0;

  // Whether a job's stride may be other than 1.
  virtual bool strides() const { return false; }
};

// For `voices` voices. Throws std::invalid_argument for a name that is no backend's,
// std::runtime_error, with a remedy, where TensorRT cannot be used.
std::unique_ptr<Backend> make_backend(const BackendOptions& options,
                                      std::shared_ptr<const Model> model, std::int64_t voices);

}  // namespace dt
