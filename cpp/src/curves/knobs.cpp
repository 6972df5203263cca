#include "curves/knobs.h"

#include <algorithm>
#include <cstddef>

#include "arithmetic/elementary.h"
#include "arithmetic/rounding.h"

namespace dt {

Knobs::Knobs(std::int64_t width, std::int64_t curves, double frame_seconds)
    : width_(width),
      curves_(curves),
      frame_seconds_(frame_seconds),
      gain_(static_cast<std::size_t>(width), 1.0F),
      offset_(static_cast<std::size_t>(width), 0.0F),
      last_(static_cast<std::size_t>(width), 0.0F) {}

void Knobs::set(const float* gain, const float* offset, double smooth_ms) {
  std::copy(gain, gain + width_, gain_.begin());
  std::copy(offset, offset + width_, offset_.begin());
  smoothing_ = smooth_ms > 0.0
                   ? static_cast<float>(1.0 - arithmetic::exp(-1000.0 * frame_seconds_ / smooth_ms))
                   : 1.0F;
  turned_ = std::any_of(gain_.begin(), gain_.end(), [](float g) { return g != 1.0F; }) ||
            std::any_of(offset_.begin(), offset_.end(), [](float o) { return o != 0.0F; });
}

void Knobs::push(std::int64_t frames, float* values) {
  const arithmetic::StandardRounding rounding;  // they are turned outside a runtime's step
  for (std::int64_t f = 0; f < frames; ++f) {
    float* frame = values + f * width_;
    if (turned_) {
      turn(frame);
    }
    if (smoothing_ < 1.0F && !first_) {
      smooth(frame);
    }
    // A smoothing that is switched on later goes on from here.
    if (smoothing_ < 1.0F || f == frames - 1) {
      std::copy(frame, frame + width_, last_.begin());
    }
    first_ = false;
  }
}

void Knobs::turn(float* values) const {
  for (std::int64_t i = 0; i < width_; ++i) {
    const auto c = static_cast<std::size_t>(i);
    if (gain_[c] == 1.0F && offset_[c] == 0.0F) {
      continue;
    }
    const float value = gain_[c] * values[i] + offset_[c];
    values[i] = i < curves_ ? std::min(std::max(value, 0.0F), 1.0F) : value;
  }
}

void Knobs::smooth(float* values) const {
  for (std::int64_t i = 0; i < width_; ++i) {
    const float last = last_[static_cast<std::size_t>(i)];
    values[i] = last + smoothing_ * (values[i] - last);
  }
}

}  // namespace dt
