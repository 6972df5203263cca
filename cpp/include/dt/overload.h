// What a live stream does where it cannot be computed as fast as its sound comes.
#pragma once

#include <cstdint>

namespace dt {

enum class Overload {
  kKeep,   // computes every frame, as late as it comes: no bit depends on the load
  kSkip,   // samples no frames until it is up with the sound again
  kSteps,  // takes half, then a quarter of the sampling steps first
};

// Decides from how much sound waits. Arithmetic on sample counts: no clock, no thread.
class OverloadPolicy {
 public:
  // At 16 kHz, of sound that is late: all that waits, but for what is read at once after a pause (a
  // block may be as long as it likes). One look at much of it is no overload (a program that was
  // stopped and woken catches up at once): two in a row are, as the sound that waits at the second
  // came while the first was computed.
  static constexpr std::int64_t kLateSamples = 1600;    // 100 ms: half of the steps
  static constexpr std::int64_t kLaterSamples = 3200;   // 200 ms: a quarter
  static constexpr std::int64_t kLatestSamples = 6400;  // 400 ms: frames are skipped
  static constexpr std::int64_t kUpSamples = 800;       // 50 ms: up with the sound
  static constexpr std::int64_t kCalmSamples = 16000;   // 1 s of that: more steps again

  OverloadPolicy(Overload overload, std::int64_t all_steps)
      : overload_(overload), all_steps_(all_steps) {}

  // Sampling steps for the next samples to be computed, 0 to skip their frames: `waiting` wait,
  // `reading` of which come now; `rested` where nothing waited the time before.
  std::int64_t steps(std::int64_t waiting, std::int64_t reading, bool rested) {
    const std::int64_t late_samples = rested ? waiting - reading : waiting;
    const bool late = late_samples > kLateSamples;
    if (late && was_late_) {
      level_ = level_for(late_samples);
      calm_ = 0;
    } else if (late_samples <= kUpSamples && level_ > 0) {
      calm_ += reading;
      // Whoever skips does so no longer than it must.
      if (level_ == kSkipping || calm_ >= kCalmSamples) {
        level_ = level_ == kSkipping && overload_ == Overload::kSkip ? 0 : level_ - 1;
        calm_ = 0;
      }
    }
    was_late_ = late;
    return level_ == kSkipping ? 0 : all_steps_ >> level_;
  }

 private:
  static constexpr int kSkipping = 3;

  // Never a lower one than it has: what is late with fewer steps is not helped by more.
  int level_for(std::int64_t late_samples) const {
    if (overload_ == Overload::kKeep) {
      return 0;
    }
    int level = late_samples > kLatestSamples ? kSkipping : late_samples > kLaterSamples ? 2 : 1;
    if (level < kSkipping && overload_ == Overload::kSkip) {
      return level_;
    }
    while (level < kSkipping && (all_steps_ % (std::int64_t{1} << level) != 0)) {
      ++level;
    }
    return level > level_ ? level : level_;
  }

  Overload overload_;
  std::int64_t all_steps_;
  int level_ = 0;
  std::int64_t calm_ = 0;  // samples taken while it was up with the sound
  bool was_late_ = false;
};

}  // namespace dt
