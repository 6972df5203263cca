#include "runtime/voice.h"

#include <cstddef>

#include "dt/log_mel.h"
#include "weights/model.h"

namespace dt {
namespace {

std::size_t columns_of(std::int64_t samples) {
  return static_cast<std::size_t>(LogMelStream::most_columns(samples));
}

}  // namespace

Voice::Voice(const std::shared_ptr<const Model>& model, std::uint64_t seed,
             std::int64_t pinned_identity, const MotionOptions& motion, std::int64_t block_samples,
             bool heard)
    : time(ModelWeights::of(*model).time),
      curve_count(model->curve_count()),
      log_mel(ModelWeights::of(*model).log_mel, block_samples),
      detector(model->config().gate),
      identity(model, pinned_identity),
      postprocess(model->config().curve_options, model->config().gate, time),
      idle(model->config(), motion, seed, time),
      mel(columns_of(block_samples) * LogMel::kBands),
      level_db(columns_of(block_samples)),
      voiced_columns(new bool[level_db.size()]),
      voiced(new bool[static_cast<std::size_t>(time.most_frames_in(block_samples))]) {
  const std::int64_t channels = model->config().channels;
  const std::int64_t most_columns = LogMelStream::most_columns(block_samples);
  const double lookback_ms = model->config().gate.lookback_ms;
  if (heard) {
    ticks.emplace(time, lookback_ms, most_columns);
    return;
  }
  encoder.emplace(*model);
  alignment.emplace(time, channels, lookback_ms, most_columns);
  features.resize(level_db.size() * static_cast<std::size_t>(channels));
  audio.resize(static_cast<std::size_t>(time.most_frames_in(block_samples) * channels));
  identities = audio;
}

Encoder::Job Voice::listen(const float* samples, std::int64_t count) {
  heard_samples += count;
  columns = log_mel.push(samples, count, mel.data(), level_db.data());
  detector.push(level_db.data(), columns, voiced_columns.get());
  if (columns > 0) {
    newest_level_db = level_db[static_cast<std::size_t>(columns - 1)];
  }
  return {encoder ? &*encoder : nullptr, mel.data(), columns, features.data()};
}

Sampler::Job Voice::align(std::int64_t number, float* curves) {
  const std::int64_t due = alignment->push(features.data(), voiced_columns.get(), columns,
                                           heard_samples, audio.data(), voiced.get());
  identity.push(audio.data(), voiced.get(), due, identities.data());
  return {number, due, audio.data(), identities.data(), curves};
}

Sampler::Job Voice::begin(std::int64_t number, float* curves) {
  told = 0;
  const std::int64_t due = ticks->push(mel.data(), voiced_columns.get(), columns, heard_samples);
  return {number, due, nullptr, nullptr, curves};
}

bool Voice::next(const Sampler::Job& job, Sampler::Tick* tick) {
  Ticks::Tick next{};
  if (!ticks->next(&next)) {
    return false;
  }
  const IdentityMatcher::Decision decision = identity.decision();
  *tick = {job.voice,   next.mel,   next.columns,       next.frame,
           next.voiced, next.share, identity.follows(), identity.first(),
           nullptr,     nullptr,    decision.current,   decision.scores};
  if (next.frame) {
    voiced[static_cast<std::size_t>(told)] = next.voiced;
    tick->curves = job.curves + told * curve_count;
    ++told;
  }
  return true;
}

void Voice::finish(const Sampler::Job& job) {
  postprocess.push(voiced.get(), job.frames, job.curves);
  idle.push(voiced.get(), job.frames, job.curves);
  frames += job.frames;
}

void Voice::set(std::uint64_t seed, std::int64_t pinned_identity, double idle_amount) {
  IdleMotion::check_amount(idle_amount);
  identity.pin(pinned_identity);
  idle.set(seed, idle_amount);
}

void Voice::reset() {
  log_mel.reset();
  detector.reset();
  if (ticks) {
    ticks->reset();
  } else {
    encoder->reset();
    alignment->reset();
  }
  identity.reset();
  postprocess.reset();
  idle.reset();
  position_samples = heard_samples = frames = 0;
  flushed = false;
  newest_level_db = kSilenceDb;
}

}  // namespace dt
