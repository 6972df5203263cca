// What the kernels' tests share: one test a kernel, and buffers that show what is written.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "dt/kernels.h"
#include "kernels/kernels.h"
#include "random_model.h"

namespace dt_test {

class KernelTest : public testing::TestWithParam<std::string> {
 protected:
  const dt::Kernels& kernels_ = dt::find_kernels(GetParam().c_str());
  // What every kernel's bits are compared with.
  const dt::Kernels& scalar_ = *dt::scalar_kernels();
};

inline std::string name_of(const testing::TestParamInfo<std::string>& test) { return test.param; }

template <typename T, typename A, typename B>
bool same_bits(const std::vector<T, A>& a, const std::vector<T, B>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

// Random magnitudes as well as random values: 10^-exponent to 10^exponent.
inline std::vector<float> of_all_sizes(Random& random, std::int64_t n, float exponent) {
  std::vector<float> out = random.vector(n);
  for (float& value : out) {
    value *= std::pow(10.0F, exponent * random.uniform());
  }
  return out;
}

}  // namespace dt_test
