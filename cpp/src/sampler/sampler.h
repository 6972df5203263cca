// The diffusion sampler as a stage: frame features -> curve values. Draws the noise that sampling
// starts from, keyed by (seed, frame, curve), and takes the backend's result out of standardised
// units. Knows nothing of audio.
#pragma once

#include <cstdint>
#include <memory>

#include "dt/backend.h"
#include "dt/model.h"
#include "kernels/aligned.h"
#include "sampler/backend.h"

namespace dt {

class Sampler {
 public:
  // `max_frames` bounds the frames of a push.
  Sampler(std::shared_ptr<const Model> model, std::uint64_t seed, const BackendOptions& backend,
          std::int64_t max_frames);

  // audio, identity (frames, channels) -> curve values (frames, curves), the next frames in order.
  void push(const float* audio, const float* identity, std::int64_t frames, float* curves);
  void reset();

 private:
  std::shared_ptr<const Model> model_;
  std::uint64_t seed_;
  std::unique_ptr<Backend> backend_;
  std::int64_t next_frame_ = 0;
  AlignedFloats noise_;
};

}  // namespace dt
