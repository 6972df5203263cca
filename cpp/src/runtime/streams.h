// Voices between a caller's clock and the core's: any sample rate in, and knobs on the way out.
// What is wrong is a value here: nothing is raised. (Python's is
// python/diffusiontalker/streams.py.)
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "audio/resampler.h"
#include "curves/knob_settings.h"
#include "curves/knobs.h"
#include "dt/model.h"
#include "dt/refusal.h"
#include "dt/time_base.h"
#include "dt/voices.h"

namespace dt {

struct StreamsOptions {
  std::int64_t sample_rate_hz = TimeBase::kSampleRateHz;
  std::vector<VoiceOptions> voices;  // one a stream
  MotionOptions motion;
  std::int64_t threads = 1;
};

// Not thread-safe; nothing in step() allocates.
class Streams {
 public:
  static constexpr std::int64_t kMostStreams = 65536;

  // What is wrong with options for a model.
  static MaybeRefusal check(const Model& model, const StreamsOptions& options);

  // Of options that are right.
  Streams(std::shared_ptr<const Model> model, const StreamsOptions& options);

  std::int64_t size() const { return static_cast<std::int64_t>(streams_.size()); }
  std::int64_t width() const { return voices_.width(); }
  std::int64_t sample_rate_hz() const { return rate_hz_; }
  std::int64_t threads() const { return threads_; }
  // Samples at the caller's rate that a frame waits for beyond its instant.
  std::int64_t lookahead_samples() const { return lookahead_; }
  const Model& model() const { return *model_; }
  const std::shared_ptr<const Model>& shared_model() const { return model_; }
  const ValueNames& values() const { return values_; }
  const Voices& voices() const { return voices_; }

  // Frames that step() with so many samples more, or flush(), will write.
  std::int64_t frames_due(std::int64_t stream, std::int64_t more_samples) const;
  std::int64_t frames_owed(std::int64_t stream) const;

  bool flushed(std::int64_t stream) const { return at(stream).flushed; }
  std::int64_t samples(std::int64_t stream) const { return at(stream).samples; }
  std::int64_t frames(std::int64_t stream) const { return at(stream).delivered; }

  // Takes a chunk for each stream, size() of them. On a refusal no stream has moved.
  MaybeRefusal step(const Voices::Chunk* chunks);
  // Ends a stream as if silence followed.
  MaybeRefusal flush(std::int64_t stream, float* frames);
  void reset(std::int64_t stream);
  void reset();

  // On a refusal nothing has changed.
  // Of `first` and those behind it: all of them, or none.
  MaybeRefusal set(std::int64_t first, std::vector<KnobSettings> settings);
  const KnobSettings& settings(std::int64_t stream) const { return at(stream).settings; }

 private:
  struct Stream {
    Knobs knobs;
    KnobSettings settings;
    std::unique_ptr<Resampler> resampler;  // null at the core's own rate
    std::vector<float> heard;              // a block at 16 kHz
    // Frames that the core has computed, but whose instant plus look-ahead the caller's clock has
    // not reached: the resampler runs ahead of its worst case most of the time.
    std::vector<float> early;
    std::int64_t held = 0;       // of them
    std::int64_t samples = 0;    // taken, at the caller's rate
    std::int64_t delivered = 0;  // frames
    bool flushed = false;
  };

  const Stream& at(std::int64_t stream) const { return streams_[static_cast<std::size_t>(stream)]; }
  Stream& at(std::int64_t stream) { return streams_[static_cast<std::size_t>(stream)]; }
  std::string name(std::int64_t stream) const;
  std::int64_t due(std::int64_t samples) const;
  std::int64_t total(std::int64_t samples) const;
  void step_resampled(const Voices::Chunk* chunks);
  // Gives out early frames up to frame number `due` and returns how many.
  std::int64_t deliver(Stream* stream, std::int64_t due, float* frames) const;

  std::shared_ptr<const Model> model_;
  Voices voices_;
  std::int64_t rate_hz_, threads_, block_samples_, lookahead_;
  ValueNames values_;
  std::vector<Stream> streams_;
  std::vector<Voices::Chunk> left_, pieces_;
  std::unique_ptr<bool[]> ending_;
  std::vector<float*> places_;
};

}  // namespace dt
