#include "audio/log_mel_stream.h"

#include <algorithm>
#include <cstring>

namespace dt {

LogMelStream::LogMelStream(const LogMel& log_mel, std::int64_t max_samples)
    : log_mel_(log_mel), buffer_(static_cast<std::size_t>(LogMel::kWindowSamples + max_samples)) {
  reset();
}

void LogMelStream::reset() {
  // Column 0 is centred on sample 0: the first half of its window is the silence before it.
  filled_ = LogMel::kWindowSamples - LogMel::kLookaheadSamples;
  std::fill(buffer_.begin(), buffer_.begin() + filled_, 0.0F);
}

std::int64_t LogMelStream::push(const float* samples, std::int64_t count, float* mel,
                                float* level_db) {
  std::copy(samples, samples + count, buffer_.begin() + filled_);
  filled_ += count;
  std::int64_t columns = 0, start = 0;
  for (; start + LogMel::kWindowSamples <= filled_; start += LogMel::kHopSamples) {
    level_db[columns] =
        log_mel_.column(&buffer_[static_cast<std::size_t>(start)], mel + columns * LogMel::kBands);
    ++columns;
  }
  filled_ -= start;
  std::memmove(buffer_.data(), buffer_.data() + start,
               static_cast<std::size_t>(filled_) * sizeof(float));
  return columns;
}

}  // namespace dt
