#include "runtime/streams.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <utility>

#include "dt/curve_names.h"
#include "dt/runtime.h"

namespace dt {
namespace {

// What goes through the resampler at a time, at 16 kHz: as a block of the core (see voices.cpp).
constexpr std::int64_t kBlockSamplesAlone = 16000, kBlockSamples = 1600;

MaybeRefusal refuse(const std::string& text) { return Refusal{Refusal::Kind::kArgument, text}; }

MaybeRefusal check_whole(const char* what, std::int64_t value, std::int64_t low,
                         std::int64_t high) {
  if (value >= low && value <= high) {
    return {};
  }
  return refuse(std::string(what) + ": expected a whole number from " + std::to_string(low) +
                " to " + std::to_string(high) + ", got " + std::to_string(value));
}

// The first sample that is no audio, or `count`.
std::int64_t first_bad_sample(const float* samples, std::int64_t count) {
  std::int64_t i = 0;
  // Written so that NaN fails too.
  while (i < count && std::fabs(samples[i]) <= Runtime::kSampleLimit) {
    ++i;
  }
  return i;
}

std::string about_sample(std::int64_t number, float sample) {
  const std::string where = "sample " + std::to_string(number) + " is ";
  if (std::isnan(sample)) {
    return where + "NaN";
  }
  if (std::isinf(sample)) {
    return where + "infinite";
  }
  char text[160];
  std::snprintf(text, sizeof text,
                "%g; full scale is 1.0 (int16 values kept as floats? divide by 32768)",
                static_cast<double>(sample));
  return where + text;
}

std::int64_t lookahead_at(std::int64_t rate_hz, std::int64_t core_samples) {
  if (rate_hz == TimeBase::kSampleRateHz) {
    return core_samples;
  }
  return ceil_div(core_samples * rate_hz, TimeBase::kSampleRateHz) +
         ResamplingFilter(rate_hz).delay_samples();
}

ValueNames names_of(const Model& model, bool head) {
  ValueNames values = {model.config().curves, model.config().curves.size()};
  if (head) {
    values.names.insert(values.names.end(), kHeadNames.begin(), kHeadNames.end());
  }
  return values;
}

}  // namespace

MaybeRefusal Streams::check(const Model& model, const StreamsOptions& options) {
  if (auto refusal =
          check_whole("sample_rate", options.sample_rate_hz, ResamplingFilter::kLowestRateHz,
                      ResamplingFilter::kHighestRateHz)) {
    refusal->text.replace(refusal->text.find(", got"), 0, " Hz");
    return refusal;
  }
  if (auto refusal = check_whole("streams", static_cast<std::int64_t>(options.voices.size()), 1,
                                 kMostStreams)) {
    return refusal;
  }
  if (auto refusal = check_whole("threads", options.threads, 1, kMostStreams)) {
    return refusal;
  }
  if (!(options.motion.idle >= 0.0 && options.motion.idle <= 1.0)) {
    char text[96];
    std::snprintf(text, sizeof text, "idle: expected a number from 0 to 1, got %g",
                  options.motion.idle);
    return refuse(text);
  }
  for (const VoiceOptions& voice : options.voices) {
    if (auto refusal =
            check_whole("identity", voice.identity, kAutoIdentity, model.identities() - 1)) {
      return refusal;
    }
  }
  return {};
}

Streams::Streams(std::shared_ptr<const Model> model, const StreamsOptions& options)
    : model_(std::move(model)),
      voices_(model_, options.voices, {}, options.motion, options.threads),
      rate_hz_(options.sample_rate_hz),
      threads_(options.threads),
      block_samples_(options.voices.size() == 1 ? kBlockSamplesAlone : kBlockSamples),
      lookahead_(lookahead_at(rate_hz_, model_->lookahead_samples())),
      values_(names_of(*model_, options.motion.head)),
      left_(options.voices.size()),
      pieces_(options.voices.size()),
      ending_(new bool[options.voices.size()]()),
      places_(options.voices.size(), nullptr) {
  const ModelConfig& config = model_->config();
  const TimeBase time(config.frame_rate_num, config.frame_rate_den, config.lookahead_columns);
  std::shared_ptr<const ResamplingFilter> filter;
  if (rate_hz_ != TimeBase::kSampleRateHz) {
    filter = std::make_shared<const ResamplingFilter>(rate_hz_);
  }
  streams_.reserve(options.voices.size());
  for (std::size_t v = 0; v < options.voices.size(); ++v) {
    streams_.push_back(
        {Knobs(width(), static_cast<std::int64_t>(values_.curves), time.frame_seconds()),
         {},
         nullptr,
         {},
         {}});
    Stream& stream = streams_.back();
    // A block's frames, or those of a flush, and the few that wait.
    std::int64_t samples = model_->lookahead_samples() + 1000;
    if (filter != nullptr) {
      stream.resampler = std::make_unique<Resampler>(filter);
      stream.heard.resize(static_cast<std::size_t>(block_samples_));
      samples += block_samples_;
    }
    stream.early.resize(static_cast<std::size_t>((time.most_frames_in(samples) + 2) * width()));
  }
}

std::string Streams::name(std::int64_t stream) const {
  return size() == 1 ? "" : "stream " + std::to_string(stream) + ": ";
}

std::int64_t Streams::due(std::int64_t samples) const {
  const ModelConfig& config = model_->config();
  const std::int64_t spare = samples - lookahead_;
  return spare < 0 ? 0
                   : floor_div(spare * config.frame_rate_num, rate_hz_ * config.frame_rate_den) + 1;
}

std::int64_t Streams::total(std::int64_t samples) const {
  const ModelConfig& config = model_->config();
  return ceil_div(samples * config.frame_rate_num, rate_hz_ * config.frame_rate_den);
}

std::int64_t Streams::frames_due(std::int64_t stream, std::int64_t more_samples) const {
  const Stream& s = at(stream);
  return s.flushed ? 0 : std::max<std::int64_t>(due(s.samples + more_samples) - s.delivered, 0);
}

std::int64_t Streams::frames_owed(std::int64_t stream) const {
  const Stream& s = at(stream);
  return s.flushed ? 0 : total(s.samples) - s.delivered;
}

MaybeRefusal Streams::step(const Voices::Chunk* chunks) {
  for (std::int64_t v = 0; v < size(); ++v) {
    if (at(v).flushed && (size() == 1 || chunks[v].count > 0)) {
      return Refusal{Refusal::Kind::kState,
                     "step: " + name(v) + "the stream was flushed; reset it to begin another"};
    }
    const std::int64_t bad = first_bad_sample(chunks[v].samples, chunks[v].count);
    if (bad < chunks[v].count) {
      return refuse(name(v) + "chunk: " + about_sample(bad, chunks[v].samples[bad]));
    }
  }
  if (rate_hz_ != TimeBase::kSampleRateHz) {
    step_resampled(chunks);
    return {};
  }
  for (std::int64_t v = 0; v < size(); ++v) {
    places_[static_cast<std::size_t>(v)] = nullptr;
    left_[static_cast<std::size_t>(v)].count = frames_due(v, chunks[v].count);
  }
  voices_.step(chunks);
  for (std::int64_t v = 0; v < size(); ++v) {
    const std::int64_t written = left_[static_cast<std::size_t>(v)].count;
    at(v).samples += chunks[v].count;
    at(v).delivered += written;
    at(v).knobs.push(written, chunks[v].frames);
  }
  return {};
}

void Streams::step_resampled(const Voices::Chunk* chunks) {
  for (std::int64_t v = 0; v < size(); ++v) {
    left_[static_cast<std::size_t>(v)] = chunks[v];
    at(v).samples += chunks[v].count;
  }
  for (bool more = true; more;) {
    more = false;
    for (std::size_t v = 0; v < streams_.size(); ++v) {
      Stream& s = streams_[v];
      const std::int64_t taken = s.resampler->piece(left_[v].count, block_samples_);
      const std::int64_t heard =
          left_[v].count > 0 ? s.resampler->push(left_[v].samples, taken, s.heard.data()) : 0;
      pieces_[v] = {s.heard.data(), heard, s.early.data() + s.held * width()};
      s.held += voices_.frames_due(static_cast<std::int64_t>(v), heard);
      left_[v].samples += left_[v].count > 0 ? taken : 0;
      left_[v].count -= left_[v].count > 0 ? taken : 0;
      more = more || left_[v].count > 0;
    }
    voices_.step(pieces_.data());
    for (std::size_t v = 0; v < streams_.size(); ++v) {
      left_[v].frames += deliver(&streams_[v], due(streams_[v].samples), left_[v].frames) * width();
    }
  }
}

std::int64_t Streams::deliver(Stream* stream, std::int64_t due, float* frames) const {
  const std::int64_t count =
      std::min(stream->held, std::max<std::int64_t>(due - stream->delivered, 0));
  if (count == 0) {
    return 0;
  }
  const auto begin = stream->early.begin();
  std::copy(begin, begin + count * width(), frames);
  std::copy(begin + count * width(), begin + stream->held * width(), begin);
  stream->held -= count;
  stream->delivered += count;
  stream->knobs.push(count, frames);
  return count;
}

MaybeRefusal Streams::flush(std::int64_t stream, float* frames) {
  Stream& s = at(stream);
  if (s.flushed) {
    return Refusal{Refusal::Kind::kState,
                   "flush: " + name(stream) + "the stream was flushed; reset it to begin another"};
  }
  const auto v = static_cast<std::size_t>(stream);
  const std::int64_t end = total(s.samples);
  if (s.resampler != nullptr) {
    // What silence brings out of the resampler.
    const std::vector<float> silence(
        static_cast<std::size_t>(s.resampler->filter().delay_samples()), 0.0F);
    for (std::size_t other = 0; other < streams_.size(); ++other) {
      pieces_[other] = {};
    }
    const std::int64_t heard = s.resampler->push(
        silence.data(), static_cast<std::int64_t>(silence.size()), s.heard.data());
    pieces_[v] = {s.heard.data(), heard, s.early.data() + s.held * width()};
    s.held += voices_.frames_due(stream, heard);
    voices_.step(pieces_.data());
  }
  places_[v] = s.early.data() + s.held * width();
  s.held += voices_.frames_owed(stream);
  ending_[v] = true;
  voices_.flush(ending_.get(), places_.data());
  ending_[v] = false;
  deliver(&s, end, frames);
  s.flushed = true;
  return {};
}

void Streams::reset(std::int64_t stream) {
  Stream& s = at(stream);
  voices_.reset(stream);
  if (s.resampler != nullptr) {
    s.resampler->reset();
  }
  s.knobs.reset();
  s.held = s.samples = s.delivered = 0;
  s.flushed = false;
}

void Streams::reset() {
  voices_.reset();
  for (std::int64_t v = 0; v < size(); ++v) {
    reset(v);
  }
}

MaybeRefusal Streams::set(std::int64_t first, std::vector<KnobSettings> settings) {
  std::vector<KnobNumbers> numbers;
  for (const KnobSettings& one : settings) {
    if (auto refusal = check_knobs(one, values_)) {
      return refusal;
    }
    numbers.push_back(knob_numbers(one, values_));
  }
  // From here on nothing asks for memory.
  for (std::size_t i = 0; i < settings.size(); ++i) {
    Stream& stream = at(first + static_cast<std::int64_t>(i));
    stream.knobs.set(numbers[i].gain.data(), numbers[i].offset.data(), settings[i].smooth_ms);
    stream.settings = std::move(settings[i]);
  }
  return {};
}

}  // namespace dt
