// Maps the sender's monotonic clock to the local one. Both count nanoseconds from an unknown start
// and drift by some millionths; what is seen is the arrival of each frame, late by the look-ahead,
// the computing and a delay that varies. The least (arrival - capture) of the last seconds is the
// delay's constant part plus the clocks' offset; the map follows it slowly, so that mapped time
// never jumps.
#pragma once

#include <array>
#include <cstdint>

namespace dt {

class ClockMap {
 public:
  static constexpr std::int64_t kBucketNs = 500'000'000;
  static constexpr int kBuckets = 20;  // the window: 10 s
  // While this young, the map jumps to each new minimum: nobody has settled on it yet.
  static constexpr std::int64_t kYoungNs = 250'000'000;
  // Afterwards it moves by at most this fraction of the time that passed. The way down is fast,
  // because only a new minimum calls for it; the way up follows drift or a slower route.
  static constexpr std::int64_t kDownDivisor = 10;
  static constexpr std::int64_t kUpDivisor = 100;

  void reset() { *this = ClockMap(); }
  bool empty() const { return empty_; }

  // Takes note of a frame captured at `capture_ns` on the sender's clock that arrived at
  // `arrival_ns` on the local one. Arrivals must not go back.
  void note(std::int64_t capture_ns, std::int64_t arrival_ns) {
    const std::int64_t seen = arrival_ns - capture_ns;
    if (empty_) {
      empty_ = false;
      offset_ns_ = seen;
      first_ns_ = last_ns_ = bucket_ns_ = arrival_ns;
      least_.fill(seen);
      return;
    }
    for (int i = 0; arrival_ns - bucket_ns_ >= kBucketNs && i < kBuckets; ++i) {
      bucket_ns_ += kBucketNs;
      at_ = (at_ + 1) % kBuckets;
      least_[at_] = seen;
    }
    // After a gap longer than the window there is nothing to catch up with.
    if (arrival_ns - bucket_ns_ >= kBucketNs) bucket_ns_ = arrival_ns;
    if (seen < least_[at_]) least_[at_] = seen;

    std::int64_t least = seen;
    for (const std::int64_t value : least_) least = value < least ? value : least;
    const std::int64_t passed = arrival_ns - last_ns_;
    last_ns_ = arrival_ns;
    if (least < offset_ns_) {
      const std::int64_t reach = offset_ns_ - passed / kDownDivisor;
      offset_ns_ = arrival_ns - first_ns_ < kYoungNs || least > reach ? least : reach;
    } else {
      const std::int64_t reach = offset_ns_ + passed / kUpDivisor;
      offset_ns_ = least < reach ? least : reach;
    }
  }

  // The local time that belongs to a time of the sender.
  std::int64_t map(std::int64_t sender_ns) const { return sender_ns + offset_ns_; }

 private:
  bool empty_ = true;
  std::int64_t offset_ns_ = 0;
  std::int64_t first_ns_ = 0;
  std::int64_t last_ns_ = 0;
  std::int64_t bucket_ns_ = 0;  // when the newest bucket began
  int at_ = 0;
  std::array<std::int64_t, kBuckets> least_{};
};

}  // namespace dt
