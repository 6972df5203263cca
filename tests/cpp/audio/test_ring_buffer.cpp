#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "audio/ring_buffer.h"
#include "random_model.h"

namespace dt {
namespace {

const auto accept_all = [](float) { return true; };

// Samples numbered from `first`; a number is never zero, so a filled gap shows.
std::vector<float> numbered(std::int64_t first, std::int64_t count) {
  std::vector<float> out;
  for (std::int64_t i = 0; i < count; ++i) {
    out.push_back(static_cast<float>(first + i + 1));
  }
  return out;
}

std::int64_t push(RingBuffer& ring, std::int64_t first, std::int64_t count) {
  return ring.push(numbered(first, count).data(), count, accept_all);
}

std::vector<float> read_all(RingBuffer& ring, std::int64_t at_once = 1000) {
  std::vector<float> out, part(static_cast<std::size_t>(at_once));
  for (std::int64_t n = 0; (n = ring.read(part.data(), at_once)) > 0;) {
    out.insert(out.end(), part.begin(), part.begin() + n);
  }
  return out;
}

TEST(RingBuffer, WrapsAround) {
  RingBuffer ring(7);
  std::int64_t written = 0;
  std::vector<float> heard;
  for (int i = 0; i < 50; ++i) {
    written += push(ring, written, i % 6);
    const std::vector<float> part = read_all(ring, 2);
    heard.insert(heard.end(), part.begin(), part.end());
  }
  EXPECT_EQ(heard, numbered(0, written));
  EXPECT_EQ(ring.dropped(), 0);
}

TEST(RingBuffer, FillsWhatItDroppedWithZeros) {
  RingBuffer ring(10);
  EXPECT_EQ(push(ring, 0, 25), 10);
  EXPECT_EQ(ring.dropped(), 15);
  EXPECT_EQ(push(ring, 25, 5), 0);  // still full
  EXPECT_EQ(ring.dropped(), 20);
  std::vector<float> expected = numbered(0, 10);
  // The gap was handed over with the first overflow; what was dropped since comes as another one
  // with the next push.
  expected.insert(expected.end(), 15, 0.0F);
  EXPECT_EQ(read_all(ring, 3), expected);
  EXPECT_EQ(ring.missing(), 5);
  EXPECT_EQ(push(ring, 30, 4), 4);
  EXPECT_EQ(ring.missing(), 0);
  expected.assign(5, 0.0F);
  const std::vector<float> rest = numbered(30, 4);
  expected.insert(expected.end(), rest.begin(), rest.end());
  EXPECT_EQ(read_all(ring, 3), expected);
}

TEST(RingBuffer, TurnsRefusedSamplesIntoZeros) {
  RingBuffer ring(10);
  const std::vector<float> in = {1.0F, 2.0F, 3.0F};
  EXPECT_EQ(ring.push(in.data(), 3, [](float x) { return x != 2.0F; }), 3);
  EXPECT_EQ(read_all(ring), (std::vector<float>{1.0F, 0.0F, 3.0F}));
}

TEST(RingBuffer, ResetEmptiesIt) {
  RingBuffer ring(4);
  push(ring, 0, 9);
  ring.reset();
  EXPECT_EQ(ring.dropped(), 0);
  EXPECT_EQ(ring.missing(), 0);
  EXPECT_TRUE(read_all(ring).empty());
  EXPECT_EQ(push(ring, 0, 4), 4);
  EXPECT_EQ(read_all(ring), numbered(0, 4));
}

// Any position holds the sample pushed for it or, if that was dropped, zero; nothing shifts.
TEST(RingBuffer, KeepsPositionsBetweenThreads) {
  constexpr std::int64_t kTotal = 100000;
  RingBuffer ring(300);
  std::atomic<bool> done{false};
  std::thread writer([&] {
    dt_test::Random random(3);
    for (std::int64_t at = 0; at < kTotal;) {
      const std::int64_t count = std::min<std::int64_t>(random.below(120), kTotal - at);
      push(ring, at, count);
      at += count;
    }
    done = true;
  });
  std::vector<float> heard, part(77);
  for (;;) {
    const bool last = done;
    const std::int64_t n = ring.read(part.data(), 77);
    heard.insert(heard.end(), part.begin(), part.begin() + n);
    if (n == 0 && last) {
      break;
    }
  }
  writer.join();
  ASSERT_EQ(static_cast<std::int64_t>(heard.size()) + ring.missing(), kTotal);
  std::int64_t zeros = ring.missing();
  for (std::size_t i = 0; i < heard.size(); ++i) {
    ASSERT_TRUE(heard[i] == 0.0F || heard[i] == static_cast<float>(i + 1)) << i;
    zeros += heard[i] == 0.0F ? 1 : 0;
  }
  EXPECT_EQ(zeros, ring.dropped());
}

}  // namespace
}  // namespace dt
