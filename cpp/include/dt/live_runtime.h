// A Runtime on a thread of its own.
#pragma once

#include <cstdint>
#include <memory>

#include "dt/backend.h"
#include "dt/model.h"
#include "dt/overload.h"

namespace dt {

// A Runtime behind a ring buffer, on a worker thread of its own. push() may be called from one
// thread (an audio callback), everything else from one other.
class LiveRuntime {
 public:
  LiveRuntime(std::shared_ptr<const Model> model, std::uint64_t seed, std::int64_t identity,
              const BackendOptions& backend = {}, std::int64_t ring_capacity_samples = 64000,
              std::int64_t frame_capacity = 512, const MotionOptions& motion = {});
  ~LiveRuntime();  // stops and joins

  // Takes samples and returns how many fitted. Never locks, blocks, allocates or throws. What does
  // not fit is dropped and counted, and as many zeros take its place later, so that the clock stays
  // true. A sample that is not finite or beyond Runtime::kSampleLimit counts as zero. After
  // finish() or stop() nothing is taken.
  std::int64_t push(const float* samples, std::int64_t count) noexcept;

  // How many samples push() would take whole now. For the thread that pushes; never locks.
  std::int64_t room() noexcept;
  std::int64_t ring_capacity_samples() const noexcept;

  // Waits up to `timeout_s` for a frame and returns how many are ready. Throws std::runtime_error
  // if the worker failed.
  std::int64_t wait(double timeout_s);

  // Takes up to `max_frames` frames, each of width() values, which are consecutive. The queue holds
  // the newest `frame_capacity` frames; older ones that nobody took are counted in
  // dropped_frames().
  struct Batch {
    std::int64_t first_frame;
    std::int64_t count;
  };
  // `steps`, where given, gets the sampling steps that each frame was made with; 0: the overload
  // policy skipped it, and its values are those before it.
  Batch take(std::int64_t max_frames, float* frames, std::uint8_t* steps = nullptr);

  // What is done from now on where sound comes faster than it can be computed; Overload::kKeep at
  // first. For sound that comes as it is captured: what is pushed ahead of its time waits too.
  // Throws std::invalid_argument for fewer steps on a backend that runs all of them at once.
  void set_overload(Overload overload);

  void finish();          // no more audio comes: the worker computes the rest and flushes
  bool finished() const;  // everything after finish() has been taken
  void stop();            // ends the worker at once and joins it; frames already out stay
  void reset();           // back to the start, running; no push() may be under way

  std::int64_t width() const;  // of a frame: curves, and the head's values
  std::int64_t dropped_samples() const;
  std::int64_t dropped_frames() const;
  std::int64_t invalid_samples() const;
  std::int64_t position_samples() const;  // samples the worker has taken, filled gaps included
  std::int64_t frames() const;            // frames computed
  std::int64_t identity() const;
  float level_db() const;
  double compute_seconds() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dt
