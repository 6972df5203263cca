#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "dt/face/clock_map.h"
#include "dt/face/jitter_buffer.h"

namespace {

using dt::ClockMap;
using dt::JitterBuffer;
using Fate = JitterBuffer::Fate;

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kSecond = 1000 * kMs;

dt::Frame frame(std::int64_t sequence, std::int64_t capture_ns) {
  dt::Frame out;
  out.sequence = out.index = sequence;
  out.capture_ns = capture_ns;
  out.values = {static_cast<float>(sequence)};
  return out;
}

std::vector<std::int64_t> pop_all(JitterBuffer* buffer, std::int64_t now_ns) {
  std::vector<std::int64_t> out;
  JitterBuffer::Released released;
  while (buffer->pop(now_ns, &released)) out.push_back(released.frame.sequence);
  return out;
}

TEST(ClockMapTest, FollowsTheLeastDelay) {
  ClockMap map;
  EXPECT_TRUE(map.empty());
  map.note(0, 100 * kMs);
  EXPECT_EQ(map.map(0), 100 * kMs);
  map.note(10 * kMs, 60 * kMs);  // young: jumps
  EXPECT_EQ(map.map(10 * kMs), 60 * kMs);
  map.note(20 * kMs, 300 * kMs);  // later arrivals change nothing yet
  EXPECT_EQ(map.map(20 * kMs), 70 * kMs);
  map.note(370 * kMs, 400 * kMs);  // grown up: moves by a tenth of the time passed
  EXPECT_EQ(map.map(370 * kMs), 410 * kMs);
}

TEST(ClockMapTest, FollowsARouteThatGrewSlower) {
  ClockMap map;
  std::int64_t at = 0;
  for (; at < 15 * kSecond; at += 10 * kMs) map.note(at, at + 20 * kMs);
  EXPECT_EQ(map.map(at) - at, 20 * kMs);
  for (; at < 40 * kSecond; at += 10 * kMs) map.note(at, at + 50 * kMs);
  EXPECT_EQ(map.map(at) - at, 50 * kMs);
  map.note(at + 100 * kSecond, at + 100 * kSecond + 60 * kMs);  // a gap longer than the window
  EXPECT_EQ(map.map(at) - at, 51 * kMs + 9 * kMs);
}

TEST(JitterBufferTest, TellsWhenToPlayWhatWasCaptured) {
  JitterBuffer buffer;
  std::int64_t local_ns = 0;
  EXPECT_FALSE(buffer.local_time(5 * kMs, &local_ns)) << "nothing says how the clocks relate";
  buffer.set_delay_ns(100 * kMs);
  buffer.push(frame(0, 40 * kMs), 1000 * kMs);
  ASSERT_TRUE(buffer.local_time(60 * kMs, &local_ns));
  EXPECT_EQ(local_ns, 1120 * kMs);
  ASSERT_TRUE(buffer.local_time(INT64_MAX, &local_ns));
  EXPECT_GT(local_ns, JitterBuffer::kLatestNs);
  buffer.start_session();
  EXPECT_FALSE(buffer.local_time(60 * kMs, &local_ns));
}

TEST(JitterBufferTest, PassesAtOnceWithoutDelay) {
  JitterBuffer buffer;
  JitterBuffer::Released out;
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(buffer.push(frame(i, i * 16 * kMs), kSecond + i * 16 * kMs), Fate::kTaken);
    ASSERT_TRUE(buffer.pop(kSecond + i * 16 * kMs, &out));
    EXPECT_EQ(out.frame.sequence, i);
    EXPECT_EQ(out.local_ns, kSecond + i * 16 * kMs);
    EXPECT_EQ(out.lost, 0);
  }
}

TEST(JitterBufferTest, OrdersWithinTheDelay) {
  JitterBuffer buffer;
  buffer.set_delay_ns(50 * kMs);
  EXPECT_EQ(buffer.push(frame(10, 0), kSecond), Fate::kTaken);
  EXPECT_EQ(buffer.push(frame(12, 32 * kMs), kSecond + 32 * kMs), Fate::kTaken);
  EXPECT_EQ(buffer.push(frame(11, 16 * kMs), kSecond + 33 * kMs), Fate::kTaken);
  EXPECT_EQ(buffer.push(frame(12, 32 * kMs), kSecond + 34 * kMs), Fate::kDuplicate);
  EXPECT_EQ(buffer.next_due_ns(), kSecond + 50 * kMs);
  EXPECT_EQ(pop_all(&buffer, kSecond + 49 * kMs), std::vector<std::int64_t>{});
  EXPECT_EQ(pop_all(&buffer, kSecond + 50 * kMs), std::vector<std::int64_t>{10});
  EXPECT_EQ(pop_all(&buffer, kSecond + 90 * kMs), (std::vector<std::int64_t>{11, 12}));
  EXPECT_EQ(buffer.next_due_ns(), INT64_MAX);
}

TEST(JitterBufferTest, TellsLateFromDuplicate) {
  JitterBuffer buffer;
  buffer.push(frame(5, 0), kSecond);
  buffer.push(frame(8, 48 * kMs), kSecond + 48 * kMs);
  JitterBuffer::Released out;
  ASSERT_TRUE(buffer.pop(kSecond + 48 * kMs, &out));
  ASSERT_TRUE(buffer.pop(kSecond + 48 * kMs, &out));
  EXPECT_EQ(out.lost, 2);
  EXPECT_EQ(buffer.push(frame(6, 16 * kMs), kSecond + 49 * kMs), Fate::kLate);
  EXPECT_EQ(buffer.push(frame(5, 0), kSecond + 49 * kMs), Fate::kDuplicate);
  EXPECT_EQ(buffer.push(frame(8, 48 * kMs), kSecond + 49 * kMs), Fate::kDuplicate);
}

TEST(JitterBufferTest, StartsAgainWithANewSessionButTimeGrows) {
  JitterBuffer buffer;
  JitterBuffer::Released out;
  buffer.push(frame(900, 70 * kSecond), kSecond);
  ASSERT_TRUE(buffer.pop(kSecond, &out));
  const std::int64_t before = out.local_ns;
  buffer.start_session();
  EXPECT_EQ(buffer.push(frame(0, 3 * kSecond), kSecond), Fate::kTaken);
  ASSERT_TRUE(buffer.pop(kSecond, &out));
  EXPECT_GT(out.local_ns, before);
  EXPECT_EQ(out.lost, 0);
}

TEST(JitterBufferTest, StartsTheClockAgainAfterSilenceAndJumps) {
  JitterBuffer buffer;
  JitterBuffer::Released out;
  buffer.push(frame(0, 0), kSecond);
  ASSERT_TRUE(buffer.pop(kSecond, &out));
  // Silent for 3 s while the sender's clock stood still.
  buffer.push(frame(1, 16 * kMs), 4 * kSecond);
  ASSERT_TRUE(buffer.pop(4 * kSecond, &out));
  EXPECT_EQ(out.local_ns, 4 * kSecond);
  EXPECT_EQ(buffer.clock_resets(), 1);
  // The sender's clock leaps ahead by an hour.
  buffer.push(frame(2, 3600 * kSecond), 4 * kSecond + 16 * kMs);
  ASSERT_TRUE(buffer.pop(4 * kSecond + 16 * kMs, &out));
  EXPECT_EQ(out.local_ns, 4 * kSecond + 16 * kMs);
  EXPECT_EQ(buffer.clock_resets(), 2);
  // And back, its sequence with it.
  EXPECT_EQ(buffer.push(frame(0, 10 * kSecond), 4 * kSecond + 32 * kMs), Fate::kTaken);
  ASSERT_TRUE(buffer.pop(4 * kSecond + 32 * kMs, &out));
  EXPECT_EQ(out.frame.sequence, 0);
  EXPECT_EQ(buffer.clock_resets(), 3);
}

TEST(JitterBufferTest, StandsAbsurdNumbers) {
  JitterBuffer buffer;
  JitterBuffer::Released out;
  buffer.push(frame(0, 0), kSecond);
  buffer.push(frame(INT64_MAX, INT64_MAX), kSecond);
  buffer.push(frame(INT64_MAX - 1, 0), kSecond);
  std::int64_t last = 0;
  while (buffer.pop(kSecond, &out)) {
    EXPECT_GT(out.local_ns, last);
    last = out.local_ns;
  }
  EXPECT_EQ(buffer.waiting(), 0u);
}

TEST(JitterBufferTest, IsBounded) {
  JitterBuffer buffer;
  buffer.set_delay_ns(kSecond);
  JitterBuffer::Released out;
  std::size_t most = 0;
  for (int i = 0; i < 2000; ++i) {
    buffer.push(frame(i, i * 10'000), kSecond + i * 10'000);
    while (buffer.pop(kSecond + i * 10'000, &out)) {
    }
    most = std::max(most, buffer.waiting());
  }
  EXPECT_EQ(most, JitterBuffer::kCapacity - 1);
}

// A bad link: delay spread over 0 to 80 ms, 2 % of the frames lost, 1 % sent twice, 5 % held back
// so that others overtake them, the sender's clock 50 ppm fast. What comes out must be in order, in
// time and never later than the bound.
TEST(JitterBufferTest, SimulatedLink) {
  constexpr std::int64_t kDelayNs = 100 * kMs;
  constexpr std::int64_t kFrameNs = kSecond / 60;
  constexpr std::int64_t kBaseNs = 3 * kMs;
  constexpr int kFrames = 60 * 600;
  for (const double drift : {50e-6, -50e-6}) {
    std::mt19937_64 random(11);
    std::uniform_real_distribution<double> uniform(0.0, 1.0);
    struct Arrival {
      std::int64_t at_ns;
      std::int64_t sequence;
    };
    std::vector<Arrival> arrivals;
    const std::int64_t start_ns = 5000 * kSecond;
    // True local time at which frame i was captured, and what the sender's clock said.
    const auto captured = [&](std::int64_t i) { return start_ns + i * kFrameNs; };
    const auto sender = [&](std::int64_t i) {
      return 77 * kSecond +
             static_cast<std::int64_t>(static_cast<double>(i * kFrameNs) * (1.0 + drift));
    };
    int sent = 0;
    for (int i = 0; i < kFrames; ++i) {
      if (uniform(random) < 0.02) continue;
      ++sent;
      const bool held = uniform(random) < 0.05;
      const int copies = uniform(random) < 0.01 ? 2 : 1;
      for (int copy = 0; copy < copies; ++copy) {
        // A held frame takes the worst of the jitter, so that up to five others overtake it.
        const double jitter = held ? 0.9 + 0.1 * uniform(random) : uniform(random);
        arrivals.push_back(
            {captured(i) + kBaseNs + static_cast<std::int64_t>(jitter * 80 * kMs), i});
      }
    }
    std::stable_sort(arrivals.begin(), arrivals.end(),
                     [](const Arrival& a, const Arrival& b) { return a.at_ns < b.at_ns; });

    JitterBuffer buffer;
    buffer.set_delay_ns(kDelayNs);
    std::vector<double> stamp_error_ms, release_error_ms;
    std::vector<std::int64_t> arrived(kFrames, -1);
    std::int64_t last_local = 0, last_sequence = -1;
    int late = 0, duplicates = 0, released = 0;
    double worst_hold_ms = 0.0;
    std::size_t next = 0;
    // The receiving thread wakes every millisecond, as a poll with a timeout does.
    for (std::int64_t now = start_ns; now < captured(kFrames) + kSecond; now += kMs) {
      for (; next < arrivals.size() && arrivals[next].at_ns <= now; ++next) {
        const std::int64_t sequence = arrivals[next].sequence;
        const Fate fate = buffer.push(frame(sequence, sender(sequence)), now);
        late += fate == Fate::kLate;
        duplicates += fate == Fate::kDuplicate;
        if (fate == Fate::kTaken) arrived[static_cast<std::size_t>(sequence)] = now;
      }
      JitterBuffer::Released out;
      while (buffer.pop(now, &out)) {
        const std::int64_t sequence = out.frame.sequence;
        ASSERT_GT(sequence, last_sequence);
        ASSERT_GT(out.local_ns, last_local);
        ASSERT_LE(out.local_ns, now);
        last_sequence = sequence;
        last_local = out.local_ns;
        ++released;
        const std::int64_t ideal = captured(sequence) + kBaseNs + kDelayNs;
        stamp_error_ms.push_back(std::abs(static_cast<double>(out.local_ns - ideal)) / kMs);
        release_error_ms.push_back(std::abs(static_cast<double>(now - ideal)) / kMs);
        const std::int64_t held = now - arrived[static_cast<std::size_t>(sequence)];
        worst_hold_ms = std::max(worst_hold_ms, static_cast<double>(held) / kMs);
      }
    }
    const auto p99 = [](std::vector<double>& values) {
      std::sort(values.begin(), values.end());
      return values[values.size() * 99 / 100];
    };
    const double stamp_p99 = p99(stamp_error_ms);
    const double release_p99 = p99(release_error_ms);
    std::printf(
        "drift %+.0f ppm: %d sent, %d released, %d late, %d duplicates; error p99 %.2f ms "
        "(stamp), %.2f ms (release), longest hold %.1f ms\n",
        drift * 1e6, sent, released, late, duplicates, stamp_p99, release_p99, worst_hold_ms);
    EXPECT_EQ(released + late, sent);
    EXPECT_LT(late, sent / 1000);
    EXPECT_GT(duplicates, 0);
    EXPECT_LT(stamp_p99, 10.0);
    EXPECT_LT(release_p99, 10.0);
    EXPECT_LE(worst_hold_ms, static_cast<double>(kDelayNs) / kMs + 1.0);
  }
}

}  // namespace
