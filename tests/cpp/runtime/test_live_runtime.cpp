#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "allocations.h"
#include "dt/live_runtime.h"
#include "dt/model.h"
#include "dt/runtime.h"
#include "random_model.h"

namespace dt {
namespace {

using dt_test::RandomModel;
using dt_test::run;
using dt_test::speech_like;

constexpr std::int64_t kCurves = 52;
constexpr auto kPatience = std::chrono::seconds(60);

// Takes frames until everything is out; their indices must follow each other from `next` on.
std::vector<float> drain(LiveRuntime& live, std::int64_t next = 0) {
  std::vector<float> frames, part(7 * kCurves);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!live.finished() && std::chrono::steady_clock::now() < deadline) {
    live.wait(0.1);
    const LiveRuntime::Batch batch = live.take(7, part.data());
    EXPECT_EQ(batch.first_frame, next);
    next += batch.count;
    frames.insert(frames.end(), part.begin(), part.begin() + batch.count * kCurves);
  }
  EXPECT_TRUE(live.finished());
  return frames;
}

// Waits until the worker has taken all samples up to `position`.
void wait_for_position(const LiveRuntime& live, std::int64_t position) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (live.position_samples() < position && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ASSERT_EQ(live.position_samples(), position);
}

class Live : public testing::Test {
 protected:
  std::shared_ptr<const Model> model_ = RandomModel::small().build();
  std::vector<float> audio_ = speech_like(32000);
  Runtime runtime_{model_, 3, kAutoIdentity};
};

TEST_F(Live, GivesTheFramesOfStep) {
  const std::vector<float> whole = run(runtime_, kCurves, audio_);
  LiveRuntime live(model_, 3, kAutoIdentity);
  for (int round = 0; round < 2; ++round) {
    std::thread microphone([&] {
      for (std::int64_t at = 0; at < 32000; at += 160) {
        EXPECT_EQ(live.push(audio_.data() + at, 160), 160);
        if (at % 1600 == 0) {
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
      }
      live.finish();
    });
    EXPECT_EQ(drain(live), whole);
    microphone.join();
    EXPECT_EQ(live.position_samples(), 32000);
    EXPECT_EQ(live.frames(), 120);
    EXPECT_EQ(live.dropped_samples() + live.dropped_frames() + live.invalid_samples(), 0);
    EXPECT_EQ(live.identity(), runtime_.identity());
    EXPECT_EQ(live.push(audio_.data(), 160), 0);
    live.reset();
    EXPECT_EQ(live.position_samples(), 0);
    EXPECT_FALSE(live.finished());
  }
}

TEST_F(Live, FillsDroppedSamplesWithSilence) {
  LiveRuntime live(model_, 3, kAutoIdentity, "cpu", 10000);
  EXPECT_EQ(live.push(audio_.data(), 16000), 10000);
  EXPECT_EQ(live.dropped_samples(), 6000);
  wait_for_position(live, 16000);
  for (std::int64_t at = 16000; at < 32000; at += 8000) {
    EXPECT_EQ(live.push(audio_.data() + at, 8000), 8000);
    wait_for_position(live, at + 8000);
  }
  live.finish();
  std::fill(audio_.begin() + 10000, audio_.begin() + 16000, 0.0F);
  EXPECT_EQ(drain(live), run(runtime_, kCurves, audio_));
}

TEST_F(Live, SaysWhatAPushWouldTake) {
  LiveRuntime live(model_, 3, kAutoIdentity, "cpu", 10000);
  EXPECT_EQ(live.ring_capacity_samples(), 10000);
  for (std::int64_t at = 0; at < 32000;) {
    // Only the worker changes it meanwhile, and it makes more room.
    const std::int64_t count = std::min<std::int64_t>(live.room(), 32000 - at);
    ASSERT_LE(count, 10000);
    ASSERT_EQ(live.push(audio_.data() + at, count), count);
    at += count;
  }
  live.finish();
  EXPECT_EQ(drain(live), run(runtime_, kCurves, audio_));
  EXPECT_EQ(live.dropped_samples(), 0);
}

TEST_F(Live, CountsTheAudioDroppedAtTheEnd) {
  LiveRuntime live(model_, 3, 0, "cpu", 100);
  EXPECT_EQ(live.push(audio_.data(), 8000), 100);
  live.push(audio_.data(), 8000);
  live.finish();
  EXPECT_EQ(static_cast<std::int64_t>(drain(live).size()), 60 * kCurves);
  EXPECT_EQ(live.position_samples(), 16000);
}

TEST_F(Live, KeepsTheNewestFrames) {
  const std::vector<float> whole = run(runtime_, kCurves, audio_);
  LiveRuntime live(model_, 3, kAutoIdentity, "cpu", 64000, 10);
  live.push(audio_.data(), 32000);
  live.finish();
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (live.frames() < 120 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  live.stop();  // the worker is done: its last frames are in the queue
  EXPECT_EQ(live.dropped_frames(), 110);
  EXPECT_FALSE(live.finished());
  EXPECT_EQ(drain(live, 110), std::vector<float>(whole.begin() + 110 * kCurves, whole.end()));
}

TEST_F(Live, TurnsInvalidSamplesIntoSilence) {
  LiveRuntime live(model_, 3, kAutoIdentity);
  std::vector<float> bad = audio_;
  for (std::size_t i = 5000; i < 5100; ++i) {
    bad[i] = i % 2 == 0 ? NAN : INFINITY;
    audio_[i] = 0.0F;
  }
  EXPECT_EQ(live.push(bad.data(), 32000), 32000);
  live.finish();
  EXPECT_EQ(drain(live), run(runtime_, kCurves, audio_));
  EXPECT_EQ(live.invalid_samples(), 100);
}

TEST_F(Live, StopsInAnyState) {
  for (int state = 0; state < 12; ++state) {
    LiveRuntime live(model_, 3, kAutoIdentity);
    if (state % 3 > 0) {
      live.push(audio_.data(), state % 3 == 1 ? 500 : 32000);
    }
    if (state % 4 > 1) {
      live.finish();
    }
    if (state % 2 == 1) {
      live.stop();
      live.stop();
      EXPECT_EQ(live.push(audio_.data(), 100), 0);
      EXPECT_GE(live.wait(0.0), 0);
    }
    if (state > 8) {
      live.reset();
      live.push(audio_.data(), 500);
    }
  }  // the destructor joins
}

TEST_F(Live, ADoneStreamKeepsNobodyWaiting) {
  LiveRuntime live(model_, 3, 0);
  live.finish();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(live.wait(60.0), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
  EXPECT_TRUE(live.finished());
}

TEST_F(Live, PushAllocatesNothing) {
  LiveRuntime live(model_, 3, 0, "cpu", 2000);
  const std::int64_t before = dt_test::allocations();
  for (int i = 0; i < 20; ++i) {
    live.push(audio_.data() + i * 1600, 1600);
  }
  EXPECT_EQ(dt_test::allocations(), before);
}

TEST_F(Live, RefusesSizesBelowOne) {
  EXPECT_THROW(LiveRuntime(model_, 3, 0, "cpu", 0, 10), std::invalid_argument);
  EXPECT_THROW(LiveRuntime(model_, 3, 0, "cpu", 10, 0), std::invalid_argument);
  EXPECT_THROW(LiveRuntime(model_, 3, 9), std::invalid_argument);
}

}  // namespace
}  // namespace dt
