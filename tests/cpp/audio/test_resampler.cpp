// Any rate to 16 kHz: the same bits however the sound is cut, in time, and clean.
#include "audio/resampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "random_model.h"

namespace dt {
namespace {

// Rates, and how many samples libsamplerate 0.2.2's fastest sinc holds back at each.
struct Rate {
  std::int64_t hz, libsamplerate_delay;
};
constexpr Rate kRates[] = {{8000, 22},   {11025, 22},  {12000, 22},  {15999, 23}, {16001, 23},
                           {22050, 31},  {24000, 33},  {32000, 42},  {44100, 58}, {48000, 63},
                           {88200, 114}, {96000, 124}, {192000, 245}};

std::shared_ptr<const ResamplingFilter> filter(std::int64_t rate_hz) {
  return std::make_shared<const ResamplingFilter>(rate_hz);
}

std::vector<float> whole(std::int64_t rate_hz, const std::vector<float>& sound) {
  Resampler resampler(filter(rate_hz));
  const auto count = static_cast<std::int64_t>(sound.size());
  std::vector<float> out(static_cast<std::size_t>(resampler.most(count)));
  out.resize(static_cast<std::size_t>(resampler.push(sound.data(), count, out.data())));
  return out;
}

std::vector<float> tone(std::int64_t rate_hz, double tone_hz, double seconds) {
  std::vector<float> out(static_cast<std::size_t>(seconds * static_cast<double>(rate_hz)));
  for (std::size_t i = 0; i < out.size(); ++i) {
    const double t = static_cast<double>(i) / static_cast<double>(rate_hz);
    out[i] = static_cast<float>(std::sin(6.283185307179586 * tone_hz * t));
  }
  return out;
}

// Of the middle, where both ends are far; a full-scale sine is 0 dB.
double level_db(const std::vector<float>& sound) {
  double sum = 0.0;
  const std::size_t edge = 100, count = sound.size() - 2 * edge;
  for (std::size_t i = edge; i < edge + count; ++i) {
    sum += static_cast<double>(sound[i]) * static_cast<double>(sound[i]);
  }
  return 10.0 * std::log10(2.0 * sum / static_cast<double>(count) + 1e-20);
}

TEST(Resampler, AnyChunkingGivesTheSameBits) {
  dt_test::Random random(5);
  for (const auto [rate, other] : kRates) {
    (void)other;
    SCOPED_TRACE(rate);
    const std::vector<float> sound = random.vector(rate / 10 + 7, 0.5F);
    const std::vector<float> expected = whole(rate, sound);
    Resampler resampler(filter(rate));
    for (const std::int64_t longest : {1, 7, 5000}) {
      resampler.reset();
      std::vector<float> out;
      std::size_t at = 0;
      while (at < sound.size()) {
        const auto count = std::min<std::int64_t>(random.below(longest + 1),
                                                  static_cast<std::int64_t>(sound.size() - at));
        std::vector<float> part(static_cast<std::size_t>(resampler.most(count)) + 1, -99.0F);
        const std::int64_t written = resampler.push(sound.data() + at, count, part.data());
        ASSERT_LE(written, resampler.most(count));
        ASSERT_EQ(part[static_cast<std::size_t>(resampler.most(count))], -99.0F);
        out.insert(out.end(), part.begin(), part.begin() + written);
        at += static_cast<std::size_t>(count);
      }
      ASSERT_EQ(out, expected) << "chunks of up to " << longest;
    }
  }
}

TEST(Resampler, EveryOutputComesWithinTheDelay) {
  for (const auto [rate, other] : kRates) {
    SCOPED_TRACE(rate);
    Resampler resampler(filter(rate));
    const std::int64_t delay = resampler.filter().delay_samples();
    std::vector<float> out(64);
    const float zero = 0.0F;
    std::int64_t produced = 0;
    for (std::int64_t taken = 1; taken <= rate / 20; ++taken) {
      produced += resampler.push(&zero, 1, out.data());
      // Output `produced` is still to come: not yet so many samples were there.
      ASSERT_LT(taken * 16000, produced * rate + delay * 16000);
    }
    EXPECT_LE(delay, other);
  }
}

TEST(Resampler, OutputDepictsItsOwnInstant) {
  for (const auto [rate, other] : kRates) {
    (void)other;
    SCOPED_TRACE(rate);
    const std::vector<float> out = whole(rate, tone(rate, 441.0, 0.25));
    for (std::size_t k = 200; k + 200 < out.size(); ++k) {
      const double t = static_cast<double>(k) / 16000.0;
      ASSERT_NEAR(out[k], std::sin(6.283185307179586 * 441.0 * t), 2e-4) << k;
    }
  }
}

TEST(Resampler, SpeechPassesAndNothingIsFoldedBack) {
  for (const auto [rate, other] : kRates) {
    (void)other;
    SCOPED_TRACE(rate);
    const double limit_hz = static_cast<double>(std::min<std::int64_t>(rate, 16000)) / 2.0;
    // The top of the pass band: 0.1 dB.
    EXPECT_NEAR(level_db(whole(rate, tone(rate, 0.73 * limit_hz, 0.25))), 0.0, 0.1);
    for (double hz = 8000.0; hz < static_cast<double>(rate) / 2.0; hz += 971.0) {
      ASSERT_LT(level_db(whole(rate, tone(rate, hz, 0.1))), -80.0) << hz;
    }
  }
}

// Where the rate goes up, what is above the input's own limit would be an image of what is below.
TEST(Resampler, GoingUpLeavesNoImages) {
  constexpr double kTau = 6.283185307179586;
  for (const double hz : {300.0, 1000.0, 2500.0, 2900.0}) {
    const std::vector<float> out = whole(8000, tone(8000, hz, 1.0));
    double sine = 0.0, cosine = 0.0;
    const std::size_t edge = 1000, count = 8000;
    for (std::size_t k = edge; k < edge + count; ++k) {
      const double angle = kTau * (8000.0 - hz) * static_cast<double>(k) / 16000.0;
      sine += static_cast<double>(out[k]) * std::sin(angle);
      cosine += static_cast<double>(out[k]) * std::cos(angle);
    }
    const double amplitude = 2.0 * std::hypot(sine, cosine) / static_cast<double>(count);
    EXPECT_LT(20.0 * std::log10(amplitude + 1e-12), -80.0) << hz;
  }
}

TEST(Resampler, AConstantStaysAndTheLimitHolds) {
  for (const auto [rate, other] : kRates) {
    (void)other;
    const std::vector<float> flat =
        whole(rate, std::vector<float>(static_cast<std::size_t>(rate / 10), 0.25F));
    for (std::size_t k = 100; k < flat.size(); ++k) {
      ASSERT_NEAR(flat[k], 0.25F, 1e-6F) << rate << " Hz, output " << k;
    }
    std::vector<float> square(static_cast<std::size_t>(rate / 10));
    for (std::size_t i = 0; i < square.size(); ++i) {
      square[i] = i / 40 % 2 == 0 ? 16.0F : -16.0F;
    }
    for (const float value : whole(rate, square)) {
      ASSERT_LE(std::fabs(value), Resampler::kLimit);
    }
  }
}

}  // namespace
}  // namespace dt
