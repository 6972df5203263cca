// Streaming log-mel: samples in any chunks -> the columns they complete. The state is the tail of
// the audio that the next window still needs.
#pragma once

#include <cstdint>
#include <vector>

#include "dt/log_mel.h"

namespace dt {

class LogMelStream {
 public:
  // `max_samples` bounds the samples of a push.
  LogMelStream(const LogMel& log_mel, std::int64_t max_samples);

  // Writes (columns, 80) to `mel` and (columns) to `level_db`, and returns the number of columns.
  std::int64_t push(const float* samples, std::int64_t count, float* mel, float* level_db);
  void reset();

  // The offset that the silence after this would have: 0 unless the newest samples are little else.
  float offset() const { return LogMel::offset(buffer_.data(), filled_); }

  static constexpr std::int64_t most_columns(std::int64_t samples) {
    return samples / LogMel::kHopSamples + 1;
  }

 private:
  const LogMel& log_mel_;
  std::vector<float> buffer_;  // from the start of the next column's window on
  std::int64_t filled_ = 0;
};

}  // namespace dt
