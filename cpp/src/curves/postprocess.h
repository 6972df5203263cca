// From the model's curve values to the face's: gain, offset, limits, smoothing, silence gate.
#pragma once

#include <cstdint>
#include <vector>

#include "curves/silence_gate.h"
#include "dt/options.h"
#include "dt/time_base.h"

namespace dt {

class PostProcess {
 public:
  PostProcess(const std::vector<CurveOptions>& curves, const GateOptions& gate,
              const TimeBase& time);

  // curves (frames, curves) in place; voiced (frames).
  void push(const bool* voiced, std::int64_t frames, float* curves);
  void reset();

 private:
  std::vector<CurveOptions> options_;
  std::vector<float> smoothing_;  // weight of the new value; 1 = off
  std::vector<float> smoothed_;
  bool first_ = true;
  SilenceGate gate_;
};

}  // namespace dt
