// Many streams of speech on one model: a pass over the weights serves them all.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "dt/backend.h"
#include "dt/model.h"

namespace dt {

// One stream's own settings.
struct VoiceOptions {
  std::uint64_t seed = 0;
  std::int64_t identity = kAutoIdentity;  // a row of the library, or kAutoIdentity
};

// Streams of speech that begin, go on and end apart. A stream's frames are those of a Runtime of
// its own, bit for bit, whatever the others do. Not thread-safe; nothing allocates after
// construction.
class Voices {
 public:
  // `threads` >= 1 compute at once, each a share of the voices; the frames do not depend on it.
  // Throws as Runtime does.
  Voices(std::shared_ptr<const Model> model, const std::vector<VoiceOptions>& voices,
         const BackendOptions& backend = {}, const MotionOptions& motion = {},
         std::int64_t threads = 1);
  ~Voices();
  Voices(Voices&&) noexcept;

  // What a voice gets: `count` >= 0 samples, and room for the frames that they make due.
  struct Chunk {
    const float* samples = nullptr;
    std::int64_t count = 0;
    float* frames = nullptr;
  };

  std::int64_t size() const;   // voices
  std::int64_t width() const;  // of a frame: curves, and the head's values

  // See Runtime, of one voice.
  std::int64_t frames_due(std::int64_t voice, std::int64_t more_samples) const;
  std::int64_t frames_owed(std::int64_t voice) const;
  bool flushed(std::int64_t voice) const;
  std::int64_t identity(std::int64_t voice) const;
  const std::vector<float>& identity_scores(std::int64_t voice) const;
  std::int64_t position_samples(std::int64_t voice) const;
  std::int64_t frames(std::int64_t voice) const;
  float level_db(std::int64_t voice) const;
  double compute_seconds() const;  // spent in step() and flush(), by this thread's clock

  // See Runtime, of one voice.
  void set_steps(std::int64_t voice, std::int64_t steps);
  std::int64_t steps(std::int64_t voice) const;
  bool takes_fewer_steps() const;

  // The same by stage, of all threads together, in the order of the pipeline.
  static constexpr std::size_t kStages = 5;
  static const std::array<const char*, kStages>& stage_names();
  std::array<double, kStages> stage_seconds() const;

  // Takes a chunk for each voice, size() of them. Throws, leaving every voice as it was:
  // std::invalid_argument for a sample that is not finite or beyond Runtime::kSampleLimit,
  // std::logic_error for samples to a voice that was flushed.
  void step(const Chunk* chunks);

  // Ends the voices that `ending` (size() of them) names, as if silence followed, and writes
  // frames_owed() frames of each to its place in `frames`. Throws std::logic_error for one that was
  // flushed.
  void flush(const bool* ending, float* const* frames);

  void reset();
  void reset(std::int64_t voice);
  // Another stream in this place, with options and an amount of idle motion (0 to 1) of its own.
  // Throws std::invalid_argument for an identity or an amount that cannot be, and leaves the voice
  // as it was.
  void reset(std::int64_t voice, const VoiceOptions& options, double idle);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dt
