#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "dt/kernels.h"
#include "kernels/kernels.h"
#include "kernels/packed_matrix.h"
#include "random_model.h"

namespace dt {
namespace {

using dt_test::Random;

class Kernel : public testing::TestWithParam<std::string> {
 protected:
  const Kernels& kernels_ = find_kernels(GetParam().c_str());
};

INSTANTIATE_TEST_SUITE_P(Available, Kernel, testing::ValuesIn(available_kernels()),
                         [](const auto& test) { return test.param; });

TEST_P(Kernel, MultipliesLikeDoublePrecision) {
  Random random(1);
  for (const std::int64_t rows : {1, 16, 17, 52, 80, 768}) {
    for (const std::int64_t depth : {1, 3, 52, 256}) {
      const std::int64_t batch = 1 + random.below(20);
      const std::vector<float> w = random.vector(rows * depth);
      const std::vector<float> x = random.vector(batch * (depth + 5));
      const PackedMatrix packed = pack(w.data(), 1, rows, depth, depth);
      const std::vector<float> start = random.vector(batch * (packed.rows + 3));
      std::vector<float> y = start;
      packed.multiply_add(kernels_, x.data(), depth + 5, batch, y.data(), packed.rows + 3);
      for (std::int64_t b = 0; b < batch; ++b) {
        for (std::int64_t r = 0; r < packed.rows + 3; ++r) {
          const auto at = static_cast<std::size_t>(b * (packed.rows + 3) + r);
          double expected = static_cast<double>(start[at]);
          for (std::int64_t k = 0; r < rows && k < depth; ++k) {
            expected += static_cast<double>(w[static_cast<std::size_t>(r * depth + k)]) *
                        static_cast<double>(x[static_cast<std::size_t>(b * (depth + 5) + k)]);
          }
          ASSERT_NEAR(y[at], expected, 2e-5) << rows << " x " << depth << ", batch " << batch;
          if (r >= rows) {
            ASSERT_EQ(y[at], start[at]) << "written outside the matrix";
          }
        }
      }
    }
  }
}

TEST_P(Kernel, GivesAColumnTheSameBitsInAnyBatch) {
  constexpr std::int64_t kRows = 208, kDepth = 133, kBatch = 19;
  Random random(2);
  const std::vector<float> w = random.vector(kRows * kDepth), x = random.vector(kBatch * kDepth);
  const PackedMatrix packed = pack(w.data(), 1, kRows, kDepth, kDepth);
  std::vector<float> alone(kBatch * kRows, 0.5F);
  for (std::int64_t b = 0; b < kBatch; ++b) {
    packed.multiply_add(kernels_, x.data() + b * kDepth, kDepth, 1, alone.data() + b * kRows,
                        kRows);
  }
  for (std::int64_t batch = 1; batch <= kBatch; ++batch) {
    std::vector<float> together(kBatch * kRows, 0.5F);
    for (std::int64_t b = 0; b < kBatch; b += batch) {
      packed.multiply_add(kernels_, x.data() + b * kDepth, kDepth, std::min(batch, kBatch - b),
                          together.data() + b * kRows, kRows);
    }
    ASSERT_EQ(std::memcmp(together.data(), alone.data(), alone.size() * sizeof(float)), 0) << batch;
  }
}

TEST_P(Kernel, ComputesGruGatesLikeDoublePrecision) {
  constexpr std::int64_t kHidden = 48;
  Random random(3);
  for (const float scale : {0.1F, 3.0F, 30.0F, 300.0F}) {
    const std::vector<float> input = random.vector(3 * kHidden, scale);
    const std::vector<float> recurrent = random.vector(3 * kHidden, scale);
    const std::vector<float> before = random.vector(kHidden);
    std::vector<float> state = before;
    kernels_.gru(input.data(), recurrent.data(), kHidden, state.data());
    for (std::size_t i = 0; i < kHidden; ++i) {
      const auto sum = [&](std::size_t gate) {
        return static_cast<double>(input[gate * kHidden + i]) +
               static_cast<double>(recurrent[gate * kHidden + i]);
      };
      const double reset = 1.0 / (1.0 + std::exp(-sum(0)));
      const double update = 1.0 / (1.0 + std::exp(-sum(1)));
      const double fresh = std::tanh(static_cast<double>(input[2 * kHidden + i]) +
                                     reset * static_cast<double>(recurrent[2 * kHidden + i]));
      const double expected = (1.0 - update) * fresh + update * static_cast<double>(before[i]);
      // The gates' own error, and that of rounding a large sum before the tangent.
      ASSERT_NEAR(state[i], expected, 1e-6 + 1e-7 * static_cast<double>(scale)) << scale;
    }
  }
}

TEST_P(Kernel, SaturatesWithoutNaN) {
  constexpr std::int64_t kHidden = 16;
  for (const float value : {-1e30F, -90.0F, 0.0F, 90.0F, 1e30F}) {
    const std::vector<float> input(3 * kHidden, value), recurrent(3 * kHidden, value);
    std::vector<float> state(kHidden, 0.5F);
    kernels_.gru(input.data(), recurrent.data(), kHidden, state.data());
    for (const float s : state) {
      EXPECT_TRUE(s >= -1.0F && s <= 1.0F) << value;
    }
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

TEST(PackedMatrix, PadsEachGroupToWholePanels) {
  const std::vector<float> w = {1, 2, 3, 4, 5, 6};  // 3 groups of 1 row, depth 2
  const PackedMatrix packed = pack(w.data(), 3, 1, 2, 2);
  ASSERT_EQ(packed.rows, 48);
  for (std::size_t i = 0; i < packed.panels.size(); ++i) {
    const std::size_t panel = i / 32, k = i % 32 / 16, lane = i % 16;
    EXPECT_EQ(packed.panels[i], lane == 0 ? w[panel * 2 + k] : 0.0F);
  }
  const AlignedFloats bias = pack_bias(w.data(), 3, 2);
  ASSERT_EQ(bias.size(), 48U);
  EXPECT_EQ(bias[17], 4.0F);
  EXPECT_EQ(bias[18], 0.0F);
}

}  // namespace
}  // namespace dt
