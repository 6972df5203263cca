#include "dt/noise.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "arithmetic/elementary.h"

namespace dt {
namespace {

template <std::size_t N>
double horner(const double (&coefficients)[N], double x) {
  double sum = coefficients[N - 1];
  for (std::size_t i = N - 1; i-- > 0;) {
    sum = sum * x + coefficients[i];
  }
  return sum;
}

// AS 241's published constants (PPND16).
constexpr double kA[] = {3.3871328727963666080e0,  1.3314166789178437745e+2,
                         1.9715909503065514427e+3, 1.3731693765509461125e+4,
                         4.5921953931549871457e+4, 6.7265770927008700853e+4,
                         3.3430575583588128105e+4, 2.5090809287301226727e+3};
constexpr double kB[] = {1.0,
                         4.2313330701600911252e+1,
                         6.8718700749205790830e+2,
                         5.3941960214247511077e+3,
                         2.1213794301586595867e+4,
                         3.9307895800092710610e+4,
                         2.8729085735721942674e+4,
                         5.2264952788528545610e+3};
constexpr double kC[] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                         5.76949722146069140550e0,  3.64784832476320460504e0,
                         1.27045825245236838258e0,  2.41780725177450611770e-1,
                         2.27238449892691845833e-2, 7.74545014278341407640e-4};
constexpr double kD[] = {1.0,
                         2.05319162663775882187e0,
                         1.67638483018380384940e0,
                         6.89767334985100004550e-1,
                         1.48103976427480074590e-1,
                         1.51986665636164571966e-2,
                         5.47593808499534494600e-4,
                         1.05075007164441684324e-9};
constexpr double kE[] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                         1.78482653991729133580e0,  2.96560571828504891230e-1,
                         2.65321895265761230930e-2, 1.24266094738807843860e-3,
                         2.71155556874348757815e-5, 2.01033439929228813265e-7};
constexpr double kF[] = {1.0,
                         5.99832206555887937690e-1,
                         1.36929880922735805310e-1,
                         1.48753612908506148525e-2,
                         7.86869131145613259100e-4,
                         1.84631831751005468180e-5,
                         1.42151175831644588870e-7,
                         2.04426310338993978564e-15};

constexpr int kAtOnce = 16;

// normal_from_bits of up to kAtOnce words. The formula for the middle is worked out for all of
// them, which compilers do several at a time, and replaced where a word lies in a tail.
void normals_from_bits(const std::uint32_t* bits, int count, float* out) {
  double p[kAtOnce], q[kAtOnce];
  for (int i = 0; i < count; ++i) {
    p[i] = (static_cast<double>(bits[i]) + 0.5) / 4294967296.0;
    q[i] = p[i] - 0.5;
  }
  for (int i = 0; i < count; ++i) {
    const double r = 0.180625 - q[i] * q[i];
    out[i] = static_cast<float>(q[i] * horner(kA, r) / horner(kB, r));
  }
  for (int i = 0; i < count; ++i) {
    if (std::fabs(q[i]) <= 0.425) {
      continue;
    }
    const double r = std::sqrt(-arithmetic::log(q[i] < 0.0 ? p[i] : 1.0 - p[i]));
    const double tail = r <= 5.0 ? horner(kC, r - 1.6) / horner(kD, r - 1.6)
                                 : horner(kE, r - 5.0) / horner(kF, r - 5.0);
    out[i] = static_cast<float>(q[i] < 0.0 ? -tail : tail);
  }
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = 0xD2511F53ULL * counter[0];
    const std::uint64_t p1 = 0xCD9E8D57ULL * counter[2];
    counter = {
        static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
        static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key[0] += 0x9E3779B9U;
    key[1] += 0xBB67AE85U;
  }
  return counter;
}

float normal_from_bits(std::uint32_t bits) {
  float normal = 0.0F;
  normals_from_bits(&bits, 1, &normal);
  return normal;
}

void normal_noise(std::uint64_t seed, std::int64_t frame, int curves, float* out,
                  const float* scale) {
  const auto index = static_cast<std::uint64_t>(frame);
  const std::array<std::uint32_t, 2> key = {static_cast<std::uint32_t>(seed),
                                            static_cast<std::uint32_t>(seed >> 32)};
  const auto wanted = [scale](int c) { return scale == nullptr || scale[c] != 0.0F; };
  for (int first = 0; first < curves; first += kAtOnce) {
    const int last = std::min(first + kAtOnce, curves);
    std::uint32_t bits[kAtOnce];
    int places[kAtOnce], count = 0;
    std::array<std::uint32_t, 4> words{};
    int drawn = -1;  // the block of four that they are of
    for (int c = first; c < last; ++c) {
      if (!wanted(c)) {
        out[c] = 0.0F;
        continue;
      }
      if (drawn != c / 4) {
        drawn = c / 4;
        words =
            philox4x32({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
                        static_cast<std::uint32_t>(drawn), 0U},
                       key);
      }
      bits[count] = words[static_cast<std::size_t>(c % 4)];
      places[count++] = c;
    }
    float normals[kAtOnce];
    normals_from_bits(bits, count, normals);
    for (int i = 0; i < count; ++i) {
      out[places[i]] = scale == nullptr ? normals[i] : normals[i] * scale[places[i]];
    }
  }
}

}  // namespace dt
