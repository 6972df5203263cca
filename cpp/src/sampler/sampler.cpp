#include "sampler/sampler.h"

#include <cstddef>
#include <utility>
#include <vector>

#include "dt/backend.h"
#include "dt/model.h"
#include "dt/noise.h"
#include "weights/model.h"

namespace dt {

Sampler::Sampler(std::shared_ptr<const Model> model, std::uint64_t seed,
                 const BackendOptions& backend, std::int64_t max_frames)
    : model_(std::move(model)),
      seed_(seed),
      backend_(make_backend(backend, model_)),
      noise_(static_cast<std::size_t>(max_frames * model_->curve_count())) {}

void Sampler::reset() {
  next_frame_ = 0;
  backend_->reset();
}

void Sampler::push(const float* audio, const float* identity, std::int64_t frames, float* curves) {
  const ModelWeights& weights = ModelWeights::of(*model_);
  const std::int64_t count = weights.curves();
  const std::vector<float>& scales = weights.config.noise_scale;
  const float* scale = scales.empty() ? nullptr : scales.data();
  for (std::int64_t f = 0; f < frames; ++f) {
    float* noise = &noise_[static_cast<std::size_t>(f * count)];
    normal_noise(seed_, next_frame_ + f, static_cast<int>(count), noise, scale);
  }
  next_frame_ += frames;
  backend_->sample(frames, audio, identity, noise_.data(), curves);
  for (std::int64_t f = 0; f < frames; ++f) {
    for (std::int64_t c = 0; c < count; ++c) {
      const auto i = static_cast<std::size_t>(c);
      curves[f * count + c] = curves[f * count + c] * weights.std[i] + weights.mean[i];
    }
  }
}

}  // namespace dt
