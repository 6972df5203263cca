// The kernels' floating point: near double precision, and the same bits on every instruction set.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "dt/kernels.h"
#include "kernels/kernel_test.h"
#include "kernels/kernels.h"
#include "random_model.h"

namespace dt {
namespace {

using dt_test::KernelTest;
using dt_test::of_all_sizes;
using dt_test::Random;
using dt_test::same_bits;

class Kernel : public KernelTest {};

INSTANTIATE_TEST_SUITE_P(Available, Kernel, testing::ValuesIn(available_kernels()),
                         dt_test::name_of);

double sigmoid(double v) { return 1.0 / (1.0 + std::exp(-v)); }

TEST_P(Kernel, ComputesGruGatesLikeDoublePrecision) {
  constexpr std::int64_t kHidden = 48;
  Random random(3);
  for (const float scale : {0.1F, 3.0F, 30.0F, 300.0F}) {
    const std::vector<float> input = random.vector(3 * kHidden, scale);
    const std::vector<float> recurrent = random.vector(3 * kHidden, scale);
    const std::vector<float> before = random.vector(kHidden);
    std::vector<float> state = before;
    kernels_.gru(input.data(), recurrent.data(), kHidden, state.data(), nullptr);
    for (std::size_t i = 0; i < kHidden; ++i) {
      const auto sum = [&](std::size_t gate) {
        return static_cast<double>(input[gate * kHidden + i]) +
               static_cast<double>(recurrent[gate * kHidden + i]);
      };
      const double reset = sigmoid(sum(0)), update = sigmoid(sum(1));
      const double fresh = std::tanh(static_cast<double>(input[2 * kHidden + i]) +
                                     reset * static_cast<double>(recurrent[2 * kHidden + i]));
      const double expected = (1.0 - update) * fresh + update * static_cast<double>(before[i]);
      // The gates' own error, and that of rounding a large sum before the tangent.
      ASSERT_NEAR(state[i], expected, 1e-6 + 1e-7 * static_cast<double>(scale)) << scale;
    }
  }
}

// A state goes to the next product as the nearest of the steps of 1 / 63, halves to the even one.
TEST_P(Kernel, WritesGruStatesAsActivations) {
  Random random(4);
  for (int round = 0; round < 100; ++round) {
    const std::int64_t hidden = kPanelLanes * (1 + random.below(6));
    const auto size = static_cast<std::size_t>(hidden);
    const float scale = std::pow(10.0F, 3.0F * random.uniform());
    const std::vector<float> input = random.vector(3 * hidden, scale);
    const std::vector<float> recurrent = random.vector(3 * hidden, scale);
    std::vector<float> state = random.vector(hidden), silent = state, scalar = state;
    std::vector<std::uint8_t> out(size + 1, 0xAB), scalar_out(size + 1, 0xAB);
    kernels_.gru(input.data(), recurrent.data(), hidden, state.data(), out.data());
    kernels_.gru(input.data(), recurrent.data(), hidden, silent.data(), nullptr);
    scalar_.gru(input.data(), recurrent.data(), hidden, scalar.data(), scalar_out.data());
    ASSERT_TRUE(same_bits(state, silent)) << "the state depends on who reads it";
    ASSERT_TRUE(same_bits(state, scalar)) << "scale " << scale;
    ASSERT_EQ(out, scalar_out);
    ASSERT_EQ(out.back(), 0xAB) << "written outside";
    for (std::size_t i = 0; i < size; ++i) {
      ASSERT_EQ(out[i], static_cast<int>(std::nearbyint(63.0F * state[i])) + 64) << state[i];
    }
  }
}

TEST_P(Kernel, SaturatesWithoutNaN) {
  constexpr std::int64_t kHidden = 16;
  for (const float value : {-1e30F, -90.0F, 0.0F, 90.0F, 1e30F}) {
    for (const float other : {-1e30F, 0.0F, 1e30F}) {
      const std::vector<float> input(3 * kHidden, value), recurrent(3 * kHidden, other);
      std::vector<float> state(kHidden, 0.5F);
      std::vector<std::uint8_t> out(kHidden);
      kernels_.gru(input.data(), recurrent.data(), kHidden, state.data(), out.data());
      for (std::size_t i = 0; i < kHidden; ++i) {
        EXPECT_TRUE(state[i] >= -1.0F && state[i] <= 1.0F) << value;
        EXPECT_TRUE(out[i] >= 1 && out[i] <= 127) << value;
      }
    }
  }
}

TEST_P(Kernel, ComputesGeluLikeDoublePrecision) {
  Random random(5);
  for (int round = 0; round < 60; ++round) {
    const std::int64_t n = kPanelLanes * (1 + random.below(8));
    const std::vector<float> x =
        round % 2 == 0 ? random.vector(n, 6.0F) : of_all_sizes(random, n, 30.0F);
    std::vector<float> got = x, scalar = x;
    got.push_back(7.0F);
    kernels_.gelu(got.data(), n);
    scalar_.gelu(scalar.data(), n);
    ASSERT_EQ(got.back(), 7.0F) << "written outside";
    got.pop_back();
    ASSERT_TRUE(same_bits(got, scalar)) << round;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto value = static_cast<double>(x[i]);
      // The error function's 1.5e-7 and a few roundings, times half the value; and what the
      // value itself rounds to.
      const double expected = 0.5 * value * (1.0 + std::erf(value / std::sqrt(2.0)));
      ASSERT_NEAR(got[i], expected, 3e-7 * std::fabs(value)) << value;
    }
  }
  std::vector<float> extremes(16, -1e37F);
  std::fill(extremes.begin() + 8, extremes.end(), 1e37F);
  kernels_.gelu(extremes.data(), 16);
  EXPECT_EQ(extremes.front(), 0.0F);
  EXPECT_EQ(extremes.back(), 1e37F);
}

TEST_P(Kernel, NormalisesLikeDoublePrecision) {
  Random random(6);
  for (std::int64_t n = 1; n <= 130; n += n < 35 ? 1 : 13) {
    const auto width = static_cast<std::size_t>(padded(n));
    const float offset = 3.0F * random.uniform(), scale = std::pow(10.0F, 2.0F * random.uniform());
    std::vector<float> x = random.vector(n, scale, offset), factor = random.vector(n, 0.2F, 1.0F),
                       shift = random.vector(n, 0.1F);
    for (std::vector<float>* row : {&x, &factor, &shift}) {
      row->resize(width, 0.0F);
    }
    std::vector<float> got(width + 1, 7.0F), scalar = got, in_place = x;
    kernels_.normalise(factor.data(), shift.data(), x.data(), n, got.data());
    scalar_.normalise(factor.data(), shift.data(), x.data(), n, scalar.data());
    kernels_.normalise(factor.data(), shift.data(), in_place.data(), n, in_place.data());
    ASSERT_TRUE(same_bits(got, scalar)) << n;
    ASSERT_EQ(got.back(), 7.0F) << "written outside";
    got.pop_back();
    ASSERT_TRUE(same_bits(got, in_place)) << n;
    double mean = 0.0, variance = 0.0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      mean += static_cast<double>(x[i]) / static_cast<double>(n);
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      const double d = static_cast<double>(x[i]) - mean;
      variance += d * d / static_cast<double>(n);
    }
    // What rounding the mean, of values up to `offset` + `scale`, costs in units of the deviation.
    const double size = static_cast<double>(std::fabs(offset) + scale);
    const double tolerance = 4e-6 + 1e-6 * size / std::sqrt(variance + 1e-5);
    for (std::size_t i = 0; i < width; ++i) {
      const double expected = i < static_cast<std::size_t>(n)
                                  ? (static_cast<double>(x[i]) - mean) /
                                            std::sqrt(variance + 1e-5) *
                                            static_cast<double>(factor[i]) +
                                        static_cast<double>(shift[i])
                                  : 0.0;
      ASSERT_NEAR(got[i], expected, tolerance) << n << ", element " << i;
    }
  }
}

TEST_P(Kernel, NormalisesHugeValuesWithoutNaN) {
  for (const float value : {1e25F, -1e30F, 1e36F}) {
    std::vector<float> x(16, value), ones(16, 1.0F), zeros(16, 0.0F), out(16);
    x[3] = -value;
    kernels_.normalise(ones.data(), zeros.data(), x.data(), 16, out.data());
    for (const float got : out) {
      EXPECT_TRUE(std::isfinite(got)) << value;
    }
  }
}

TEST_P(Kernel, ComputesSoftmaxLikeDoublePrecision) {
  Random random(7);
  for (std::int64_t count = 1; count <= 70; ++count) {
    const auto width = static_cast<std::size_t>(padded(count));
    for (const float scale : {0.1F, 5.0F, 40.0F}) {
      const std::vector<float> scores = random.vector(count, scale, 10.0F * random.uniform());
      // What lies behind the scores has no effect, whatever it is.
      std::vector<float> got = scores;
      got.resize(width, std::numeric_limits<float>::quiet_NaN());
      got.push_back(7.0F);
      std::vector<float> scalar = scores;
      scalar.resize(width + 1, 7.0F);
      kernels_.softmax(got.data(), count);
      scalar_.softmax(scalar.data(), count);
      ASSERT_TRUE(same_bits(got, scalar)) << count << ", scale " << scale;
      ASSERT_EQ(got.back(), 7.0F) << "written outside";
      const auto highest = static_cast<double>(*std::max_element(scores.begin(), scores.end()));
      double sum = 0.0;
      for (const float score : scores) {
        sum += std::exp(static_cast<double>(score) - highest);
      }
      for (std::size_t i = 0; i < width; ++i) {
        const double expected =
            i < scores.size() ? std::exp(static_cast<double>(scores[i]) - highest) / sum : 0.0;
        // The exponential's 3e-7, and the rounding of the difference before it.
        ASSERT_NEAR(got[i], expected, expected * (1e-6 + 2e-7 * static_cast<double>(scale)))
            << count << ", scale " << scale;
      }
    }
  }
}

TEST_P(Kernel, SoftensHugeScoresWithoutNaN) {
  std::vector<float> scores(32, -1e30F);
  scores[4] = scores[20] = 1e30F;
  kernels_.softmax(scores.data(), 21);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    EXPECT_NEAR(scores[i], i == 4 || i == 20 ? 0.5 : 0.0, 1e-6) << i;
  }
  std::fill(scores.begin(), scores.end(), -3e38F);
  kernels_.softmax(scores.data(), 32);
  for (const float share : scores) {
    EXPECT_EQ(share, 1.0F / 32.0F);
  }
}

TEST(Kernels, RefuseANameThatThisMachineLacks) {
  try {
    find_kernels("abacus");
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string(error.what()).find("scalar"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("abacus"), std::string::npos) << error.what();
  }
  EXPECT_EQ(available_kernels().back(), "scalar");
}

}  // namespace
}  // namespace dt
