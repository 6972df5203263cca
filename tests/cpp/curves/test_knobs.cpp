// Knobs: neutral ones change nothing, and a turn shows from the next frame on.
#include "curves/knobs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "allocations.h"
#include "random_model.h"

namespace dt {
namespace {

using dt_test::Random;

constexpr std::int64_t kWidth = 5, kCurves = 4;
constexpr double kFrameSeconds = 1.0 / 60.0;
const std::vector<float> kOnes(kWidth, 1.0F), kZeros(kWidth, 0.0F);

std::vector<float> some_frames(std::int64_t frames) {
  return Random(2).vector(frames * kWidth, 1.5F);
}

TEST(Knobs, NeutralOnesChangeNoBit) {
  const std::vector<float> frames = some_frames(40);
  Knobs knobs(kWidth, kCurves, kFrameSeconds);
  std::vector<float> got = frames;
  knobs.push(40, got.data());
  EXPECT_EQ(got, frames);
  knobs.set(kOnes.data(), kZeros.data(), 0.0);
  knobs.push(40, got.data());
  EXPECT_EQ(got, frames);
}

TEST(Knobs, GainThenOffsetThenLimits) {
  Knobs knobs(kWidth, kCurves, kFrameSeconds);
  const std::vector<float> gain = {2.0F, 1.0F, 0.5F, 1.0F, 2.0F};
  const std::vector<float> offset = {0.0F, 0.25F, 0.0F, 0.0F, -1.0F};
  knobs.set(gain.data(), offset.data(), 0.0);
  std::vector<float> got = {0.75F, 0.5F, -3.0F, -3.0F, -3.0F};
  knobs.push(1, got.data());
  // What is not turned keeps even a value beyond the limits; rotations have none.
  EXPECT_EQ(got, (std::vector<float>{1.0F, 0.75F, 0.0F, -3.0F, -7.0F}));
}

TEST(Knobs, ATurnShowsFromTheNextFrameOnHoweverFramesAreCut) {
  const std::vector<float> frames = some_frames(300), gain(kWidth, 0.5F), offset(kWidth, 0.1F);
  std::vector<float> whole;
  for (const std::int64_t most : {0, 1, 7, 100}) {
    Random random(4);
    Knobs knobs(kWidth, kCurves, kFrameSeconds);
    std::vector<float> got = frames;
    for (std::int64_t done = 0; done < 300;) {
      // Turned at frames 100 and 200 alike.
      const std::int64_t stop = (done / 100 + 1) * 100;
      const std::int64_t count =
          most == 0 ? stop - done : std::min(random.below(most + 1), stop - done);
      knobs.push(count, got.data() + done * kWidth);
      done += count;
      if (done == 100) {
        knobs.set(gain.data(), offset.data(), 0.0);
      } else if (done == 200) {
        knobs.set(kOnes.data(), offset.data(), 50.0);
      }
    }
    whole = whole.empty() ? got : whole;
    EXPECT_EQ(got, whole) << "up to " << most;
  }
  EXPECT_TRUE(std::equal(whole.begin(), whole.begin() + 100 * kWidth, frames.begin()));
  EXPECT_FLOAT_EQ(whole[101 * kWidth - 1 + kWidth],
                  0.5F * frames[101 * kWidth - 1 + kWidth] + 0.1F);
}

TEST(Knobs, SmoothingHasItsTimeConstantAndGoesOnFromTheLastFrame) {
  Knobs knobs(1, 1, kFrameSeconds);
  const float one = 1.0F, zero = 0.0F;
  std::vector<float> first = {0.0F, 0.0F};
  knobs.push(2, first.data());
  knobs.set(&one, &zero, 100.0);
  std::vector<float> step(6, 1.0F);  // 100 ms
  knobs.push(6, step.data());
  EXPECT_NEAR(step.back(), 1.0 - std::exp(-1.0), 1e-5);
  knobs.reset();
  std::vector<float> fresh(1, 1.0F);
  knobs.push(1, fresh.data());  // nothing before it
  EXPECT_EQ(fresh[0], 1.0F);
}

TEST(Knobs, AllocatesNothing) {
  std::vector<float> frames = some_frames(100);
  Knobs knobs(kWidth, kCurves, kFrameSeconds);
  const std::int64_t before = dt_test::allocations();
  knobs.set(frames.data(), frames.data(), 20.0);
  knobs.push(100, frames.data());
  knobs.reset();
  EXPECT_EQ(dt_test::allocations(), before);
}

}  // namespace
}  // namespace dt
