// From the encoder's columns (100 Hz) to motion frames: which frames are due, the audio feature at
// each frame's instant plus the look-ahead, and whether the frame is voiced.
#pragma once

#include <cstdint>
#include <vector>

#include "dt/time_base.h"

namespace dt {

class Alignment {
 public:
  // `lookback_ms`: columns centred this long before a frame's instant count towards its voice.
  // `max_columns` bounds the columns of a push.
  Alignment(const TimeBase& time, std::int64_t channels, double lookback_ms,
            std::int64_t max_columns);

  // Takes the next columns, features (columns, channels) and voice, and writes the frames due once
  // `position_samples` samples have come: audio (frames, channels), voiced (frames). Returns their
  // number.
  std::int64_t push(const float* features, const bool* voiced_columns, std::int64_t columns,
                    std::int64_t position_samples, float* audio, bool* voiced);
  void reset();

 private:
  float* feature(std::int64_t column);
  std::int64_t& last_voiced(std::int64_t column);
  void read_frame(std::int64_t frame, float* audio, bool* voiced);

  TimeBase time_;
  std::int64_t channels_, lookback_us_, capacity_;
  std::int64_t next_column_ = 0, next_frame_ = 0;
  // Rings indexed by column modulo capacity_: the feature, and the last voiced column up to there.
  std::vector<float> features_;
  std::vector<std::int64_t> last_voiced_;
};

}  // namespace dt
