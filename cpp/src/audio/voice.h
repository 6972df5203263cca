// The silence gate's two halves: which columns hold a voice, and how far the gated curves are open.
#pragma once

#include <cstdint>

#include "dt/options.h"
#include "dt/time_base.h"

namespace dt {

// Marks the columns that stand out of the noise floor, which it tracks.
class VoiceDetector {
 public:
  explicit VoiceDetector(const GateOptions& options);

  void push(const float* level_db, std::int64_t columns, bool* voiced);
  void reset() { floor_db_ = options_.floor_initial_db; }

 private:
  GateOptions options_;
  double floor_db_;
};

// How far the gate is open, frame by frame: 0 shut, 1 open.
class SilenceGate {
 public:
  SilenceGate(const GateOptions& options, const TimeBase& time);

  float push(bool voiced);
  void reset();

 private:
  std::int64_t hold_frames_;
  double open_step_, shut_step_;
  std::int64_t silent_frames_ = 0;  // since the last voiced frame
  bool heard_ = false;              // any voiced frame yet
  double position_ = 0.0;
};

}  // namespace dt
