// What runs the network. Either the denoising alone, all sampling steps of a few frames at once, on
// the CPU (cpu/backend_cpu.h) or on an NVIDIA GPU (tensorrt/tensorrt_sampler.h); or all of it, from
// log-mel columns on (tensorrt/tensorrt_talker.h).
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

  // Of different voices. Not of a backend that hears. Carries one recurrent state for each voice
  // and sampling step, so any split of a voice's frames, and whatever other voices come along,
  // gives the same values.
  virtual void sample(const Job* jobs, std::int64_t count) = 0;
  virtual void reset(std::int64_t voice) = 0;

  // Whether it takes log-mel columns in place of features: it encodes, aligns and matches
  // identities itself.
  virtual bool hears() const { return false; }

  // What a voice brings to a launch (features/ticks.h), and where to leave what comes of it.
  struct Tick {
    std::int64_t voice;
    const float* mel;  // (columns, 80)
    std::int64_t columns;
    bool frame, voiced;
    float share;
    bool follow;         // the voice's identity is the one that it is most alike, not `first`
    std::int64_t first;  // the identity that the voice begins with
    const float* noise;  // (curves) of the frame; null: it is heard and not sampled
    float* curves;       // (curves), in the units of curves
    std::int64_t* identity;
    float* scores;  // (identities)
  };

  // Of a backend that hears: puts a launch on its way, for ticks of different voices. Results lie
  // in their places after rest(), and so long those places must stand; what is read is read before
  // it returns. Any split of a voice's ticks into launches, and whatever other voices come along,
  // gives the same values.
  virtual void talk(const Tick* /*ticks*/, std::int64_t /*count*/) {}
  // Waits for the launches that are on their way.
  virtual void rest() {}

  // Whether a job's stride may be other than 1.
  virtual bool strides() const { return false; }
};

// For `voices` voices. Throws std::invalid_argument for a name that is no backend's,
// std::runtime_error, with a remedy, where TensorRT cannot be used.
std::unique_ptr<Backend> make_backend(const BackendOptions& options,
                                      std::shared_ptr<const Model> model, std::int64_t voices);

}  // namespace dt
