#include "features/ticks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "dt/log_mel.h"
#include "dt/time_base.h"
#include "features/alignment.h"
#include "random_model.h"

namespace {

struct Seen {
  std::int64_t first, columns;  // by the number that stands in each column
  bool frame, voiced;
  float share;
  bool operator==(const Seen& o) const {
    return first == o.first && columns == o.columns && frame == o.frame && voiced == o.voiced &&
           share == o.share;
  }
};

struct Rate {
  std::int64_t num, den, lookahead;
};

constexpr double kLookbackMs = 50.0;
constexpr std::int64_t kSeconds = 4;

class Ticks : public testing::TestWithParam<Rate> {
 protected:
  Ticks() {
    dt_test::Random random(3);
    for (std::int64_t c = 0; c < 100 * kSeconds; ++c) {
      mel_.insert(mel_.end(), dt::LogMel::kBands, static_cast<float>(c));
      voiced_[c] = random.below(9) == 0;
    }
  }

  // The ticks of the recording in chunks of at most `most` samples.
  std::vector<Seen> run(dt::Ticks& ticks, std::int64_t most, std::uint32_t seed) {
    dt_test::Random random(seed);
    std::vector<Seen> seen;
    std::int64_t position = 0, column = 0;
    while (position < 16000 * kSeconds) {
      const std::int64_t count = std::min(random.below(most + 1), 16000 * kSeconds - position);
      position += count;
      const std::int64_t known =
          position < 200 ? 0 : std::min<std::int64_t>((position - 200) / 160 + 1, 100 * kSeconds);
      ticks.push(&mel_[static_cast<std::size_t>(column * dt::LogMel::kBands)], &voiced_[column],
                 known - column, position);
      column = known;
      dt::Ticks::Tick tick{};
      while (ticks.next(&tick)) {
        seen.push_back({static_cast<std::int64_t>(tick.mel[0]), tick.columns, tick.frame,
                        tick.voiced, tick.share});
      }
    }
    return seen;
  }

  dt::TimeBase time_{GetParam().num, GetParam().den, GetParam().lookahead};
  std::vector<float> mel_;
  std::unique_ptr<bool[]> voiced_{new bool[100 * kSeconds]};
};

TEST_P(Ticks, AreTheSameHoweverTheSoundIsCut) {
  constexpr std::int64_t kMost = 3000;
  dt::Ticks ticks(time_, kLookbackMs, kMost / 160 + 2);
  const std::vector<Seen> expected = run(ticks, kMost, 1);
  for (const std::int64_t most : {40, 400, 3000}) {
    ticks.reset();
    EXPECT_EQ(run(ticks, most, 7), expected) << most;
  }
}

// Every column once and in order, no more of them than a tick has room for, and of each frame what
// the alignment says.
TEST_P(Ticks, BringEveryColumnAndTheAlignmentsFrames) {
  dt::Ticks ticks(time_, kLookbackMs, 100 * kSeconds);
  dt::Alignment alignment(time_, 1, kLookbackMs, 100 * kSeconds);
  std::vector<float> features, audio(100 * kSeconds);
  std::unique_ptr<bool[]> voiced(new bool[100 * kSeconds]);
  for (std::int64_t c = 0; c < 100 * kSeconds; ++c) {
    features.push_back(static_cast<float>(c));
  }
  const std::int64_t frames = alignment.push(features.data(), voiced_.get(), 100 * kSeconds,
                                             16000 * kSeconds, audio.data(), voiced.get());
  std::int64_t column = 0, frame = 0;
  for (const Seen& tick : run(ticks, 500, 2)) {
    EXPECT_EQ(tick.first, column);
    ASSERT_LE(tick.columns, time_.most_columns_a_frame());
    column += tick.columns;
    if (tick.frame) {
      EXPECT_EQ(tick.voiced, voiced[frame]);
      const auto newest = static_cast<float>(column - 1);
      EXPECT_FLOAT_EQ(tick.share * newest + (1.0F - tick.share) * (newest - 1.0F),
                      audio[static_cast<std::size_t>(frame)]);
      EXPECT_EQ(column - 1, time_.last_column(frame));
      ++frame;
    } else {
      EXPECT_EQ(tick.columns, time_.most_columns_a_frame());
    }
  }
  EXPECT_EQ(frame, frames);
}

INSTANTIATE_TEST_SUITE_P(Rates, Ticks,
                         testing::Values(Rate{60, 1, 2}, Rate{30000, 1001, 4}, Rate{100, 1, 0},
                                         Rate{24, 1, 7}, Rate{1, 1, 3}));

}  // namespace
