#include "curves/silence_gate.h"

#include <algorithm>
#include <cmath>

namespace dt {
namespace {

// Share of the way that one frame moves the gate, which takes `time_ms` for all of it.
double step_of(double time_ms, const TimeBase& time) {
  return time_ms <= 0.0 ? 1.0 : std::min(1.0, 1000.0 * time.frame_seconds() / time_ms);
}

}  // namespace

SilenceGate::SilenceGate(const GateOptions& options, const TimeBase& time)
    : hold_frames_(time.frames_within(std::llround(options.hold_ms * 1000.0))),
      open_step_(step_of(options.attack_ms, time)),
      shut_step_(step_of(options.release_ms, time)) {}

void SilenceGate::reset() {
  silent_frames_ = 0;
  heard_ = false;
  position_ = 0.0;
}

float SilenceGate::push(bool voiced) {
  silent_frames_ = voiced ? 0 : silent_frames_ + 1;
  heard_ = heard_ || voiced;
  const bool open = heard_ && silent_frames_ <= hold_frames_;
  position_ = std::clamp(position_ + (open ? open_step_ : -shut_step_), 0.0, 1.0);
  // Steps that add up to the whole way must not leave a trace of rounding at its end.
  constexpr double kTrace = 1e-9;
  position_ = position_ < kTrace ? 0.0 : position_ > 1.0 - kTrace ? 1.0 : position_;
  return static_cast<float>(position_ * position_ * (3.0 - 2.0 * position_));
}

}  // namespace dt
