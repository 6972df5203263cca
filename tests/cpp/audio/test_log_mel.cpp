// Noise and log-mel: the two definitions that training shares.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "audio/log_mel_stream.h"
#include "dt/log_mel.h"
#include "dt/noise.h"
#include "dt/runtime.h"
#include "random_model.h"

namespace dt {
namespace {

using dt_test::Random;

TEST(Noise, PhiloxGivesThePublishedAnswers) {
  using Words = std::array<std::uint32_t, 4>;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const std::uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox4x32({ones, ones, ones, ones}, {ones, ones}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(Noise, IsAFunctionOfSeedFrameAndCurve) {
  float a[52], b[20], other[52];
  normal_noise(5, 1000, 52, a);
  normal_noise(5, 1000, 20, b);
  normal_noise(6, 1000, 52, other);
  for (int c = 0; c < 20; ++c) {
    EXPECT_EQ(a[c], b[c]);
    EXPECT_NE(a[c], other[c]);
  }
}

TEST(Noise, IsStandardNormal) {
  double sum = 0.0, squares = 0.0;
  constexpr int kFrames = 4000;
  for (int f = 0; f < kFrames; ++f) {
    float values[52];
    normal_noise(1, f, 52, values);
    for (const float v : values) {
      sum += static_cast<double>(v);
      squares += static_cast<double>(v) * static_cast<double>(v);
    }
  }
  EXPECT_NEAR(sum / (52.0 * kFrames), 0.0, 0.01);
  EXPECT_NEAR(squares / (52.0 * kFrames), 1.0, 0.01);
  EXPECT_LT(std::fabs(normal_from_bits(0)), 7.0F);
  EXPECT_EQ(normal_from_bits(0), -normal_from_bits(0xffffffff));
}

TEST(LogMel, FindsAToneInItsBand) {
  const LogMel features;
  // Slaney's scale is linear below 1 kHz: band b is centred at (b + 1) x 200 / 3 x 45.245 / 81 Hz.
  for (const int band : {8, 14, 20}) {
    const double hz =
        (band + 1) * (15.0 + 27.0 * std::log(8.0) / std::log(6.4)) / 81.0 * 200.0 / 3.0;
    std::vector<float> tone(3200);
    for (std::size_t i = 0; i < tone.size(); ++i) {
      tone[i] = static_cast<float>(
          std::sin(2.0 * 3.14159265358979 * hz * static_cast<double>(i) / 16000.0));
    }
    std::vector<float> bands, level;
    features.columns(tone.data(), tone.size(), false, &bands, &level);
    const float* column = &bands[10 * LogMel::kBands];
    EXPECT_EQ(std::max_element(column, column + LogMel::kBands) - column, band);
    EXPECT_NEAR(level[10], -3.01F, 0.1F);
  }
}

TEST(LogMel, StreamsInAnyChunks) {
  const LogMel features;
  const std::vector<float> audio = dt_test::speech_like(9000);
  std::vector<float> bands, level;
  features.columns(audio.data(), audio.size(), false, &bands, &level);
  ASSERT_EQ(static_cast<std::int64_t>(level.size()), LogMel::available_columns(9000));

  Random random(5);
  LogMelStream stream(features, 700);
  for (int round = 0; round < 5; ++round) {
    std::vector<float> got(bands.size()), got_level(level.size());
    std::int64_t columns = 0;
    for (std::int64_t at = 0; at < 9000;) {
      const std::int64_t count =
          std::min<std::int64_t>(random.below(round == 0 ? 2 : 700), 9000 - at);
      columns += stream.push(audio.data() + at, count, got.data() + columns * LogMel::kBands,
                             got_level.data() + columns);
      at += count;
      ASSERT_EQ(columns, LogMel::available_columns(at));
    }
    EXPECT_EQ(got, bands);
    EXPECT_EQ(got_level, level);
    stream.reset();
  }
}

TEST(LogMel, IsFiniteForSilenceAndForTheLoudestSample) {
  const LogMel features;
  for (const float value : {0.0F, Runtime::kSampleLimit, -Runtime::kSampleLimit}) {
    const std::vector<float> window(LogMel::kWindowSamples, value);
    float bands[LogMel::kBands];
    EXPECT_TRUE(std::isfinite(features.column(window.data(), bands)));
    for (const float band : bands) {
      EXPECT_TRUE(std::isfinite(band));
    }
  }
}

TEST(LogMel, AnOffsetIsNoLoudnessAndLeavesTheLevelOfSoundAlone) {
  const LogMel features;
  float bands[LogMel::kBands];
  std::vector<float> window(LogMel::kWindowSamples);
  for (const float offset : {0.002F, -0.02F, 0.5F}) {
    for (std::size_t i = 0; i < window.size(); ++i) {
      window[i] = offset + (i % 2 == 0 ? 1e-4F : -1e-4F);
    }
    EXPECT_NEAR(features.column(window.data(), bands), -80.0F, 0.1F) << offset;
  }
  // With sound on top the level has the bits of the plain mean square.
  const std::vector<float> audio = dt_test::speech_like(LogMel::kWindowSamples);
  float energy = 0.0F;
  for (std::size_t i = 0; i < window.size(); ++i) {
    window[i] = 0.3F * audio[i] + 0.001F;
    energy += window[i] * window[i];
  }
  EXPECT_EQ(features.column(window.data(), bands),
            10.0F * std::log10(energy / LogMel::kWindowSamples + 1e-12F));
}

}  // namespace
}  // namespace dt
