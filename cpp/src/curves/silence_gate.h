// How far the gated curves are open: shut in silence, open while somebody speaks.
#pragma once

#include <cstdint>

#include "dt/options.h"
#include "dt/time_base.h"

namespace dt {

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
