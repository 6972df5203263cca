// Idle motion: a function of the seed, the frame and the voiced flags so far, and a face that
// lives.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "allocations.h"
#include "curves/idle.h"
#include "random_model.h"

namespace dt {
namespace {

using dt_test::Random;

const std::vector<std::string> kNames = {
    "jawOpen",          "eyeBlinkLeft",    "eyeBlinkRight",  "eyeLookInLeft",   "eyeLookInRight",
    "eyeLookOutLeft",   "eyeLookOutRight", "eyeLookUpLeft",  "eyeLookUpRight",  "eyeLookDownLeft",
    "eyeLookDownRight", "eyeSquintLeft",   "eyeSquintRight", "eyeWideLeft",     "eyeWideRight",
    "browDownLeft",     "browDownRight",   "browInnerUp",    "browOuterUpLeft", "browOuterUpRight"};
const auto kCurves = static_cast<std::int64_t>(kNames.size());

std::int64_t at(const std::string& name) {
  return std::find(kNames.begin(), kNames.end(), name) - kNames.begin();
}

ModelConfig eyes() {
  ModelConfig config;
  config.curves = kNames;
  config.curve_options.resize(kNames.size());
  return config;
}

// A face of zeros, or of `values` a frame, with idle motion; voiced as `voiced(frame)` says.
class Face {
 public:
  explicit Face(TimeBase time, std::uint64_t seed = 0, MotionOptions motion = {},
                const ModelConfig& config = eyes())
      : width_(motion.width(kCurves)), idle_(config, motion, seed, time) {}

  // `sizes`: frames a push; what they leave comes at once.
  template <typename Voiced>
  std::vector<float> run(std::int64_t frames, Voiced voiced, float value = 0.0F,
                         const std::vector<std::int64_t>& sizes = {}) {
    std::vector<float> all(static_cast<std::size_t>(frames * width_), 0.0F);
    const std::unique_ptr<bool[]> flags(new bool[static_cast<std::size_t>(frames)]);
    for (std::int64_t f = 0; f < frames; ++f) {
      flags[static_cast<std::size_t>(f)] = voiced(f);
    }
    std::int64_t done = 0;
    for (std::size_t i = 0; done < frames; ++i) {
      const std::int64_t count = std::min(i < sizes.size() ? sizes[i] : frames, frames - done);
      float* out = all.data() + done * width_;
      std::fill_n(out, count * kCurves, value);
      idle_.push(flags.get() + done, count, out);
      done += count;
    }
    return all;
  }
  std::vector<float> silence(std::int64_t frames, float value = 0.0F) {
    return run(frames, [](std::int64_t) { return false; }, value);
  }
  void reset() { idle_.reset(); }

 private:
  std::int64_t width_;
  IdleMotion idle_;
};

std::vector<float> column(const std::vector<float>& frames, const std::string& name,
                          std::int64_t width = kCurves) {
  std::vector<float> out;
  for (std::size_t i = static_cast<std::size_t>(at(name)); i < frames.size();
       i += static_cast<std::size_t>(width)) {
    out.push_back(frames[i]);
  }
  return out;
}

// The frames at which the curve rises over 0.7.
std::vector<std::int64_t> blinks(const std::vector<float>& shut) {
  std::vector<std::int64_t> starts;
  for (std::size_t f = 1; f < shut.size(); ++f) {
    if (shut[f] > 0.7F && shut[f - 1] <= 0.7F) {
      starts.push_back(static_cast<std::int64_t>(f));
    }
  }
  return starts;
}

bool phrases(std::int64_t frame) { return frame % 240 < 180; }  // 3 s of speech, 1 s of pause

const TimeBase kTimes[] = {{60, 1, 2}, {30000, 1001, 2}, {25, 1, 2}, {100, 1, 2}};

TEST(Idle, AnySplitGivesTheSameBits) {
  for (const TimeBase& time : kTimes) {
    Face face(time, 5, {0.7, true});
    const std::vector<float> whole = face.run(2000, phrases, 0.2F);
    Random random(1);
    for (const std::int64_t most : {1, 3, 50, 400}) {
      std::vector<std::int64_t> sizes(2000);
      for (std::int64_t& size : sizes) {
        size = random.below(most + 1);
      }
      face.reset();
      EXPECT_EQ(face.run(2000, phrases, 0.2F, sizes), whole) << "up to " << most;
    }
  }
}

TEST(Idle, SeedsDifferAndOneSeedIsOneFace) {
  const std::vector<float> first = Face(kTimes[0], 1).silence(600);
  EXPECT_EQ(Face(kTimes[0], 1).silence(600), first);
  EXPECT_NE(Face(kTimes[0], 2).silence(600), first);
  EXPECT_NE(Face(kTimes[0], 1ULL << 40).silence(600), Face(kTimes[0], 0).silence(600));
}

TEST(Idle, NoneLeavesTheCurvesAlone) {
  Random random(3);
  const std::vector<float> curves = random.vector(50 * kCurves, 2.0F);  // beyond every limit
  const bool voiced[50] = {};
  std::vector<float> got = curves;
  IdleMotion(eyes(), {0.0, false}, 1, kTimes[0]).push(voiced, 50, got.data());
  EXPECT_EQ(got, curves);
  got.resize(static_cast<std::size_t>(50 * (kCurves + 3)), 9.0F);
  IdleMotion(eyes(), {0.0, true}, 1, kTimes[0]).push(voiced, 50, got.data());
  for (std::int64_t f = 0; f < 50; ++f) {
    const float* row = got.data() + f * (kCurves + 3);
    EXPECT_TRUE(std::equal(row, row + kCurves, curves.data() + f * kCurves)) << f;
    EXPECT_TRUE(std::all_of(row + kCurves, row + kCurves + 3, [](float v) { return v == 0.0F; }));
  }
}

TEST(Idle, BlinksInSilenceShutBothEyes) {
  for (const TimeBase& time : kTimes) {
    const auto frames = static_cast<std::int64_t>(60.0 / time.frame_seconds());
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
      const std::vector<float> face = Face(time, seed).silence(frames);
      const std::vector<float> left = column(face, "eyeBlinkLeft");
      const std::vector<float> right = column(face, "eyeBlinkRight");
      const std::vector<std::int64_t> starts = blinks(left);
      EXPECT_GE(starts.size(), 8U) << "seed " << seed;
      EXPECT_LE(starts.size(), 25U) << "seed " << seed;
      for (const std::int64_t start : starts) {
        float shut = 0.0F;
        for (std::int64_t f = start; f < std::min(start + 8, frames); ++f) {
          const auto i = static_cast<std::size_t>(f);
          shut = std::max(shut, std::min(left[i], right[i]));
        }
        EXPECT_GT(shut, 0.95F) << "seed " << seed << ", frame " << start;
      }
    }
  }
}

TEST(Idle, LidsCloseFasterThanTheyOpen) {
  const std::vector<float> left = column(Face({100, 1, 2}, 4).silence(30000), "eyeBlinkLeft");
  for (const std::int64_t start : blinks(left)) {
    std::int64_t first = start, last = start;
    while (first > 0 && left[static_cast<std::size_t>(first)] > 0.15F) --first;
    while (last + 1 < 30000 && left[static_cast<std::size_t>(last)] > 0.15F) ++last;
    const auto peak = static_cast<std::int64_t>(
        std::max_element(left.begin() + first, left.begin() + last) - left.begin());
    EXPECT_LE(peak - first, 10) << start;  // frames of 10 ms
    EXPECT_GT(last - peak, peak - first) << start;
    EXPECT_LE(last - first, 35) << start;
  }
}

TEST(Idle, BlinksAreFewerInPhrasesAndFallAtTheirEnds) {
  std::size_t silent = 0, spoken = 0, in_all = 0, at_ends = 0;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    silent += blinks(column(Face(kTimes[0], seed).silence(7200), "eyeBlinkLeft")).size();
    spoken += blinks(column(Face(kTimes[0], seed).run(7200, [](std::int64_t) { return true; }),
                            "eyeBlinkLeft"))
                  .size();
    const auto starts = blinks(column(Face(kTimes[0], seed).run(7200, phrases), "eyeBlinkLeft"));
    in_all += starts.size();
    at_ends +=
        static_cast<std::size_t>(std::count_if(starts.begin(), starts.end(), [](std::int64_t f) {
          return f % 240 >= 194 && f % 240 < 205;
        }));
  }
  EXPECT_LT(spoken * 10, silent * 7);
  EXPECT_GT(spoken * 10, silent * 3);
  // 11 of 240 frames.
  EXPECT_GT(at_ends * 4, in_all);
}

TEST(Idle, BothEyesLookTheSameWay) {
  const std::vector<float> face = Face(kTimes[0], 7).silence(7200);
  const auto of = [&](const char* name) { return column(face, name); };
  EXPECT_EQ(of("eyeLookOutLeft"), of("eyeLookInRight"));
  EXPECT_EQ(of("eyeLookInLeft"), of("eyeLookOutRight"));
  EXPECT_EQ(of("eyeLookUpLeft"), of("eyeLookUpRight"));
  EXPECT_EQ(of("eyeLookDownLeft"), of("eyeLookDownRight"));
  const std::vector<float> out = of("eyeLookOutLeft"), in = of("eyeLookInLeft");
  float widest = 0.0F;
  for (std::size_t f = 0; f < out.size(); ++f) {
    EXPECT_EQ(std::min(out[f], in[f]), 0.0F) << f;
    widest = std::max({widest, out[f], in[f]});
  }
  EXPECT_GT(widest, 0.1F);
  EXPECT_LE(widest, 0.36F);
}

TEST(Idle, AGlanceTakesFromTheOppositeCurveFirst) {
  // The model's eyes look in by 0.2 each: what is added to one direction leaves the other.
  const std::vector<float> face = Face(kTimes[0], 7).silence(7200, 0.2F);
  const std::vector<float> plain = Face(kTimes[0], 7).silence(7200);
  for (const char* side : {"Left", "Right"}) {
    const auto net = [&](const std::vector<float>& frames, std::size_t f) {
      const std::string name = side;
      return column(frames, "eyeLookOut" + name)[f] - column(frames, "eyeLookIn" + name)[f];
    };
    for (const std::size_t f : {100U, 1000U, 3333U, 7000U}) {
      EXPECT_NEAR(net(face, f), net(plain, f), 1e-6F);
    }
  }
}

TEST(Idle, StaysWithinTheCurvesLimitsAndOffTheMouth) {
  ModelConfig config = eyes();
  config.curve_options[static_cast<std::size_t>(at("eyeBlinkLeft"))].maximum = 0.8F;
  for (const float value : {0.0F, 0.5F, 0.8F}) {
    const std::vector<float> face = Face(kTimes[0], 3, {}, config).silence(7200, value);
    for (const float v : face) {
      ASSERT_GE(v, 0.0F);
      ASSERT_LE(v, 1.0F);
    }
    const std::vector<float> left = column(face, "eyeBlinkLeft");
    EXPECT_EQ(*std::max_element(left.begin(), left.end()), 0.8F);
    EXPECT_GE(*std::min_element(left.begin(), left.end()), value);
    for (const float v : column(face, "jawOpen")) {
      ASSERT_EQ(v, value);
    }
  }
}

TEST(Idle, TheBundleSetsItsAmounts) {
  ModelConfig config = eyes();
  config.idle.blink = config.idle.gaze = config.idle.drift = config.idle.head = 0.0;
  for (const float v : Face(kTimes[0], 3, {1.0, true}, config).silence(3600)) {
    ASSERT_EQ(v, 0.0F);
  }
  config = eyes();
  config.idle.blinks_a_minute = 0.0;
  EXPECT_TRUE(
      blinks(column(Face(kTimes[0], 3, {}, config).silence(36000), "eyeBlinkLeft")).empty());
  config.idle.blinks_a_minute = 60.0;
  EXPECT_GT(blinks(column(Face(kTimes[0], 3, {}, config).silence(3600), "eyeBlinkLeft")).size(),
            45U);
}

TEST(Idle, LessIsFewerBlinksThatStillShut) {
  const std::vector<float> left =
      column(Face(kTimes[0], 3, {0.5, false}).silence(36000), "eyeBlinkLeft");
  const std::size_t some = blinks(left).size();
  const std::size_t all = blinks(column(Face(kTimes[0], 3).silence(36000), "eyeBlinkLeft")).size();
  EXPECT_GT(some * 10, all * 3);
  EXPECT_LT(some * 10, all * 7);
  EXPECT_GT(*std::max_element(left.begin(), left.end()), 0.95F);
}

TEST(Idle, TheHeadTurnsALittleAndSmoothly) {
  constexpr double kDegree = 0.017453292519943295;
  const std::int64_t width = kCurves + 3, frames = 18000;
  const std::vector<float> face = Face(kTimes[0], 3, {1.0, true}).silence(frames);
  for (std::int64_t axis = 0; axis < 3; ++axis) {
    double sum = 0.0, squares = 0.0, fastest = 0.0, before = 0.0;
    for (std::int64_t f = 0; f < frames; ++f) {
      const auto v =
          static_cast<double>(face[static_cast<std::size_t>(f * width + kCurves + axis)] / kDegree);
      sum += v;
      squares += v * v;
      fastest = f == 0 ? 0.0 : std::max(fastest, std::fabs(v - before) * 60.0);
      before = v;
    }
    const double mean = sum / static_cast<double>(frames);
    const double spread = std::sqrt(squares / static_cast<double>(frames) - mean * mean);
    EXPECT_LT(std::fabs(mean), 0.6) << axis;
    EXPECT_GT(spread, 0.6) << axis;
    EXPECT_LT(spread, 2.5) << axis;
    EXPECT_LT(fastest, 15.0) << axis;
  }
}

TEST(Idle, RefusesAnAmountThatCannotBe) {
  for (const double idle : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_THROW(IdleMotion(eyes(), {idle, false}, 0, kTimes[0]), std::invalid_argument) << idle;
  }
}

TEST(Idle, AllocatesNothing) {
  std::vector<float> frames(static_cast<std::size_t>(1200 * (kCurves + 3)));
  const std::unique_ptr<bool[]> voiced(new bool[1200]());
  IdleMotion idle(eyes(), {1.0, true}, 0, kTimes[0]);
  const std::int64_t before = dt_test::allocations();
  for (int round = 0; round < 2; ++round) {
    idle.push(voiced.get(), 1200, frames.data());
    idle.reset();
  }
  EXPECT_EQ(dt_test::allocations(), before);
}

TEST(Idle, ComesOutOfTheRuntimeAfterTheCurves) {
  dt_test::RandomModel random_model = dt_test::RandomModel::small();
  random_model.config.curves[0] = "eyeBlinkLeft";
  const auto model = random_model.build();
  const std::vector<float> audio = dt_test::speech_like(40000);
  Runtime plain(model, 3, kAutoIdentity, {}, {0.0, false});
  Runtime runtime(model, 3, kAutoIdentity, {}, {1.0, true});
  EXPECT_EQ(plain.width(), 52);
  EXPECT_EQ(runtime.width(), 55);
  const std::vector<float> without = dt_test::run(plain, 52, audio);
  const std::vector<float> whole = dt_test::run(runtime, 55, audio);
  ASSERT_EQ(whole.size() / 55, without.size() / 52);
  for (std::size_t f = 0; f < whole.size() / 55; ++f) {
    for (std::size_t c = 1; c < 52; ++c) {
      ASSERT_EQ(whole[55 * f + c], without[52 * f + c]) << f << ", " << c;
    }
    ASSERT_NE(whole[55 * f + 52], 0.0F);
  }
  runtime.reset();
  EXPECT_EQ(dt_test::run(runtime, 55, audio, {1, 700, 5000, 17000, 3}), whole);
}

}  // namespace
}  // namespace dt
