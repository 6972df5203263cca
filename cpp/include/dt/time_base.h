// Time arithmetic: absolute integer sample, column and frame indices, and exact ratios between
// them. Nothing here adds up floats, so a position is the same after an hour as after a second.
#pragma once

#include <cstdint>
#include <numeric>

namespace dt {

// Quotients rounded down and up, for any sign of `a` and a positive `b`.
constexpr std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}
constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return a / b + (a % b > 0 ? 1 : 0);
}

// Relates the three clocks of the runtime: 16 kHz samples, mel columns (100 Hz, column m centred on
// sample 160 m, complete once 160 m + 200 samples have come) and motion frames (num / den Hz, frame
// f depicts the instant f den / num seconds, read from the audio `lookahead_columns` later).
class TimeBase {
 public:
  static constexpr std::int64_t kSampleRateHz = 16000;
  static constexpr std::int64_t kColumnRateHz = 100;
  static constexpr std::int64_t kHopSamples = kSampleRateHz / kColumnRateHz;
  static constexpr std::int64_t kWindowLookaheadSamples = 200;

  TimeBase(std::int64_t frame_rate_num, std::int64_t frame_rate_den, std::int64_t lookahead_columns)
      : num_(frame_rate_num), den_(frame_rate_den), lookahead_columns_(lookahead_columns) {
    // A frame's position among the columns has a fractional part that is a multiple of step / num.
    // The smallest one that is not zero waits longest for its next column.
    const std::int64_t step = std::gcd(den_ * kColumnRateHz, num_);
    lookahead_samples_ = kHopSamples * lookahead_columns_ + kWindowLookaheadSamples +
                         ceil_div(kHopSamples * (num_ - step), num_);
  }

  // Audio needed past a frame's instant, the worst case over all frames.
  std::int64_t lookahead_samples() const { return lookahead_samples_; }

  // Frames whose instant plus the look-ahead is covered by `samples` samples.
  std::int64_t due_frames(std::int64_t samples) const {
    return samples < lookahead_samples_
               ? 0
               : floor_div((samples - lookahead_samples_) * num_, kSampleRateHz * den_) + 1;
  }

  // Frames of a recording: those whose instant lies within it.
  std::int64_t total_frames(std::int64_t samples) const {
    return ceil_div(samples * num_, kSampleRateHz * den_);
  }

  // Samples after which `frames` frames are due; frames >= 1.
  std::int64_t samples_for(std::int64_t frames) const {
    return ceil_div((frames - 1) * kSampleRateHz * den_, num_) + lookahead_samples_;
  }

  // Where the encoder's columns are read for a frame: `column`, and `fraction` of the way to the
  // next one.
  struct ColumnPosition {
    std::int64_t column;
    float fraction;
  };
  ColumnPosition column_position(std::int64_t frame) const {
    const std::int64_t scaled = frame * den_ * kColumnRateHz;
    const std::int64_t column = floor_div(scaled, num_);
    return {column + lookahead_columns_,
            static_cast<float>(scaled - column * num_) / static_cast<float>(num_)};
  }

  // The last column that a frame needs.
  std::int64_t last_column(std::int64_t frame) const {
    return ceil_div(frame * den_ * kColumnRateHz, num_) + lookahead_columns_;
  }

  // Most columns that one frame needs beyond those of the frame before.
  std::int64_t most_columns_a_frame() const { return ceil_div(den_ * kColumnRateHz, num_); }

  // The first column centred no earlier than `microseconds` before the frame's instant.
  std::int64_t first_column_since(std::int64_t frame, std::int64_t microseconds) const {
    constexpr std::int64_t kColumnMicroseconds = 1000000 / kColumnRateHz;
    return ceil_div(frame * den_ * 1000000 - microseconds * num_, num_ * kColumnMicroseconds);
  }

  // Frames that fit in a time span, rounded down; never negative.
  std::int64_t frames_within(std::int64_t microseconds) const {
    return microseconds <= 0 ? 0 : floor_div(microseconds * num_, den_ * 1000000);
  }

  // Which of the spans of `span_ms` a frame falls into, and how far into it, 0 to 1.
  struct Span {
    std::int64_t index;
    double fraction;
  };
  Span span_of(std::int64_t frame, std::int64_t span_ms) const {
    const std::int64_t scaled = frame * den_ * 1000, whole = num_ * span_ms;
    const std::int64_t index = floor_div(scaled, whole);
    return {index, static_cast<double>(scaled - index * whole) / static_cast<double>(whole)};
  }

  // Upper bound of the frames that become due within any `samples` samples.
  std::int64_t most_frames_in(std::int64_t samples) const { return total_frames(samples) + 1; }

  double frame_seconds() const { return static_cast<double>(den_) / static_cast<double>(num_); }

 private:
  std::int64_t num_, den_, lookahead_columns_, lookahead_samples_;
};

}  // namespace dt
