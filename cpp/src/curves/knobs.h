// Settings that are turned while frames are delivered: gain and offset of each value, smoothing.
#pragma once

#include <cstdint>
#include <vector>

namespace dt {

// Applied to frames as they are delivered, so a change shows from the next one on, however the
// audio before and after was cut.
class Knobs {
 public:
  // Frames of `width` values; of these the first `curves` stay within 0 and 1 where gain or offset
  // move them.
  Knobs(std::int64_t width, std::int64_t curves, double frame_seconds);

  // gain, offset (width); `smooth_ms` is the time constant of a one-pole low-pass, 0 = off.
  void set(const float* gain, const float* offset, double smooth_ms);

  // frames (frames, width) in place. Neutral settings change no bit.
  void push(std::int64_t frames, float* values);

  // Forgets the frames, keeps the settings.
  void reset() { first_ = true; }

 private:
  void turn(float* values) const;
  void smooth(float* values) const;

  std::int64_t width_, curves_;
  double frame_seconds_;
  std::vector<float> gain_, offset_;
  float smoothing_ = 1.0F;  // weight of the new value; 1 = off
  bool turned_ = false;     // whether any gain or offset is not neutral
  std::vector<float> last_;
  bool first_ = true;
};

}  // namespace dt
