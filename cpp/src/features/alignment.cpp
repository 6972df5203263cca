#include "features/alignment.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace dt {
namespace {

constexpr std::int64_t kNeverVoiced = -1000000;

}  // namespace

Alignment::Alignment(const TimeBase& time, std::int64_t channels, double lookback_ms,
                     std::int64_t max_columns)
    : time_(time),
      channels_(channels),
      lookback_us_(std::llround(lookback_ms * 1000.0)),
      // A frame that is not due yet reads columns from its own back to one period and the worst
      // wait of a column before the newest.
      capacity_(max_columns + 4 +
                static_cast<std::int64_t>(std::ceil(time.frame_seconds() *
                                                    static_cast<double>(TimeBase::kColumnRateHz)))),
      features_(static_cast<std::size_t>(capacity_ * channels)),
      last_voiced_(static_cast<std::size_t>(capacity_)) {}

void Alignment::reset() { next_column_ = next_frame_ = 0; }

float* Alignment::feature(std::int64_t column) {
  return &features_[static_cast<std::size_t>(column % capacity_ * channels_)];
}

std::int64_t& Alignment::last_voiced(std::int64_t column) {
  return last_voiced_[static_cast<std::size_t>(column % capacity_)];
}

std::int64_t Alignment::push(const float* features, const bool* voiced_columns,
                             std::int64_t columns, std::int64_t position_samples, float* audio,
                             bool* voiced) {
  for (std::int64_t i = 0; i < columns; ++i, ++next_column_) {
    std::copy(features + i * channels_, features + (i + 1) * channels_, feature(next_column_));
    last_voiced(next_column_) = voiced_columns[i]  ? next_column_
                                : next_column_ > 0 ? last_voiced(next_column_ - 1)
                                                   : kNeverVoiced;
  }
  const std::int64_t frames = time_.due_frames(position_samples) - next_frame_;
  for (std::int64_t f = 0; f < frames; ++f) {
    read_frame(next_frame_ + f, audio + f * channels_, voiced + f);
  }
  next_frame_ += frames;
  return frames;
}

void Alignment::read_frame(std::int64_t frame, float* audio, bool* voiced) {
  const TimeBase::ColumnPosition at = time_.column_position(frame);
  const float* before = feature(at.column);
  if (at.fraction == 0.0F) {
    std::copy(before, before + channels_, audio);
  } else {
    const float* after = feature(at.column + 1);
    for (std::int64_t c = 0; c < channels_; ++c) {
      audio[c] = (1.0F - at.fraction) * before[c] + at.fraction * after[c];
    }
  }
  *voiced = last_voiced(time_.last_column(frame)) >= time_.first_column_since(frame, lookback_us_);
}

}  // namespace dt
