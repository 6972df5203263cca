#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <utility>
#include <vector>

#include "arithmetic/rounding.h"
#include "audio/log_mel_stream.h"
#include "audio/voice.h"
#include "curves/idle.h"
#include "curves/postprocess.h"
#include "dt/backend.h"
#include "dt/log_mel.h"
#include "dt/model.h"
#include "dt/runtime.h"
#include "features/alignment.h"
#include "features/encoder.h"
#include "features/identity.h"
#include "sampler/sampler.h"
#include "weights/model.h"

namespace dt {
namespace {

// Longer steps run in blocks of this size, which bounds every buffer. One second fills the
// sampler's diagonals well.
constexpr std::int64_t kBlockSamples = 16000;
constexpr std::int64_t kBlockColumns = LogMelStream::most_columns(kBlockSamples);

void check_samples(const float* samples, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    // Written so that NaN fails too.
    if (!(std::fabs(samples[i]) <= Runtime::kSampleLimit)) {
      std::ostringstream text;
      text << "step: sample " << i << " is ";
      if (std::isnan(samples[i])) {
        text << "NaN";
      } else {
        text << samples[i];
      }
      text << "; expected finite values, full scale is 1.0";
      throw std::invalid_argument(text.str());
    }
  }
}

}  // namespace

struct Runtime::Impl {
  Impl(std::shared_ptr<const Model> shared_model, std::uint64_t seed, std::int64_t pinned_identity,
       const BackendOptions& backend, const MotionOptions& motion)
      : model(std::move(shared_model)),
        time(ModelWeights::of(*model).time),
        width(motion.width(model->curve_count())),
        block_frames(time.most_frames_in(kBlockSamples)),
        log_mel(ModelWeights::of(*model).log_mel, kBlockSamples),
        voice(model->config().gate),
        encoder(model),
        alignment(time, model->config().channels, model->config().gate.lookback_ms, kBlockColumns),
        identity(model, pinned_identity),
        sampler(model, seed, backend, block_frames),
        postprocess(model->config().curve_options, model->config().gate, time),
        idle(model->config(), motion, seed, time),
        mel(static_cast<std::size_t>(kBlockColumns * LogMel::kBands)),
        level_db(static_cast<std::size_t>(kBlockColumns)),
        voiced_columns(new bool[static_cast<std::size_t>(kBlockColumns)]),
        features(static_cast<std::size_t>(kBlockColumns * model->config().channels)),
        audio(static_cast<std::size_t>(block_frames * model->config().channels)),
        voiced(new bool[static_cast<std::size_t>(block_frames)]),
        identities(audio),
        silence(static_cast<std::size_t>(kBlockSamples), 0.0F) {}

  // The pipeline: up to kBlockSamples samples -> the frames they make due, whose number it returns.
  // `curves` has room for them all at their whole width; the last stage fills it.
  std::int64_t run(const float* samples, std::int64_t count, float* curves) {
    heard_samples += count;
    const std::int64_t columns = log_mel.push(samples, count, mel.data(), level_db.data());
    voice.push(level_db.data(), columns, voiced_columns.get());
    encoder.push(mel.data(), columns, features.data());
    const std::int64_t due = alignment.push(features.data(), voiced_columns.get(), columns,
                                            heard_samples, audio.data(), voiced.get());
    identity.push(audio.data(), voiced.get(), due, identities.data());
    sampler.push(audio.data(), identities.data(), due, curves);
    postprocess.push(voiced.get(), due, curves);
    idle.push(voiced.get(), due, curves);
    frames += due;
    newest_level_db =
        columns > 0 ? level_db[static_cast<std::size_t>(columns - 1)] : newest_level_db;
    return due;
  }

  void reset() {
    log_mel.reset();
    voice.reset();
    encoder.reset();
    alignment.reset();
    identity.reset();
    sampler.reset();
    postprocess.reset();
    idle.reset();
    position_samples = heard_samples = frames = 0;
    flushed = false;
    newest_level_db = kSilenceDb;
    compute_seconds = 0.0;
  }

  static constexpr float kSilenceDb = -120.0F;

  std::shared_ptr<const Model> model;
  TimeBase time;
  std::int64_t width;
  std::int64_t block_frames;

  LogMelStream log_mel;
  VoiceDetector voice;
  Encoder encoder;
  Alignment alignment;
  IdentityMatcher identity;
  Sampler sampler;
  PostProcess postprocess;
  IdleMotion idle;

  std::int64_t position_samples = 0;  // taken from the caller
  std::int64_t heard_samples = 0;     // with the silence of flush()
  std::int64_t frames = 0;
  bool flushed = false;
  float newest_level_db = kSilenceDb;
  double compute_seconds = 0.0;

  // What flows between the stages of one block.
  std::vector<float> mel, level_db;
  std::unique_ptr<bool[]> voiced_columns;
  std::vector<float> features, audio;
  std::unique_ptr<bool[]> voiced;
  std::vector<float> identities;
  std::vector<float> silence;
};

namespace {

// Adds the time it lives to a counter of seconds.
class Stopwatch {
 public:
  explicit Stopwatch(double* seconds) : seconds_(seconds) {}
  ~Stopwatch() {
    *seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double* seconds_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

Runtime::Runtime(std::shared_ptr<const Model> model, std::uint64_t seed, std::int64_t identity,
                 const BackendOptions& backend, const MotionOptions& motion)
    : impl_(std::make_unique<Impl>(std::move(model), seed, identity, backend, motion)) {}
Runtime::~Runtime() = default;
Runtime::Runtime(Runtime&&) noexcept = default;

std::int64_t Runtime::frames_due(std::int64_t more_samples) const {
  return impl_->flushed
             ? 0
             : impl_->time.due_frames(impl_->position_samples + more_samples) - impl_->frames;
}

std::int64_t Runtime::frames_owed() const {
  return impl_->flushed ? 0 : impl_->time.total_frames(impl_->position_samples) - impl_->frames;
}

void Runtime::step(const float* samples, std::int64_t count, float* frames) {
  if (impl_->flushed) {
    throw std::logic_error("step: the stream was flushed; call reset() to begin another");
  }
  check_samples(samples, count);
  const Stopwatch stopwatch(&impl_->compute_seconds);
  const arithmetic::StandardRounding rounding;
  impl_->position_samples += count;
  for (std::int64_t at = 0; at < count; at += kBlockSamples) {
    frames += impl_->run(samples + at, std::min(kBlockSamples, count - at), frames) * impl_->width;
  }
}

void Runtime::flush(float* frames) {
  if (impl_->flushed) {
    throw std::logic_error("flush: the stream was flushed; call reset() to begin another");
  }
  const Stopwatch stopwatch(&impl_->compute_seconds);
  const arithmetic::StandardRounding rounding;
  const std::int64_t total = impl_->time.total_frames(impl_->position_samples);
  // Silence as this microphone gives it: a step from an offset to zero would be a sound.
  std::fill(impl_->silence.begin(), impl_->silence.end(), impl_->log_mel.offset());
  while (impl_->frames < total) {
    const std::int64_t missing = impl_->time.samples_for(total) - impl_->heard_samples;
    frames +=
        impl_->run(impl_->silence.data(), std::min(kBlockSamples, missing), frames) * impl_->width;
  }
  impl_->flushed = true;
}

void Runtime::reset() { impl_->reset(); }

std::int64_t Runtime::width() const { return impl_->width; }
std::int64_t Runtime::identity() const { return impl_->identity.current(); }
const std::vector<float>& Runtime::identity_scores() const { return impl_->identity.scores(); }
std::int64_t Runtime::position_samples() const { return impl_->position_samples; }
std::int64_t Runtime::frames() const { return impl_->frames; }
float Runtime::level_db() const { return impl_->newest_level_db; }
double Runtime::compute_seconds() const { return impl_->compute_seconds; }

}  // namespace dt
