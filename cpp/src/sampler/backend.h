// What runs the denoising network: all sampling steps of a few frames at once. On the CPU
// (backend_cpu.h), or on an NVIDIA GPU (tensorrt_sampler.h).
#pragma once

#include <cstdint>
#include <memory>

#include "dt/backend.h"
#include "dt/model.h"

namespace dt {

class Backend {
 public:
  virtual ~Backend() = default;

  // Continues the stream by `frames` frames: audio and identity features (frames, channels), noise
  // (frames, curves) as the start of sampling -> x0 (frames, curves) in standardised units. Carries
  // one recurrent state for each sampling step, so any split of the frames gives the same values.
  virtual void sample(std::int64_t frames, const float* audio, const float* identity,
                      const float* noise, float* x0) = 0;
  virtual void reset() = 0;
};

// Throws std::invalid_argument for a name that is no backend's, std::runtime_error, with a remedy,
// where TensorRT cannot be used.
std::unique_ptr<Backend> make_backend(const BackendOptions& options,
                                      std::shared_ptr<const Model> model);

}  // namespace dt
