#include "sampler/tensorrt/tensorrt_talker.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "dt/log_mel.h"
#include "sampler/tensorrt/border.h"
#include "weights/model.h"

namespace dt {

using tensorrt::check;
using tensorrt::Text;

bool TensorRtTalker::has_engine(const BackendOptions& options) {
  return !tensorrt::engines_of(options, "talker").empty();
}

TensorRtTalker::TensorRtTalker(std::shared_ptr<const Model> model, const BackendOptions& options,
                               std::int64_t voices)
    : model_(std::move(model)),
      voices_(voices),
      room_(ModelWeights::of(*model_).time.most_columns_a_frame()),
      curves_(model_->curve_count()),
      identities_(ModelWeights::of(*model_).identities),
      api_(tensorrt::open_plugin(options.plugin)),
      talker_(nullptr, api_->close),
      lost_(static_cast<std::size_t>(voices), 0) {
  if (voices < 1) {
    throw std::invalid_argument("streams: expected at least 1, got " + std::to_string(voices));
  }
  const std::vector<DtTensorRtEngine> engines = tensorrt::engines_of(options, "talker");
  const auto engine = std::find_if(options.engines.begin(), options.engines.end(),
                                   [](const TensorRtEngine& e) { return e.graph == "talker"; });
  bindings_ = bindings_of(engine == options.engines.end() ? "float32" : engine->precision);
  std::vector<DtTensorRtBinding> plain;
  for (const Binding& b : bindings_) {
    plain.push_back({b.name.c_str(), b.role, b.half ? 1 : 0, b.shape.data(),
                     static_cast<std::int64_t>(b.shape.size())});
  }
  const DtTensorRtOptions asked = {options.library.c_str(), voices, engines.data(),
                                   static_cast<std::int64_t>(engines.size())};
  Text text{};
  talker_.reset(api_->open(&asked, plain.data(), static_cast<std::int64_t>(plain.size()),
                           text.data(), text.size()));
  check(talker_ == nullptr ? 1 : 0, text);
  for (std::vector<Tick>& told : told_) {
    told.reserve(static_cast<std::size_t>(voices));
  }
}

// Names and shapes are those of python/diffusiontalker/tensorrt/talker.py.
std::vector<TensorRtTalker::Binding> TensorRtTalker::bindings_of(
    const std::string& precision) const {
  const ModelWeights& weights = ModelWeights::of(*model_);
  const ModelConfig& c = weights.config;
  std::vector<Binding> all;
  const auto add = [&](std::int32_t role, const std::string& name, std::int64_t rows,
                       std::int64_t width,
                       bool half = false) { all.push_back({name, role, half, {rows, width}}); };
  add(kDtTensorRtInput, "mel", room_, LogMel::kBands);
  add(kDtTensorRtInput, "noise", 1, curves_);
  for (const char* name : {"columns", "frame", "sampled", "voiced", "share", "follow", "first"}) {
    add(kDtTensorRtInput, name, 1, 1);
  }
  add(kDtTensorRtOutput, "curves", 1, curves_);
  add(kDtTensorRtOutput, "identity_row", 1, 1);
  add(kDtTensorRtOutput, "identity_scores", 1, identities_);

  const auto state = [&](const std::string& name, std::int64_t rows, std::int64_t width,
                         bool half = false) { add(kDtTensorRtState, name, rows, width, half); };
  state("history_input", 2, LogMel::kBands);
  for (std::size_t i = 0; i < c.dilations.size(); ++i) {
    state("history_" + std::to_string(i), 2 * c.dilations[i], c.channels);
  }
  if (c.context) {
    const bool half = precision != "float32";
    state("clock", 1, 1);
    state("history_context", 2, c.context->width);
    state("held", 1, c.channels);
    for (std::int64_t layer = 0; layer < c.context->layers; ++layer) {
      state("keys_" + std::to_string(layer), c.context->window, c.context->width, half);
      state("values_" + std::to_string(layer), c.context->window, c.context->width, half);
    }
  }
  state("heard", 2, c.channels);
  state("voiced_frames", 1, 1);
  state("mean", 1, c.channels);
  state("scores", 1, identities_);
  state("row", 1, 1);
  state("challenger", 1, 1);
  state("slew_left", 1, 1);
  state("slew_from", 1, c.channels);
  state("identity", 1, c.channels);
  state("state", weights.sample_steps() * c.layers, c.hidden);
  return all;
}

void TensorRtTalker::talk(const Tick* ticks, std::int64_t count) {
  for (std::int64_t t = 0; t < count; ++t) {
    if (lost_[static_cast<std::size_t>(ticks[t].voice)] != 0) {
      throw std::runtime_error(
          "TensorRT backend: an earlier launch failed; reset the stream first");
    }
  }
  if (launched_ - waited_ == kDtTensorRtLaunches) {
    wait();
  }
  fill(ticks, count);
  Text text{};
  if (api_->launch(talker_.get(), text.data(), text.size()) != 0) {
    fail_all();
    check(1, text);
  }
  told_[static_cast<std::size_t>(launched_ % kDtTensorRtLaunches)].assign(ticks, ticks + count);
  ++launched_;
}

// Into the pinned memory of the next launch.
void TensorRtTalker::fill(const Tick* ticks, std::int64_t count) {
  const auto at = [&](Port port) { return api_->input(talker_.get(), port); };
  float* mel = at(kMel);
  float* noise = at(kNoise);
  float* const one[] = {at(kColumns), at(kFrame),  at(kSampled), at(kVoiced),
                        at(kShare),   at(kFollow), at(kFirst)};
  for (float* numbers : {one[0], one[1], one[2]}) {  // whoever sits out
    std::fill_n(numbers, voices_, 0.0F);
  }
  for (std::int64_t t = 0; t < count; ++t) {
    const Tick& tick = ticks[t];
    const std::int64_t v = tick.voice;
    std::copy_n(tick.mel, tick.columns * LogMel::kBands, mel + v * room_ * LogMel::kBands);
    if (tick.noise != nullptr) {
      std::copy_n(tick.noise, curves_, noise + v * curves_);
    }
    const auto flag = [](bool is) { return is ? 1.0F : 0.0F; };
    const float values[] = {static_cast<float>(tick.columns),
                            flag(tick.frame),
                            flag(tick.noise != nullptr),
                            flag(tick.voiced),
                            tick.share,
                            flag(tick.follow),
                            static_cast<float>(tick.first)};
    for (std::size_t i = 0; i < std::size(values); ++i) {
      one[i][v] = values[i];
    }
  }
}

void TensorRtTalker::rest() {
  while (waited_ < launched_) {
    wait();
  }
}

// For the oldest launch, whose results go to their places.
void TensorRtTalker::wait() {
  Text text{};
  if (api_->wait(talker_.get(), text.data(), text.size()) != 0) {
    fail_all();
    check(1, text);
  }
  const float* curves = api_->output(talker_.get(), kCurves);
  const float* row = api_->output(talker_.get(), kIdentityRow);
  const float* scores = api_->output(talker_.get(), kIdentityScores);
  for (const Tick& tick : told_[static_cast<std::size_t>(waited_ % kDtTensorRtLaunches)]) {
    const std::int64_t v = tick.voice;
    if (tick.noise != nullptr) {
      std::copy_n(curves + v * curves_, curves_, tick.curves);
    }
    if (tick.frame) {
      *tick.identity = static_cast<std::int64_t>(row[v]);
      std::copy_n(scores + v * identities_, identities_, tick.scores);
    }
  }
  ++waited_;
}

void TensorRtTalker::fail_all() {
  std::fill(lost_.begin(), lost_.end(), std::uint8_t{1});
  waited_ = launched_;
}

void TensorRtTalker::reset(std::int64_t voice) {
  Text text{};
  check(api_->forget(talker_.get(), voice, text.data(), text.size()), text);
  lost_[static_cast<std::size_t>(voice)] = 0;
}

void TensorRtTalker::sample(const Job* /*jobs*/, std::int64_t /*count*/) {
  throw std::logic_error("sample: this backend hears; it takes columns");
}

std::string TensorRtTalker::describe() const {
  Text text{};
  api_->describe_talker(talker_.get(), text.data(), text.size());
  return text.data();
}

std::vector<float> TensorRtTalker::read_state(const std::string& name, std::int64_t voice) const {
  const auto found = std::find_if(bindings_.begin(), bindings_.end(), [&](const Binding& b) {
    return b.name == name && b.role == kDtTensorRtState && !b.half;
  });
  if (found == bindings_.end() || voice < 0 || voice >= voices_) {
    throw std::invalid_argument("read_state: no state '" + name + "' in float32 of voice " +
                                std::to_string(voice));
  }
  std::vector<float> state(static_cast<std::size_t>(found->shape[0] * found->shape[1]));
  Text text{};
  check(api_->read(talker_.get(), found - bindings_.begin(), voice, state.data(), text.data(),
                   text.size()),
        text);
  return state;
}

}  // namespace dt
