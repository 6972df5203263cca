// Audio between two threads: one pushes, one reads, neither ever waits for the other. Positions are
// absolute sample counts. When the ring is full the incoming samples are dropped and counted, and
// the reader finds as many zeros in their place, so that every later sample keeps its position.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace dt {

class RingBuffer {
 public:
  explicit RingBuffer(std::int64_t capacity_samples)
      : samples_(static_cast<std::size_t>(capacity_samples)) {}

  // The writer's side: stores what fits and returns its count; samples that `accept` turns down are
  // stored as zeros.
  template <typename Accept>
  std::int64_t push(const float* samples, std::int64_t count, const Accept& accept) {
    // While a gap waits to be published, what comes now lies behind it and cannot go in front.
    const std::int64_t taken = std::min(count, room());
    const std::int64_t written = written_.load(std::memory_order_relaxed);
    for (std::int64_t i = 0; i < taken; ++i) {
      samples_[slot(written + i)] = accept(samples[i]) ? samples[i] : 0.0F;
    }
    written_.store(written + taken, std::memory_order_release);
    if (taken < count) {
      missing_.fetch_add(count - taken, std::memory_order_release);
      dropped_.fetch_add(count - taken, std::memory_order_relaxed);
      publish_gap();
    }
    return taken;
  }

  // The writer's side: how many samples a push would take at once now.
  std::int64_t room() {
    publish_gap();
    return missing_.load(std::memory_order_relaxed) > 0
               ? 0
               : capacity() - (written_.load(std::memory_order_relaxed) -
                               read_.load(std::memory_order_acquire));
  }

  // The reader's side: up to `count` samples, zeros for a gap that has been reached.
  std::int64_t read(float* out, std::int64_t count) {
    const std::int64_t position = read_.load(std::memory_order_relaxed);
    // The written count first: who sees samples behind a gap then sees the gap.
    std::int64_t end = written_.load(std::memory_order_acquire);
    const std::int64_t gap = gap_samples_.load(std::memory_order_acquire);
    if (gap > 0) {
      if (position == gap_position_) {
        const std::int64_t zeros = std::min(gap, count);
        std::fill(out, out + zeros, 0.0F);
        gap_samples_.store(gap - zeros, std::memory_order_release);
        return zeros;
      }
      end = gap_position_;
    }
    const std::int64_t taken = std::min(count, end - position);
    for (std::int64_t i = 0; i < taken; ++i) {
      out[i] = samples_[slot(position + i)];
    }
    read_.store(position + taken, std::memory_order_release);
    return taken;
  }

  // The reader's side: samples that wait to be read, a gap's that has been reached included.
  std::int64_t waiting() const {
    return written_.load(std::memory_order_acquire) - read_.load(std::memory_order_relaxed) +
           gap_samples_.load(std::memory_order_acquire);
  }

  // Samples dropped whose zeros the reader has not been shown yet. Once the writer has ended and
  // read() gives nothing more, they are what is missing at the end.
  std::int64_t missing() const { return missing_.load(std::memory_order_acquire); }

  std::int64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }
  std::int64_t capacity() const { return static_cast<std::int64_t>(samples_.size()); }

  // With neither side at work.
  void reset() { written_ = read_ = gap_samples_ = missing_ = dropped_ = 0; }

 private:
  std::size_t slot(std::int64_t position) const {
    return static_cast<std::size_t>(position % capacity());
  }

  // Hands the missing samples to the reader as a gap at the present end, once it is done with the
  // gap before.
  void publish_gap() {
    const std::int64_t missing = missing_.load(std::memory_order_relaxed);
    if (missing > 0 && gap_samples_.load(std::memory_order_acquire) == 0) {
      gap_position_ = written_.load(std::memory_order_relaxed);
      missing_.store(0, std::memory_order_relaxed);
      gap_samples_.store(missing, std::memory_order_release);
    }
  }

  std::vector<float> samples_;
  // Stored samples only; the gaps lie between them. Writer and reader each on a line of their own.
  alignas(64) std::atomic<std::int64_t> written_{0};
  std::atomic<std::int64_t> missing_{0}, dropped_{0};
  alignas(64) std::atomic<std::int64_t> read_{0};
  alignas(64) std::atomic<std::int64_t> gap_samples_{0};
  std::int64_t gap_position_ = 0;  // belongs to whom gap_samples_ says: the reader while above 0
};

}  // namespace dt
