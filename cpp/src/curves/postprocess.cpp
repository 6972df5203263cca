#include "curves/postprocess.h"

#include <algorithm>
#include <cstddef>

#include "arithmetic/elementary.h"

namespace dt {

PostProcess::PostProcess(const std::vector<CurveOptions>& curves, const GateOptions& gate,
                         const TimeBase& time)
    : options_(curves), smoothed_(curves.size()), gate_(gate, time) {
  for (const CurveOptions& curve : curves) {
    const double ratio =
        1000.0 * time.frame_seconds() / std::max(1e-6, static_cast<double>(curve.smoothing_ms));
    smoothing_.push_back(
        curve.smoothing_ms > 0.0F ? static_cast<float>(1.0 - arithmetic::exp(-ratio)) : 1.0F);
  }
}

void PostProcess::reset() {
  first_ = true;
  gate_.reset();
}

void PostProcess::push(const bool* voiced, std::int64_t frames, float* curves) {
  for (std::int64_t f = 0; f < frames; ++f) {
    const float open = gate_.push(voiced[f]);
    for (std::size_t c = 0; c < options_.size(); ++c) {
      const CurveOptions& curve = options_[c];
      float value = curve.gain * *curves + curve.offset;
      value = std::min(std::max(value, curve.minimum), curve.maximum);
      if (!first_ && smoothing_[c] < 1.0F) {
        value = smoothed_[c] + smoothing_[c] * (value - smoothed_[c]);
      }
      smoothed_[c] = value;
      *curves++ = curve.gated ? curve.rest + open * (value - curve.rest) : value;
    }
    first_ = false;
  }
}

}  // namespace dt
