// Noise and log-mel: the two definitions that training shares.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "audio/log_mel_stream.h"
#include "audio/power_spectrum.h"
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

TEST(Noise, AScaleOfZeroIsZeroAndLeavesTheOthersAlone) {
  Random random(9);
  for (const int curves : {1, 4, 15, 16, 17, 52}) {
    for (const std::int64_t one_in : {1, 2, 5, 40}) {
      std::vector<float> scale, plain(52), scaled(52, 9.0F);
      for (int c = 0; c < curves; ++c) {
        scale.push_back(random.below(one_in) == 0 ? 0.25F * static_cast<float>(c % 5) : 0.0F);
      }
      const std::int64_t frame = random.below(1 << 30);
      normal_noise(7, frame, curves, plain.data());
      normal_noise(7, frame, curves, scaled.data(), scale.data());
      for (std::size_t c = 0; c < 52; ++c) {
        const bool beyond = c >= static_cast<std::size_t>(curves);
        ASSERT_EQ(scaled[c], beyond ? 9.0F : plain[c] * scale[c]) << c;
      }
    }
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
  // With sound on top the level is that of the plain mean square.
  const std::vector<float> audio = dt_test::speech_like(LogMel::kWindowSamples);
  double energy = 0.0;
  for (std::size_t i = 0; i < window.size(); ++i) {
    window[i] = 0.3F * audio[i] + 0.001F;
    energy += static_cast<double>(window[i]) * static_cast<double>(window[i]);
  }
  EXPECT_NEAR(features.column(window.data(), bands),
              10.0 * std::log10(energy / LogMel::kWindowSamples + 1e-12), 1e-5);
}

TEST(LogMel, AnOffsetIsTheMeanWhereThatIsMostOfThePower) {
  for (const std::int64_t count : {1, 7, 8, 161, 400}) {
    const std::vector<float> level(static_cast<std::size_t>(count), 0.25F);
    EXPECT_EQ(LogMel::offset(level.data(), count), 0.25F) << count;
  }
  const std::vector<float> sound = dt_test::speech_like(333);
  EXPECT_EQ(LogMel::offset(sound.data(), 333), 0.0F);
}

TEST(LogMel, KeepsWhatIsNoNumber) {
  const LogMel features;
  std::vector<float> window(LogMel::kWindowSamples, 0.1F);
  window[123] = std::numeric_limits<float>::quiet_NaN();
  float bands[LogMel::kBands];
  EXPECT_TRUE(std::isnan(features.column(window.data(), bands)));
  for (const float band : bands) {
    EXPECT_TRUE(std::isnan(band));
  }
}

// The definition in double precision: the transform term by term, triangles of area 1.
std::vector<double> defined_bands(const float* window) {
  constexpr double kPi = 3.14159265358979323846;
  std::vector<double> power;
  for (int k = 0; k <= 200; ++k) {
    double re = 0.0, im = 0.0;
    for (int n = 0; n < 400; ++n) {
      const double x = static_cast<double>(window[n]) * (0.5 - 0.5 * std::cos(2.0 * kPi * n / 400));
      re += x * std::cos(2.0 * kPi * (n * k % 400) / 400);
      im -= x * std::sin(2.0 * kPi * (n * k % 400) / 400);
    }
    power.push_back(re * re + im * im);
  }
  const auto edge = [](int i) {
    const double mel = (15.0 + 27.0 * std::log(8.0) / std::log(6.4)) * i / 81.0;
    return mel < 15.0 ? mel * 200.0 / 3.0 : 1000.0 * std::pow(6.4, (mel - 15.0) / 27.0);
  };
  std::vector<double> bands;
  for (int b = 0; b < LogMel::kBands; ++b) {
    const double low = edge(b), centre = edge(b + 1), high = edge(b + 2);
    double sum = 0.0;
    for (int k = 0; k <= 200; ++k) {
      const double hz = 40.0 * k;
      const double weight = std::min((hz - low) / (centre - low), (high - hz) / (high - centre));
      sum += std::max(0.0, weight) * 2.0 / (high - low) * power[static_cast<std::size_t>(k)];
    }
    bands.push_back((std::max(std::log10(std::max(sum, 1e-10)), -6.5) + 4.0) / 4.0);
  }
  return bands;
}

TEST(LogMel, IsItsDefinition) {
  const LogMel features;
  const std::vector<float> audio = dt_test::speech_like(9000);
  Random random(8);
  for (std::size_t at = 0; at + 400 <= audio.size(); at += 400) {
    std::vector<float> window(audio.begin() + static_cast<std::ptrdiff_t>(at),
                              audio.begin() + static_cast<std::ptrdiff_t>(at + 400));
    for (float& sample : window) {
      sample = at % 800 == 0 ? sample : random.uniform();
    }
    float bands[LogMel::kBands];
    features.column(window.data(), bands);
    const std::vector<double> expected = defined_bands(window.data());
    for (std::size_t b = 0; b < expected.size(); ++b) {
      ASSERT_NEAR(static_cast<double>(bands[b]), expected[b], 1e-5) << at << ", " << b;
    }
  }
}

// Every sample and every bin: a mistake in a constant or an order shows as a bin of its own.
TEST(PowerSpectrum, FindsEveryBinAlone) {
  constexpr double kPi = 3.14159265358979323846;
  const PowerSpectrum spectrum;
  for (int bin = 0; bin < PowerSpectrum::kBins; ++bin) {
    float frame[PowerSpectrum::kSamples], power[PowerSpectrum::kBins];
    for (int n = 0; n < PowerSpectrum::kSamples; ++n) {
      frame[n] = static_cast<float>(std::cos(2.0 * kPi * (n * bin % 400) / 400));
    }
    spectrum.of(frame, power);
    for (int k = 0; k < PowerSpectrum::kBins; ++k) {
      const float expected = k != bin ? 0.0F : bin % 200 == 0 ? 160000.0F : 40000.0F;
      ASSERT_NEAR(power[k], expected, k == bin ? 0.05F : 1e-6F) << bin << ", " << k;
    }
  }
}

TEST(PowerSpectrum, AnImpulseAnywhereHasAFlatOne) {
  const PowerSpectrum spectrum;
  for (int n = 0; n < PowerSpectrum::kSamples; ++n) {
    float frame[PowerSpectrum::kSamples] = {}, power[PowerSpectrum::kBins];
    frame[n] = 1.0F;
    spectrum.of(frame, power);
    for (const float p : power) {
      ASSERT_NEAR(p, 1.0F, 1e-6F) << n;
    }
  }
}

}  // namespace
}  // namespace dt
