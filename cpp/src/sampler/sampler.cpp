#include "sampler/sampler.h"

#include <algorithm>
#include <cstddef>

#include <string>
#include <utility>
#include <vector>

#include "dt/backend.h"
#include "dt/model.h"
#include "dt/noise.h"
#include "dt/refusal.h"
#include "weights/model.h"

namespace dt {

namespace {

// Frames of launches that failed never come.
class Forgets {
 public:
  explicit Forgets(std::vector<const float*>* told) : told_(told) {}
  ~Forgets() {
    if (told_ != nullptr) {
      std::fill(told_->begin(), told_->end(), nullptr);
    }
  }
  Forgets(const Forgets&) = delete;
  Forgets& operator=(const Forgets&) = delete;
  void works() { told_ = nullptr; }

 private:
  std::vector<const float*>* told_;
};

}  // namespace

Sampler::Sampler(std::shared_ptr<const Model> model, std::vector<std::uint64_t> seeds,
                 const BackendOptions& backend)
    : model_(std::move(model)),
      seeds_(std::move(seeds)),
      backend_(make_backend(backend, model_, static_cast<std::int64_t>(seeds_.size()))),
      next_frame_(seeds_.size(), 0),
      steps_(seeds_.size(), model_->sample_steps()),
      newest_(seeds_.size() * static_cast<std::size_t>(model_->curve_count()), 0.0F),
      noise_(static_cast<std::size_t>(kMostSampledFrames * model_->curve_count())) {
  batch_.reserve(static_cast<std::size_t>(kMostSampledFrames));
  if (backend_->hears()) {
    noise_.resize(seeds_.size() * static_cast<std::size_t>(model_->curve_count()));
    told_.resize(seeds_.size(), nullptr);
  }
}

void Sampler::reset(std::int64_t voice) {
  next_frame_[static_cast<std::size_t>(voice)] = 0;
  std::fill_n(newest(voice), model_->curve_count(), 0.0F);
  backend_->reset(voice);
}

void Sampler::set_seed(std::int64_t voice, std::uint64_t seed) {
  seeds_[static_cast<std::size_t>(voice)] = seed;
}

void Sampler::set_steps(std::int64_t voice, std::int64_t steps) {
  const std::int64_t all = model_->sample_steps();
  if (steps < 0 || (steps > 0 && all % steps != 0)) {
    raise({Refusal::Kind::kArgument, "steps: expected 0 or a divisor of " + std::to_string(all) +
                                         ", got " + std::to_string(steps)});
  }
  if (steps != 0 && steps != all && !backend_->strides()) {
    raise({Refusal::Kind::kArgument, "steps: expected 0 or " + std::to_string(all) +
                                         " on this backend, which runs them all at once, got " +
                                         std::to_string(steps)});
  }
  steps_[static_cast<std::size_t>(voice)] = steps;
}

void Sampler::push(const Job* jobs, std::int64_t count) {
  const std::int64_t channels = model_->config().channels, curves = model_->curve_count();
  // What a call that threw left there.
  batch_.clear();
  frames_ = 0;
  for (std::int64_t j = 0; j < count; ++j) {
    Job rest = jobs[j];
    if (steps(rest.voice) == 0) {
      hold(rest);
      continue;
    }
    while (rest.frames > 0) {
      Job part = rest;
      part.frames = std::min(rest.frames, kMostSampledFrames - frames_);
      add(part);
      rest.audio += part.frames * channels;
      rest.identity += part.frames * channels;
      rest.curves += part.frames * curves;
      rest.frames -= part.frames;
      if (frames_ == kMostSampledFrames) {
        run();
      }
    }
  }
  if (frames_ > 0) {
    run();
  }
}

void Sampler::talk(Backend::Tick* ticks, std::int64_t count) {
  const std::int64_t curves = model_->curve_count();
  const std::vector<float>& scales = model_->config().noise_scale;
  float* noise = noise_.data();
  for (std::int64_t t = 0; t < count; ++t) {
    Backend::Tick& tick = ticks[t];
    const auto voice = static_cast<std::size_t>(tick.voice);
    tick.noise = nullptr;
    if (!tick.frame) {
      continue;
    }
    const std::int64_t frame = next_frame_[voice]++;
    if (steps_[voice] == 0) {
      rest();  // the frame before may be on its way
      std::copy_n(newest(tick.voice), curves, tick.curves);
      continue;
    }
    normal_noise(seeds_[voice], frame, static_cast<int>(curves), noise,
                 scales.empty() ? nullptr : scales.data());
    tick.noise = noise;
    told_[voice] = tick.curves;
    noise += curves;
  }
  Forgets unless_it_works(&told_);
  backend_->talk(ticks, count);
  unless_it_works.works();
}

void Sampler::rest() {
  Forgets unless_it_works(&told_);
  backend_->rest();
  unless_it_works.works();
  for (std::size_t voice = 0; voice < told_.size(); ++voice) {
    if (told_[voice] != nullptr) {
      std::copy_n(told_[voice], model_->curve_count(), newest(static_cast<std::int64_t>(voice)));
      told_[voice] = nullptr;
    }
  }
}

// Joins the batch, with the noise that its frames start from.
void Sampler::add(const Job& part) {
  const std::int64_t count = model_->curve_count();
  const std::vector<float>& scales = model_->config().noise_scale;
  const float* scale = scales.empty() ? nullptr : scales.data();
  const auto voice = static_cast<std::size_t>(part.voice);
  float* noise = &noise_[static_cast<std::size_t>(frames_ * count)];
  batch_.push_back({part.voice, part.frames, part.audio, part.identity, noise, part.curves,
                    model_->sample_steps() / steps_[voice]});
  for (std::int64_t f = 0; f < part.frames; ++f, noise += count) {
    normal_noise(seeds_[voice], next_frame_[voice]++, static_cast<int>(count), noise, scale);
  }
  frames_ += part.frames;
}

// Time goes on without the network: the noise of a later frame is its own.
void Sampler::hold(const Job& job) {
  const std::int64_t count = model_->curve_count();
  next_frame_[static_cast<std::size_t>(job.voice)] += job.frames;
  for (std::int64_t f = 0; f < job.frames; ++f) {
    std::copy_n(newest(job.voice), count, job.curves + f * count);
  }
}

// Samples the batch and takes its values out of standardised units.
void Sampler::run() {
  const ModelWeights& weights = ModelWeights::of(*model_);
  const std::int64_t count = weights.curves();
  backend_->sample(batch_.data(), static_cast<std::int64_t>(batch_.size()));
  for (const Backend::Job& job : batch_) {
    float* curves = job.x0;
    for (std::int64_t f = 0; f < job.frames; ++f, curves += count) {
      for (std::int64_t c = 0; c < count; ++c) {
        const auto i = static_cast<std::size_t>(c);
        curves[c] = curves[c] * weights.std[i] + weights.mean[i];
      }
    }
    std::copy_n(curves - count, count, newest(job.voice));
  }
  batch_.clear();
  frames_ = 0;
}

}  // namespace dt
