// The elementary functions beside the C library's; that they give the same bits everywhere is
// tests/cpp/digest's to show.
#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "arithmetic/elementary.h"
#include "random_model.h"

namespace dt {
namespace {

using dt_test::Random;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Uniform in [low, high), with all of a double's bits.
double between(Random& random, double low, double high) {
  const double fine = static_cast<double>(random.uniform()) * 0x1p-24;
  return low + (high - low) * (0.5 + 0.5 * (static_cast<double>(random.uniform()) + fine));
}

// The distance in units of the last place of `expected`.
double units(double found, long double expected) {
  const double size = std::max(std::fabs(static_cast<double>(expected)), DBL_MIN);
  const auto unit = static_cast<long double>(std::nextafter(size, kInfinity) - size);
  return static_cast<double>(std::fabs(static_cast<long double>(found) - expected) / unit);
}

double relative(double found, long double expected) {
  return std::fabs(static_cast<double>((static_cast<long double>(found) - expected) / expected));
}

TEST(Elementary, ExpIsWithinAUnitOfTheLastPlace) {
  Random random(1);
  double worst = 0.0;
  for (const double range : {1e-12, 1e-3, 0.4, 1.0, 30.0, 708.0}) {
    for (int i = 0; i < 20000; ++i) {
      const double x = between(random, -range, range);
      worst = std::max(worst, units(arithmetic::exp(x), std::exp(static_cast<long double>(x))));
    }
  }
  EXPECT_LE(worst, 1.0);  // 1: musl computes long doubles in double
  for (int i = 0; i < 20000; ++i) {
    const double x = between(random, -745.2, -708.0);
    ASSERT_LE(std::fabs(arithmetic::exp(x) - std::exp(x)), 2.0 * 0x1p-1074) << x;
  }
}

TEST(Elementary, ExpAtItsEdges) {
  EXPECT_EQ(arithmetic::exp(0.0), 1.0);
  EXPECT_EQ(arithmetic::exp(-0.0), 1.0);
  EXPECT_EQ(arithmetic::exp(1e-300), 1.0);
  EXPECT_EQ(arithmetic::exp(kInfinity), kInfinity);
  EXPECT_EQ(arithmetic::exp(-kInfinity), 0.0);
  EXPECT_EQ(arithmetic::exp(709.79), kInfinity);
  EXPECT_LT(arithmetic::exp(709.78), kInfinity);
  const long double largest = 709.782712893384;
  EXPECT_LT(units(arithmetic::exp(709.782712893384), std::exp(largest)), 1.0);
  EXPECT_EQ(arithmetic::exp(-745.14), 0.0);
  EXPECT_EQ(arithmetic::exp(-745.13), 0x1p-1074);
  EXPECT_TRUE(std::isnan(arithmetic::exp(kNaN)));
}

TEST(Elementary, LogIsWithinARelative1em15) {
  Random random(2);
  double worst = 0.0;
  for (int i = 0; i < 50000; ++i) {
    const double near = between(random, 0.5, 2.0);
    worst =
        std::max(worst, relative(arithmetic::log(near), std::log(static_cast<long double>(near))));
    const double far = std::exp(between(random, -744.0, 709.0));
    worst =
        std::max(worst, relative(arithmetic::log(far), std::log(static_cast<long double>(far))));
  }
  for (double distance = 0.25; distance > 1e-15; distance *= 0.37) {
    for (const double x : {1.0 - distance, 1.0 + distance}) {
      worst = std::max(worst, relative(arithmetic::log(x), std::log(static_cast<long double>(x))));
    }
  }
  EXPECT_LT(worst, 1e-15);
}

TEST(Elementary, LogAtItsEdges) {
  EXPECT_EQ(arithmetic::log(1.0), 0.0);
  EXPECT_EQ(arithmetic::log(0.0), -kInfinity);
  EXPECT_EQ(arithmetic::log(-0.0), -kInfinity);
  EXPECT_EQ(arithmetic::log(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(arithmetic::log(-1.0)));
  EXPECT_TRUE(std::isnan(arithmetic::log(kNaN)));
  for (const double x : {0x1p-1074, 0x1.fp-1030, DBL_MIN, DBL_MAX}) {
    EXPECT_LT(relative(arithmetic::log(x), std::log(static_cast<long double>(x))), 1e-15) << x;
  }
}

TEST(Elementary, TurnsAreWithinARelative1em15) {
  for (const std::int64_t whole : {1LL, 3LL, 400LL, 4801LL, 1000003LL, 1LL << 58}) {
    Random random(3);
    for (int i = 0; i < 4000; ++i) {
      const std::int64_t part =
          whole <= 4000 ? i - 2000
                        : random.below(INT64_C(4000000000)) * random.below(200000000) % whole;
      const long double angle = 2.0L * 3.14159265358979323846264338L *
                                static_cast<long double>(part % whole) /
                                static_cast<long double>(whole);
      // The C library's own angle is rounded: where a result is near 0 that shows.
      const auto near = [](double found, long double expected) {
        return std::fabs(static_cast<double>(static_cast<long double>(found) - expected)) <
               1e-15 * static_cast<double>(std::fabs(expected)) + 2e-18;
      };
      ASSERT_TRUE(near(arithmetic::cos_of_turn(part, whole), std::cos(angle)))
          << part << "/" << whole;
      ASSERT_TRUE(near(arithmetic::sin_of_turn(part, whole), std::sin(angle)))
          << part << "/" << whole;
    }
  }
}

TEST(Elementary, WholeAndQuarterTurnsAreExact) {
  for (std::int64_t turns = -3; turns < 4; ++turns) {
    const double cosines[] = {1.0, 0.0, -1.0, 0.0}, sines[] = {0.0, 1.0, 0.0, -1.0};
    for (std::int64_t quarter = 0; quarter < 4; ++quarter) {
      EXPECT_EQ(arithmetic::cos_of_turn(4 * turns + quarter, 4), cosines[quarter]);
      EXPECT_EQ(arithmetic::sin_of_turn(400 * turns + 100 * quarter, 400), sines[quarter]);
    }
  }
}

float log10_of(float x) {
  float out = 0.0F;
  arithmetic::log10(&x, 1, &out);
  return out;
}

// Distance in units of the last place of a float.
double float_units(float found, double expected) {
  const auto size = std::max(static_cast<float>(std::fabs(expected)), FLT_MIN);
  const float unit = std::nextafter(size, std::numeric_limits<float>::infinity()) - size;
  return std::fabs(static_cast<double>(found) - expected) / static_cast<double>(unit);
}

TEST(Elementary, DecimalLogarithmsAreWithin1Point5UnitsOfTheLastPlace) {
  // Every 1009th positive normal float, and all that are nearest to 1.
  std::vector<float> x;
  for (std::uint32_t bits = 0x00800000U; bits < 0x7F800000U; bits += 1009U) {
    float value = 0.0F;
    std::memcpy(&value, &bits, sizeof value);
    x.push_back(value);
  }
  for (std::uint32_t bits = 0x3F7F0000U; bits < 0x3F810000U; ++bits) {
    float value = 0.0F;
    std::memcpy(&value, &bits, sizeof value);
    x.push_back(value);
  }
  std::vector<float> found(x.size());
  arithmetic::log10(x.data(), static_cast<std::int64_t>(x.size()), found.data());
  double worst = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    worst = std::max(worst, float_units(found[i], std::log10(static_cast<double>(x[i]))));
  }
  EXPECT_LT(worst, 1.5);
}

TEST(Elementary, DecimalLogarithmsAtTheirEdges) {
  constexpr float kInfinite = std::numeric_limits<float>::infinity();
  constexpr float kNone = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(log10_of(1.0F), 0.0F);
  EXPECT_EQ(log10_of(kInfinite), kInfinite);
  EXPECT_TRUE(std::isnan(log10_of(kNone)));
  EXPECT_TRUE(std::isnan(log10_of(-kNone)));
  const float least = log10_of(FLT_MIN);
  EXPECT_NEAR(least, -37.929779F, 1e-5F);
  for (const float x : {0.0F, -0.0F, 1e-42F, -1.0F, -kInfinite}) {
    EXPECT_EQ(log10_of(x), least) << x;
  }
}

TEST(Elementary, ADecimalLogarithmKnowsNothingOfItsNeighbours) {
  Random random(4);
  std::vector<float> x = random.vector(101, 2.0F, 2.5F), whole(101);
  arithmetic::log10(x.data(), 101, whole.data());
  for (std::size_t i = 0; i < x.size(); ++i) {
    ASSERT_EQ(log10_of(x[i]), whole[i]);
  }
  arithmetic::log10(x.data(), 101, x.data());  // in place
  EXPECT_EQ(x, whole);
}

}  // namespace
}  // namespace dt
