// Puts frames back in order and in time. A frame that depicts the local time t is let go at t +
// delay: frames that overtook each other within the delay come out in order, those that came twice
// or after their successors are dropped and counted. With delay 0 a frame passes at once.
//
// Bound: no frame waits longer than the delay after its arrival, whatever the clocks do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "dt/face/clock_map.h"
#include "dt/wire/wire.h"

namespace dt {

class JitterBuffer {
 public:
  enum class Fate { kTaken, kDuplicate, kLate };

  // A frame on its way out.
  struct Released {
    Frame frame;
    std::int64_t local_ns = 0;  // when to show it: not in the future, and strictly growing
    std::int64_t lost = 0;      // frames missing between the one before and this one
  };

  static constexpr std::size_t kCapacity = 512;
  // A frame this far off the map means that a clock was set or slept: the map starts again.
  static constexpr std::int64_t kJumpNs = 1'000'000'000;
  // So does a stream that was silent for this long.
  static constexpr std::int64_t kSilenceNs = 2'000'000'000;
  // 73 years: a sender's clock beyond it is nonsense, and sums with it could overflow.
  static constexpr std::int64_t kLatestNs = std::int64_t{1} << 61;

  JitterBuffer() { waiting_.reserve(kCapacity); }

  // The delay, from now on; at least 0.
  void set_delay_ns(std::int64_t delay_ns) { delay_ns_ = delay_ns > 0 ? delay_ns : 0; }

  // A new session of the sender: its sequence and clock have nothing to do with those before.
  // Frames that still wait are dropped; the local times given out go on growing.
  void start_session() {
    waiting_.clear();
    clock_.reset();
    newest_capture_ns_ = 0;
    started_ = false;
    recent_ = 0;
  }

  Fate push(Frame frame, std::int64_t arrival_ns) {
    if (frame.capture_ns > kLatestNs) frame.capture_ns = kLatestNs;
    if (!clock_.empty()) {
      const bool ahead = clock_.map(frame.capture_ns) - arrival_ns > kJumpNs;
      const bool back = frame.capture_ns < newest_capture_ns_ - kJumpNs;
      if (ahead || back || arrival_ns - heard_ns_ > kSilenceNs) {
        ++clock_resets_;
        clock_.reset();
        newest_capture_ns_ = 0;
        // The sender began again without saying so; its sequence would stay behind for ever.
        if (back && started_ && frame.sequence <= released_) start_session();
      }
    }
    heard_ns_ = arrival_ns;
    if (frame.capture_ns > newest_capture_ns_) newest_capture_ns_ = frame.capture_ns;
    clock_.note(frame.capture_ns, arrival_ns);

    if (started_ && frame.sequence <= released_) {
      return was_released(frame.sequence) ? Fate::kDuplicate : Fate::kLate;
    }
    std::size_t at = waiting_.size();
    while (at > 0 && waiting_[at - 1].frame.sequence > frame.sequence) --at;
    if (at > 0 && waiting_[at - 1].frame.sequence == frame.sequence) return Fate::kDuplicate;
    const std::int64_t mapped = clock_.map(frame.capture_ns);
    const std::int64_t due = (mapped < arrival_ns ? mapped : arrival_ns) + delay_ns_;
    waiting_.insert(waiting_.begin() + static_cast<std::ptrdiff_t>(at),
                    Waiting{std::move(frame), due});
    return Fate::kTaken;
  }

  // Lets go of the next frame if its time has come. A frame is never held back by one that is
  // missing; a full buffer lets go early.
  bool pop(std::int64_t now_ns, Released* out) {
    if (waiting_.empty()) return false;
    if (next_due_ns() > now_ns && waiting_.size() < kCapacity) return false;
    Waiting& first = waiting_.front();
    std::int64_t local = clock_.map(first.frame.capture_ns) + delay_ns_;
    if (local > now_ns) local = now_ns;
    // Live Link wants times that grow; a microsecond keeps even a burst in order.
    if (local < local_ns_ + 1000) local = local_ns_ + 1000;
    local_ns_ = local;

    out->local_ns = local;
    out->lost = started_ ? first.frame.sequence - released_ - 1 : 0;
    remember(first.frame.sequence);
    out->frame = std::move(first.frame);
    waiting_.erase(waiting_.begin());
    return true;
  }

  // When to show or play what was captured at `capture_ns`; false while no frame has come that says
  // how the clocks relate.
  bool local_time(std::int64_t capture_ns, std::int64_t* local_ns) const {
    if (clock_.empty()) return false;
    *local_ns = clock_.map(capture_ns < kLatestNs ? capture_ns : kLatestNs) + delay_ns_;
    return true;
  }

  // When the next frame is due, or a far time if none waits. A frame due early draws out those that
  // precede it.
  std::int64_t next_due_ns() const {
    std::int64_t due = INT64_MAX;
    for (const Waiting& entry : waiting_) due = entry.due_ns < due ? entry.due_ns : due;
    return due;
  }

  std::size_t waiting() const { return waiting_.size(); }
  std::int64_t clock_resets() const { return clock_resets_; }

 private:
  struct Waiting {
    Frame frame;
    std::int64_t due_ns;
  };

  bool was_released(std::int64_t sequence) const {
    const std::int64_t back = released_ - sequence;
    return back < 64 && ((recent_ >> back) & 1) != 0;
  }

  void remember(std::int64_t sequence) {
    const std::int64_t forward = started_ ? sequence - released_ : 64;
    recent_ = forward < 64 ? (recent_ << forward) | 1 : 1;
    released_ = sequence;
    started_ = true;
  }

  ClockMap clock_;
  std::vector<Waiting> waiting_;  // by sequence
  std::int64_t delay_ns_ = 0;
  bool started_ = false;
  std::int64_t released_ = 0;  // sequence of the last frame let go
  std::uint64_t recent_ = 0;   // bit b: sequence released_ - b was let go
  std::int64_t heard_ns_ = 0;
  std::int64_t newest_capture_ns_ = 0;
  std::int64_t local_ns_ = 0;
  std::int64_t clock_resets_ = 0;
};

}  // namespace dt
