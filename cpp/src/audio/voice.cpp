#include "audio/voice.h"

#include <algorithm>
#include <cmath>

namespace dt {
namespace {

double clamp(double x, double low, double high) { return std::min(std::max(x, low), high); }

// Share of the way that one frame moves the gate, which takes `time_ms` for all of it.
double step_of(double time_ms, const TimeBase& time) {
  return time_ms <= 0.0 ? 1.0 : std::min(1.0, 1000.0 * time.frame_seconds() / time_ms);
}

}  // namespace

VoiceDetector::VoiceDetector(const GateOptions& options)
    : options_(options), floor_db_(options.floor_initial_db) {}

void VoiceDetector::push(const float* level_db, std::int64_t columns, bool* voiced) {
  constexpr double kFallShare = 0.2;  // of the distance, a column
  const double rise = options_.rise_db_s / static_cast<double>(TimeBase::kColumnRateHz);
  for (std::int64_t m = 0; m < columns; ++m) {
    const double level = static_cast<double>(level_db[m]);
    floor_db_ += level < floor_db_ ? kFallShare * (level - floor_db_) : rise;
    floor_db_ = clamp(floor_db_, options_.floor_minimum_db, options_.floor_maximum_db);
    voiced[m] = level > clamp(floor_db_ + options_.margin_db, options_.threshold_minimum_db,
                              options_.threshold_maximum_db);
  }
}

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
  position_ = clamp(position_ + (open ? open_step_ : -shut_step_), 0.0, 1.0);
  // Steps that add up to the whole way must not leave a trace of rounding at its end.
  constexpr double kTrace = 1e-9;
  position_ = position_ < kTrace ? 0.0 : position_ > 1.0 - kTrace ? 1.0 : position_;
  return static_cast<float>(position_ * position_ * (3.0 - 2.0 * position_));
}

}  // namespace dt
