#include "sampler/tensorrt/tensorrt_sampler.h"

#include <stdexcept>
#include <utility>
#include <vector>

#include "sampler/tensorrt/border.h"
#include "weights/model.h"

namespace dt {

using tensorrt::check;
using tensorrt::engines_of;
using tensorrt::open_plugin;
using tensorrt::Text;

std::string tensorrt_library(const std::string& plugin) { return open_plugin(plugin)->library; }

std::string probe_tensorrt(const std::string& plugin, const std::string& library) {
  Text text{};
  check(open_plugin(plugin)->probe(library.c_str(), text.data(), text.size()), text);
  return text.data();
}

TensorRtSampler::TensorRtSampler(std::shared_ptr<const Model> model, const BackendOptions& options,
                                 std::int64_t streams)
    : model_(std::move(model)),
      streams_(streams),
      api_(open_plugin(options.plugin)),
      sampler_(nullptr, api_->destroy) {
  if (streams < 1) {
    throw std::invalid_argument("streams: expected at least 1, got " + std::to_string(streams));
  }
  const ModelWeights& weights = ModelWeights::of(*model_);
  const DtTensorRtModel sizes = {
      weights.sample_steps(),           weights.config.layers, weights.config.hidden,
      weights.config.channels,          weights.curves(),      weights.config.step_dim,
      weights.decoder.step_table.data()};
  const std::vector<DtTensorRtEngine> engines = engines_of(options, "sampler");
  const DtTensorRtOptions plain = {options.library.c_str(), streams, engines.data(),
                                   static_cast<std::int64_t>(engines.size())};
  Text text{};
  sampler_.reset(api_->create(&sizes, &plain, text.data(), text.size()));
  check(sampler_ == nullptr ? 1 : 0, text);
}

void TensorRtSampler::sample(std::int64_t frames, const std::uint8_t* active, const float* audio,
                             const float* identity, const float* noise, float* x0) {
  Text text;
  text[0] = '\0';
  check(api_->sample(sampler_.get(), frames, active, audio, identity, noise, x0, text.data(),
                     text.size()),
        text);
}

void TensorRtSampler::reset() {
  Text text{};
  check(api_->reset(sampler_.get(), -1, text.data(), text.size()), text);
}

void TensorRtSampler::reset(std::int64_t stream) {
  if (stream < 0 || stream >= streams_) {
    throw std::invalid_argument("reset: voice: expected 0 to " + std::to_string(streams_ - 1) +
                                ", got " + std::to_string(stream));
  }
  Text text{};
  check(api_->reset(sampler_.get(), stream, text.data(), text.size()), text);
}

void TensorRtSampler::read_state(float* state) const {
  Text text{};
  check(api_->read_state(sampler_.get(), state, text.data(), text.size()), text);
}

std::string TensorRtSampler::describe() const {
  Text text{};
  api_->describe(sampler_.get(), text.data(), text.size());
  return text.data();
}

TensorRtBackend::TensorRtBackend(std::shared_ptr<const Model> model, const BackendOptions& options,
                                 std::int64_t voices) {
  for (std::int64_t voice = 0; voice < voices; ++voice) {
    samplers_.push_back(std::make_unique<TensorRtSampler>(model, options, 1));
  }
}

void TensorRtBackend::sample(const Job* jobs, std::int64_t count) {
  constexpr std::uint8_t kActive = 1;
  for (std::int64_t j = 0; j < count; ++j) {
    samplers_[static_cast<std::size_t>(jobs[j].voice)]->sample(
        jobs[j].frames, &kActive, jobs[j].audio, jobs[j].identity, jobs[j].noise, jobs[j].x0);
  }
}

void TensorRtBackend::reset(std::int64_t voice) {
  samplers_[static_cast<std::size_t>(voice)]->reset();
}

}  // namespace dt
