// For a network that hears by itself: which columns a voice brings to a launch, and which frame
// comes out of it. A frame's tick brings the columns that are new since the frame before; where
// they are more than a tick has room for, as at a voice's start, ticks without a frame go before
// it. So what a tick holds depends on the frame's number alone, however the sound was cut.
#pragma once

#include <cstdint>
#include <vector>

#include "dt/time_base.h"

namespace dt {

class Ticks {
 public:
  // `lookback_ms`: columns centred this long before a frame's instant count towards its voice.
  // `max_columns` bounds the columns of a push.
  Ticks(const TimeBase& time, double lookback_ms, std::int64_t max_columns);

  // Takes the next columns: mel (columns, 80), voiced (columns); `position_samples` samples have
  // come by then. Returns the frames that are due.
  std::int64_t push(const float* mel, const bool* voiced, std::int64_t columns,
                    std::int64_t position_samples);

  struct Tick {
    const float* mel;  // (columns, 80), until the next push
    std::int64_t columns;
    bool frame;   // whether a frame comes out, and then:
    bool voiced;  // whether somebody speaks in it
    float share;  // of the newest column in it; the rest is of the one before
  };
  // Returns whether there is a tick, of a frame that is due.
  bool next(Tick* tick);
  void reset();

 private:
  TimeBase time_;
  std::int64_t lookback_us_, room_;
  std::int64_t due_ = 0, next_frame_ = 0;    // frames
  std::int64_t taken_ = 0, first_ = 0;       // columns: of ticks so far, and of mel_'s first row
  std::int64_t last_voiced_ = kNeverVoiced;  // of the taken ones
  std::int64_t held_ = 0;                    // columns in mel_
  std::vector<float> mel_;                   // (held, 80)
  std::vector<std::uint8_t> voiced_;         // (held)
  static constexpr std::int64_t kNeverVoiced = -1000000;
};

}  // namespace dt
