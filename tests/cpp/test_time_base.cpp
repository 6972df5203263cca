#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

#include "dt/time_base.h"

namespace dt {
namespace {

TEST(TimeBase, RoundsTowardsTheNamedSide) {
  EXPECT_EQ(floor_div(7, 2), 3);
  EXPECT_EQ(floor_div(-7, 2), -4);
  EXPECT_EQ(floor_div(-8, 2), -4);
  EXPECT_EQ(ceil_div(7, 2), 4);
  EXPECT_EQ(ceil_div(-7, 2), -3);
  EXPECT_EQ(ceil_div(8, 2), 4);
}

TEST(TimeBase, LooksAheadAsFarAsTheWorstFrame) {
  EXPECT_EQ(TimeBase(60, 1, 4).lookahead_samples(), 4 * 160 + 200 + 107);
  EXPECT_EQ(TimeBase(25, 1, 4).lookahead_samples(), 840);  // every frame on a column
  EXPECT_EQ(TimeBase(50, 1, 0).lookahead_samples(), 200);
  EXPECT_EQ(TimeBase(30, 1, 4).lookahead_samples(), 840 + 107);
  EXPECT_EQ(TimeBase(30000, 1001, 4).lookahead_samples(), 840 + 160);
}

// Every claim against the plain definition, over rates that divide nothing evenly.
TEST(TimeBase, AgreesWithTheDefinition) {
  const std::int64_t rates[][2] = {{60, 1}, {25, 1}, {30000, 1001}, {24, 1},
                                   {90, 1}, {1, 1},  {7, 3}};
  for (const auto& rate : rates) {
    const std::int64_t num = rate[0], den = rate[1];
    const TimeBase time(num, den, 4);
    std::int64_t worst = 0;
    for (std::int64_t f = 0; f < 3000; ++f) {
      const TimeBase::ColumnPosition at = time.column_position(f);
      ASSERT_GE(at.fraction, 0.0F);
      ASSERT_LT(at.fraction, 1.0F);
      ASSERT_NEAR(static_cast<double>(at.column) + static_cast<double>(at.fraction),
                  static_cast<double>(100 * f * den) / static_cast<double>(num) + 4.0,
                  1e-6 * static_cast<double>(f + 1));
      ASSERT_EQ(time.last_column(f), at.column + (at.fraction > 0.0F ? 1 : 0));

      // Due exactly at its instant plus the look-ahead, not a sample earlier.
      const std::int64_t first = time.samples_for(f + 1);
      ASSERT_EQ(time.due_frames(first), f + 1);
      ASSERT_EQ(time.due_frames(first - 1), f);
      // By then its last column is complete, and for the worst frame not much earlier.
      const std::int64_t complete = 160 * time.last_column(f) + 200;
      ASSERT_LE(complete, first);
      worst = std::max(worst, complete * num - f * 16000 * den);

      // first_column_since: the first column m with m / 100 >= f den / num - 0.02.
      const std::int64_t m = time.first_column_since(f, 20000);
      ASSERT_GE(m * num, 100 * f * den - 2 * num);
      ASSERT_LT((m - 1) * num, 100 * f * den - 2 * num);
    }
    ASSERT_EQ(ceil_div(worst, num), time.lookahead_samples()) << num << "/" << den;
  }
}

TEST(TimeBase, CountsTheFramesOfARecording) {
  const TimeBase time(60, 1, 4);
  EXPECT_EQ(time.total_frames(0), 0);
  EXPECT_EQ(time.total_frames(1), 1);
  EXPECT_EQ(time.total_frames(266), 1);
  EXPECT_EQ(time.total_frames(267), 2);
  EXPECT_EQ(time.total_frames(16000), 60);
  EXPECT_EQ(time.due_frames(946), 0);
  EXPECT_EQ(time.due_frames(947), 1);
  EXPECT_EQ(time.frames_within(60000), 3);
  EXPECT_EQ(time.frames_within(0), 0);
}

TEST(TimeBase, StaysExactForYears) {
  const TimeBase time(60000, 1001, 4);
  const std::int64_t samples = 16000LL * 86400 * 365 * 3;
  const std::int64_t frames = time.due_frames(samples);
  EXPECT_LE(time.samples_for(frames), samples);
  EXPECT_GT(time.samples_for(frames + 1), samples);
}

TEST(TimeBase, BoundsTheFramesOfABlock) {
  const TimeBase time(30000, 1001, 4);
  for (std::int64_t at = 0; at < 5000; at += 7) {
    for (const std::int64_t count : {1, 500, 534, 16000}) {
      ASSERT_LE(time.due_frames(at + count) - time.due_frames(at), time.most_frames_in(count));
    }
  }
}

}  // namespace
}  // namespace dt
