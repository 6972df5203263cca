#include <gtest/gtest.h>

#include <algorithm>
#include <cfenv>
#include <cfloat>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "arithmetic/rounding.h"
#include "dt/runtime.h"
#include "random_model.h"

#if defined(__SSE2__) || defined(_M_X64)
#include <xmmintrin.h>
#endif

namespace dt {
namespace {

[[maybe_unused]] float halved(float x) {  // where small numbers can be flushed to zero
  volatile float value = x;
  value = value * 0.5F;
  return value;
}

TEST(StandardRounding, RoundsToTheNearestAndRestoresWhatWas) {
  volatile float one = 1.0F, three = 10.0F;
  const float nearest = one / three;
  ASSERT_EQ(std::fesetround(FE_DOWNWARD), 0);
  const float down = one / three;
  float standard = 0.0F;
  {
    const arithmetic::StandardRounding rounding;
    standard = one / three;
  }
  const float after = one / three;
  std::fesetround(FE_TONEAREST);
  EXPECT_LT(down, standard);
  EXPECT_EQ(standard, nearest);
  EXPECT_EQ(after, down);
}

TEST(StandardRounding, AModelAndARuntimeAreMadeAlikeInAnyMode) {
  dt_test::RandomModel random_model = dt_test::RandomModel::small_with_context();
  for (std::size_t c = 0; c < random_model.config.curve_options.size(); ++c) {
    random_model.config.curve_options[c].smoothing_ms = 1.7F * static_cast<float>(c);
  }
  const std::vector<float> audio = dt_test::speech_like(16000);
  Runtime made_by_default(random_model.build("scalar"), 3, kAutoIdentity);
  const std::vector<float> expected = dt_test::run(made_by_default, 52, audio);
  ASSERT_EQ(std::fesetround(FE_UPWARD), 0);
  Runtime runtime(random_model.build("scalar"), 3, kAutoIdentity);
  std::vector<float> found = dt_test::run(runtime, 52, audio);
  const bool alike = found == expected;
  runtime.reset();
  found = dt_test::run(runtime, 52, audio);
  std::fesetround(FE_TONEAREST);
  EXPECT_TRUE(alike);
  EXPECT_EQ(found, expected);
}

#if defined(__SSE2__) || defined(_M_X64)

// Flush to zero, and subnormal numbers read as 0, while it lives.
class Flushing {
 public:
  Flushing() { _mm_setcsr(before_ | 0x8040U); }
  ~Flushing() { _mm_setcsr(before_); }

 private:
  unsigned int before_ = _mm_getcsr();
};

TEST(StandardRounding, KeepsSubnormalNumbers) {
  const Flushing flushing;
  EXPECT_EQ(halved(FLT_MIN), 0.0F);
  {
    const arithmetic::StandardRounding rounding;
    EXPECT_GT(halved(FLT_MIN), 0.0F);
  }
  EXPECT_EQ(halved(FLT_MIN), 0.0F);
}

TEST(StandardRounding, TheRuntimeGivesTheSameBitsInAThreadThatFlushesToZero) {
  dt_test::RandomModel random_model = dt_test::RandomModel::small();
  for (CurveOptions& options : random_model.config.curve_options) {
    // A curve that lies at its limit of 0 in silence gets there through all that is below the
    // smallest normal number.
    options.minimum = 0.0F;
    options.offset = -0.2F;
    options.gated = false;
    options.smoothing_ms = 20.0F;
  }
  random_model.config.noise_scale.assign(52, 0.0F);
  const auto model = random_model.build("scalar");
  std::vector<float> audio = dt_test::speech_like(16000);
  for (int i = 0; i < 80000; ++i) {
    audio.push_back(0.0F);
  }
  Runtime runtime(model, 3, kAutoIdentity);
  const std::vector<float> expected = dt_test::run(runtime, 52, audio);
  const auto subnormal = [](float v) { return v > 0.0F && v < FLT_MIN; };
  ASSERT_TRUE(std::any_of(expected.begin(), expected.end(), subnormal));
  runtime.reset();
  const Flushing flushing;
  EXPECT_EQ(dt_test::run(runtime, 52, audio), expected);
  EXPECT_EQ(halved(FLT_MIN), 0.0F);
}

#endif

}  // namespace
}  // namespace dt
