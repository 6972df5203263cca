#include "features/ticks.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "dt/log_mel.h"

namespace dt {

Ticks::Ticks(const TimeBase& time, double lookback_ms, std::int64_t max_columns)
    : time_(time),
      lookback_us_(std::llround(lookback_ms * 1000.0)),
      room_(time.most_columns_a_frame()),
      // What a frame that is not due yet will need, and the worst wait of a column before the
      // newest.
      mel_(static_cast<std::size_t>((max_columns + time.last_column(1) + 4) * LogMel::kBands)),
      voiced_(mel_.size() / static_cast<std::size_t>(LogMel::kBands)) {}

void Ticks::reset() {
  due_ = next_frame_ = taken_ = first_ = held_ = 0;
  last_voiced_ = kNeverVoiced;
}

std::int64_t Ticks::push(const float* mel, const bool* voiced, std::int64_t columns,
                         std::int64_t position_samples) {
  // What ticks have taken makes room.
  const std::int64_t gone = taken_ - first_;
  std::copy(mel_.begin() + gone * LogMel::kBands, mel_.begin() + held_ * LogMel::kBands,
            mel_.begin());
  std::copy(voiced_.begin() + gone, voiced_.begin() + held_, voiced_.begin());
  first_ = taken_;
  held_ -= gone;
  std::copy(mel, mel + columns * LogMel::kBands, mel_.begin() + held_ * LogMel::kBands);
  std::copy(voiced, voiced + columns, voiced_.begin() + held_);
  held_ += columns;
  due_ = time_.due_frames(position_samples);
  return due_ - next_frame_;
}

bool Ticks::next(Tick* tick) {
  if (next_frame_ == due_) {
    return false;
  }
  const std::int64_t needed = time_.last_column(next_frame_) + 1 - taken_;
  const std::int64_t at = taken_ - first_;
  tick->mel = mel_.data() + at * LogMel::kBands;
  tick->columns = std::min(needed, room_);
  tick->frame = needed <= room_;
  for (std::int64_t i = 0; i < tick->columns; ++i) {
    if (voiced_[static_cast<std::size_t>(at + i)] != 0) {
      last_voiced_ = taken_ + i;
    }
  }
  taken_ += tick->columns;
  tick->voiced = false;
  tick->share = 1.0F;
  if (tick->frame) {
    const float fraction = time_.column_position(next_frame_).fraction;
    tick->share = fraction == 0.0F ? 1.0F : fraction;
    tick->voiced = last_voiced_ >= time_.first_column_since(next_frame_, lookback_us_);
    ++next_frame_;
  }
  return true;
}

}  // namespace dt
