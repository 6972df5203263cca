#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "audio/voice.h"
#include "dt/options.h"

namespace dt {
namespace {

TEST(VoiceDetector, FollowsTheNoiseFloor) {
  GateOptions options;
  VoiceDetector detector(options);
  const auto detect = [&](float level_db, std::int64_t columns) {
    const std::vector<float> levels(static_cast<std::size_t>(columns), level_db);
    const auto voiced = std::make_unique<bool[]>(static_cast<std::size_t>(columns));
    detector.push(levels.data(), columns, voiced.get());
    return voiced[static_cast<std::size_t>(columns - 1)];
  };
  EXPECT_FALSE(detect(-120.0F, 100));
  EXPECT_TRUE(detect(-40.0F, 1));
  // Lasting noise becomes the floor, at 3 dB a second ...
  EXPECT_TRUE(detect(-50.0F, 100));
  EXPECT_FALSE(detect(-50.0F, 1000));
  EXPECT_TRUE(detect(-34.0F, 1));
  // ... but it never swallows a clear voice.
  EXPECT_TRUE(detect(-30.0F, 6000));
  // The floor falls back fast.
  EXPECT_FALSE(detect(-75.0F, 30));
  EXPECT_TRUE(detect(-55.0F, 1));
}

}  // namespace
}  // namespace dt
