// The public C++ interface: speech at 16 kHz in, curve values out. Knows no file format, no Python
// and no sound card.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dt/backend.h"
#include "dt/kernels.h"
#include "dt/live_runtime.h"
#include "dt/model.h"

namespace dt {

// One stream of speech. Not thread-safe; nothing allocates after construction.
class Runtime {
 public:
  // `identity` is a row of the library, or kAutoIdentity to follow the voice. Throws
  // std::invalid_argument for an identity or a backend that does not exist or an idle amount that
  // cannot be, std::runtime_error for a backend that cannot be used here.
  Runtime(std::shared_ptr<const Model> model, std::uint64_t seed, std::int64_t identity,
          const BackendOptions& backend = {}, const MotionOptions& motion = {});
  ~Runtime();
  Runtime(Runtime&&) noexcept;

  // Number of frames that step() with `more_samples` samples, or flush(), will write.
  std::int64_t frames_due(std::int64_t more_samples) const;
  std::int64_t frames_owed() const;

  // Takes `count` >= 0 samples (mono, 16 kHz, full scale 1.0) and writes frames_due(count) frames,
  // each width() floats. The result does not depend on how the audio is cut into steps.
  // Throws, leaving the state as it was: std::invalid_argument for a sample that is not finite or
  // beyond kSampleLimit, std::logic_error after flush().
  void step(const float* samples, std::int64_t count, float* frames);

  // Ends the stream as if silence followed and writes frames_owed() frames: with those of step(),
  // ceil(duration x frame rate). Throws std::logic_error when called twice without reset().
  void flush(float* frames);

  void reset();

  // Sampling steps of the frames to come: the model's, or a divisor of them for less work and
  // curves that are a little others; 0: nothing is sampled. The sound is heard and time goes on
  // then, and what step() writes are the curves before. reset() keeps it. Throws
  // std::invalid_argument for another number, and for fewer steps on a backend that runs all of
  // them at once.
  void set_steps(std::int64_t steps);
  std::int64_t steps() const;
  bool takes_fewer_steps() const;  // whether the backend can leave some out

  std::int64_t width() const;                         // of a frame: curves, and the head's values
  std::int64_t identity() const;                      // the row in use now
  const std::vector<float>& identity_scores() const;  // latest cosine with each row
  std::int64_t position_samples() const;              // samples taken
  std::int64_t frames() const;                        // frames written
  float level_db() const;                             // newest analysis window, dBFS
  double compute_seconds() const;                     // spent in step() and flush()

  // Float audio may exceed full scale a little; beyond this, 16-bit values stand there as floats.
  static constexpr float kSampleLimit = 16.0F;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dt
