#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "dt/time_base.h"
#include "features/alignment.h"

namespace dt {
namespace {

TEST(Alignment, ReadsBetweenColumns) {
  // 60 Hz, two columns of look-ahead: frame 1 stands at 1 2/3 + 2 columns.
  const TimeBase time(60, 1, 2);
  Alignment alignment(time, 1, 20.0, 50);
  std::vector<float> features;
  for (int m = 0; m < 50; ++m) {
    features.push_back(static_cast<float>(m));
  }
  const auto none = std::make_unique<bool[]>(50);
  float audio[64];
  bool voiced[64];
  const std::int64_t samples = 160 * 49 + 200;
  const std::int64_t frames =
      alignment.push(features.data(), none.get(), 50, samples, audio, voiced);
  ASSERT_EQ(frames, time.due_frames(samples));
  for (std::int64_t f = 0; f < frames; ++f) {
    EXPECT_NEAR(audio[f], static_cast<double>(f) * 100.0 / 60.0 + 2.0, 1e-5);
    EXPECT_FALSE(voiced[f]);
  }
}

TEST(Alignment, AVoicedColumnCountsForTheFramesAroundIt) {
  const TimeBase time(100, 1, 2);  // frame f at column f, looking ahead to f + 2
  Alignment alignment(time, 1, 20.0, 50);
  const std::vector<float> features(50, 0.0F);
  const auto columns = std::make_unique<bool[]>(50);
  columns[20] = true;
  float audio[64];
  bool voiced[64];
  const std::int64_t frames =
      alignment.push(features.data(), columns.get(), 50, 160 * 49 + 200, audio, voiced);
  for (std::int64_t f = 0; f < frames; ++f) {
    EXPECT_EQ(voiced[f], f >= 18 && f <= 22) << f;
  }
}

}  // namespace
}  // namespace dt
