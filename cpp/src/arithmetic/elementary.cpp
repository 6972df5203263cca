#include "arithmetic/elementary.h"

#include <cfloat>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

// What no promise of equal bits survives.
#if defined(__FAST_MATH__)
#error "this project is not compiled with -ffast-math"
#endif
static_assert(FLT_EVAL_METHOD == 0, "float and double have to be rounded to their own precision");
static_assert(std::numeric_limits<float>::is_iec559 && std::numeric_limits<double>::is_iec559,
              "float and double have to be IEEE 754's");

namespace dt::arithmetic {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::uint32_t bits_of(float x) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

std::uint64_t bits_of(double x) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

float float_of(std::uint32_t bits) {
  float x = 0.0F;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

double double_of(std::uint64_t bits) {
  double x = 0.0;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// `yes ? a : b` on bits, of which no compiler makes a jump.
std::uint32_t chosen(bool yes, std::uint32_t a, std::uint32_t b) {
  const std::uint32_t mask = 0U - static_cast<std::uint32_t>(yes);
  return (a & mask) | (b & ~mask);
}

// 2^exponent, from -1022 to 1023.
double power_of_two(int exponent) {
  return double_of(static_cast<std::uint64_t>(exponent + 1023) << 52);
}

// c[0] + x c[1] + x^2 c[2] + ..., by Horner's rule.
template <std::size_t N>
double polynomial(const double (&c)[N], double x) {
  double sum = c[N - 1];
  for (std::size_t i = N - 1; i-- > 0;) {
    sum = sum * x + c[i];
  }
  return sum;
}

// Taylor's series up to an eighth of a turn either way; what they leave out is below 1e-17.
constexpr double kHalfPi = 1.57079632679489661923;

double sine(double x) {
  constexpr double kSeries[] = {
      -1.0 / 6.0,        1.0 / 120.0,        -1.0 / 5040.0,          1.0 / 362880.0,
      -1.0 / 39916800.0, 1.0 / 6227020800.0, -1.0 / 1307674368000.0, 1.0 / 355687428096000.0};
  const double square = x * x;
  return x + x * (square * polynomial(kSeries, square));
}

double cosine(double x) {
  constexpr double kSeries[] = {
      1.0 / 24.0,        -1.0 / 720.0,         1.0 / 40320.0,         -1.0 / 3628800.0,
      1.0 / 479001600.0, -1.0 / 87178291200.0, 1.0 / 20922789888000.0};
  const double square = x * x;
  return (1.0 - 0.5 * square) + square * (square * polynomial(kSeries, square));
}

// An angle as `quarters` of a turn, 0 to 3, and a rest of at most an eighth of one, in radians.
struct Angle {
  std::int64_t quarters;
  double rest;
};

Angle reduced(std::int64_t part, std::int64_t whole) {
  const std::int64_t remainder = part % whole;
  const std::int64_t turned = remainder < 0 ? remainder + whole : remainder;
  const std::int64_t quarters = (8 * turned + whole) / (2 * whole);  // the nearest
  const std::int64_t rest = 4 * turned - quarters * whole;
  return {quarters % 4, static_cast<double>(rest) * kHalfPi / static_cast<double>(whole)};
}

}  // namespace

double exp(double x) {
  if (x != x) {
    return x;
  }
  if (x > 709.782712893384) {  // the logarithm of the largest double
    return kInfinity;
  }
  if (x < -745.1332191019412) {  // and of half the smallest
    return 0.0;
  }
  // x = n log 2 + r, |r| <= log 2 / 2. The first part of log 2 has 33 bits: n times it is exact.
  constexpr double kLogTwoFirst = 0x1.62e42feep-1, kLogTwoRest = 0x1.a39ef35793c76p-33;
  const double turns = x * 0x1.71547652b82fep+0;
  const int n = static_cast<int>(turns + (turns < 0.0 ? -0.5 : 0.5));
  const double first = x - static_cast<double>(n) * kLogTwoFirst;
  const double rest = static_cast<double>(n) * kLogTwoRest;
  const double r = first - rest;
  const double lost = (first - r) - rest;  // when r was rounded
  constexpr double kSeries[] = {1.0 / 2.0,        1.0 / 6.0,         1.0 / 24.0,
                                1.0 / 120.0,      1.0 / 720.0,       1.0 / 5040.0,
                                1.0 / 40320.0,    1.0 / 362880.0,    1.0 / 3628800.0,
                                1.0 / 39916800.0, 1.0 / 479001600.0, 1.0 / 6227020800.0};
  const double power = 1.0 + (r + (r * r * polynomial(kSeries, r) + lost));
  // In two steps: 2^n itself may be beyond a double's range on either side.
  const int half = n / 2;
  return power * power_of_two(half) * power_of_two(n - half);
}

double log(double x) {
  if (!(x > 0.0)) {
    return x == 0.0 ? -kInfinity : kNaN;
  }
  if (x == kInfinity) {
    return x;
  }
  int exponent = 0;
  if (x < DBL_MIN) {
    x *= 0x1p54;
    exponent = -54;
  }
  // x = m 2^exponent with m in [sqrt(1/2), sqrt(2)), log m = 2 atanh((m - 1) / (m + 1)) as its odd
  // series, whose 13th term is below 1e-20.
  const std::uint64_t bits = bits_of(x);
  exponent += static_cast<int>(bits >> 52) - 1022;
  double m = double_of((bits & 0x000FFFFFFFFFFFFFULL) | 0x3FE0000000000000ULL);
  if (m < 0.70710678118654752) {
    m *= 2.0;
    --exponent;
  }
  constexpr double kSeries[] = {1.0,        1.0 / 3.0,  1.0 / 5.0,  1.0 / 7.0,  1.0 / 9.0,
                                1.0 / 11.0, 1.0 / 13.0, 1.0 / 15.0, 1.0 / 17.0, 1.0 / 19.0,
                                1.0 / 21.0, 1.0 / 23.0, 1.0 / 25.0};
  const double s = (m - 1.0) / (m + 1.0);
  return 2.0 * s * polynomial(kSeries, s * s) + exponent * 0.69314718055994530942;
}

double cos_of_turn(std::int64_t part, std::int64_t whole) {
  const Angle angle = reduced(part, whole);
  const double value = angle.quarters % 2 == 0 ? cosine(angle.rest) : sine(angle.rest);
  return angle.quarters == 1 || angle.quarters == 2 ? -value : value;
}

double sin_of_turn(std::int64_t part, std::int64_t whole) {
  const Angle angle = reduced(part, whole);
  const double value = angle.quarters % 2 == 0 ? sine(angle.rest) : cosine(angle.rest);
  return angle.quarters >= 2 ? -value : value;
}

// Without a branch, so that compilers do several at a time; none knows of another.
void log10(const float* x, std::int64_t count, float* out) {
  constexpr std::uint32_t kRootOfHalf = 0x3F3504F3, kOne = 0x3F800000;  // their bits
  constexpr std::int32_t kInfinite = 0x7F800000, kSmallestNormal = 0x00800000;
  // log10 2 and log10 e, each a first part of 12 bits, whose products here are exact, and the rest.
  constexpr float kTwoFirst = 0x1.344p-2F, kTwoRest = 0x1.3509f8p-18F;
  constexpr float kEFirst = 0x1.bccp-2F, kERest = -0x1.09d5b2p-15F;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint32_t given = bits_of(x[i]);
    const auto number = static_cast<std::int32_t>(given);
    std::uint32_t bits = chosen(number < kSmallestNormal, kSmallestNormal, given);
    // x = (1 + f) 2^exponent with 1 + f in [sqrt(1/2), sqrt(2)).
    const auto exponent = static_cast<std::int32_t>((bits - kRootOfHalf + kOne) >> 23) - 127;
    bits -= static_cast<std::uint32_t>(exponent) << 23;
    const float f = float_of(bits) - 1.0F;
    // log(1 + f) = f - f^2 / 2 + f^3 p(f), p being the polynomial whose largest error is least.
    float p = -0.0787101F;
    p = p * f + 0.12876703F;
    p = p * f - 0.13121942F;
    p = p * f + 0.14181668F;
    p = p * f - 0.16625375F;
    p = p * f + 0.20002277F;
    p = p * f - 0.25000784F;
    p = p * f + 0.33333316F;
    const float square = f * f;
    const float small = f * square * p - 0.5F * square;
    const float f_first = float_of(bits_of(f) & 0xFFFFF000U);
    const auto e = static_cast<float>(exponent);
    const float rest =
        (small * kEFirst + (f - f_first) * kEFirst) + ((f + small) * kERest + e * kTwoRest);
    const float result = (rest + f_first * kEFirst) + e * kTwoFirst;
    const bool infinite = number == kInfinite, nan = (number & 0x7FFFFFFF) > kInfinite;
    out[i] = float_of(chosen(infinite | nan, given, bits_of(result)));
  }
}

}  // namespace dt::arithmetic
