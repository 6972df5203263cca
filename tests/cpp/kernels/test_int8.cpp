// The integer product, which is exact, and what makes activations of floats.
#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "dt/kernels.h"
#include "kernels/aligned.h"
#include "kernels/kernel_test.h"
#include "kernels/kernels.h"
#include "kernels/matrix.h"
#include "random_model.h"

namespace dt {
namespace {

using dt_test::KernelTest;
using dt_test::Random;
using dt_test::same_bits;

class Int8Kernel : public KernelTest {};

INSTANTIATE_TEST_SUITE_P(Available, Int8Kernel, testing::ValuesIn(available_kernels()),
                         dt_test::name_of);

// A product's operands, in buffers of exactly their size.
struct Product {
  Product(std::int64_t panel_count, std::int64_t operand_depth, std::int64_t rows_at_once,
          std::int64_t x_gap, std::int64_t y_gap)
      : panels(panel_count),
        depth(operand_depth),
        batch(rows_at_once),
        x_stride(depth + x_gap),
        y_stride(panels * kPanelLanes + y_gap),
        values(static_cast<std::size_t>(panels * kPanelLanes * depth)),
        scales(static_cast<std::size_t>(panels * kPanelLanes), 1.0F),
        offsets(scales.size(), 0),
        x(static_cast<std::size_t>((batch - 1) * x_stride + depth)),
        x_scales(static_cast<std::size_t>(batch), 1.0F),
        y(static_cast<std::size_t>(batch * y_stride + 1), 0.0F) {}

  void randomise(Random& random) {
    for (std::int8_t& value : values) {
      value = static_cast<std::int8_t>(random.below(255) - 127);
    }
    for (std::uint8_t& value : x) {
      value = static_cast<std::uint8_t>(1 + random.below(127));
    }
    for (std::int32_t& offset : offsets) {
      offset = static_cast<std::int32_t>(random.below(2000000) - 1000000);
    }
    scales = random.vector(static_cast<std::int64_t>(scales.size()), 0.01F, 0.011F);
    x_scales = random.vector(batch, 0.1F, 0.11F);
    y = random.vector(static_cast<std::int64_t>(y.size()));
  }

  std::int32_t sum(std::int64_t b, std::int64_t r) const {
    std::int32_t out = 0;
    for (std::int64_t k = 0; k < depth; ++k) {
      out += x[static_cast<std::size_t>(b * x_stride + k)] *
             values[static_cast<std::size_t>(int8_index(r, k, depth))];
    }
    return out;
  }

  // y as it must be, gaps included; `y` begins a float behind its buffer's start, so that no
  // row of it is aligned.
  std::vector<float> expected() const {
    std::vector<float> out = y;
    for (std::int64_t b = 0; b < batch; ++b) {
      for (std::int64_t r = 0; r < panels * kPanelLanes; ++r) {
        const auto at = static_cast<std::size_t>(r);
        float& value = out[static_cast<std::size_t>(1 + b * y_stride + r)];
        const auto difference = static_cast<float>(sum(b, r) - offsets[at]);
        value = value + difference * (scales[at] * x_scales[static_cast<std::size_t>(b)]);
      }
    }
    return out;
  }

  std::vector<float> result(const Kernels& kernels) const {
    std::vector<float> out = y;
    const Int8Panels weights = {values.data(), scales.data(), offsets.data(),
                                panels,        depth,         nullptr};
    kernels.multiply_add_int8(weights, x.data(), x_stride, x_scales.data(), batch, out.data() + 1,
                              y_stride, out.data() + 1, y_stride);
    return out;
  }

  std::int64_t panels, depth, batch, x_stride, y_stride;
  Aligned<std::int8_t> values;
  std::vector<float> scales;
  std::vector<std::int32_t> offsets;
  std::vector<std::uint8_t> x;
  std::vector<float> x_scales, y;
};

// Every batch there is a path for, with random numbers of panels, depths and strides.
TEST_P(Int8Kernel, MultipliesToTheBitsOfAPlainLoop) {
  Random random(1);
  for (std::int64_t batch = 1; batch <= 40; ++batch) {
    const std::int64_t panels = 1 + random.below(7), depth = kDepthStep * (1 + random.below(4));
    Product product(panels, depth, batch, random.below(3) * 7, random.below(3) * 5);
    product.randomise(random);
    ASSERT_TRUE(same_bits(product.result(kernels_), product.expected()))
        << panels << " panels, depth " << depth << ", batch " << batch;
  }
}

// Every number of panels, at the batches where the tiles of AMX change, and on both sides of them.
TEST_P(Int8Kernel, MultipliesAnyNumberOfPanels) {
  Random random(2);
  for (std::int64_t panels = 1; panels <= 10; ++panels) {
    for (const std::int64_t batch : {1, 2, 3, 8, 9, 16, 17, 31, 32, 33, 34, 35}) {
      Product product(panels, kDepthStep, batch, 0, 1);
      product.randomise(random);
      ASSERT_TRUE(same_bits(product.result(kernels_), product.expected()))
          << panels << " panels, batch " << batch;
    }
  }
}

// The greatest sums: of equal signs, where pairs would saturate first, and of alternating ones.
TEST_P(Int8Kernel, IsExactAtTheExtremes) {
  for (const std::int64_t depth : {std::int64_t{64}, std::int64_t{4096}}) {
    for (const std::int64_t batch : {1, 2, 3, 5, 17}) {
      for (const int kind : {0, 1, 2, 3}) {
        Product product(3, depth, batch, 0, 0);
        std::fill(product.x.begin(), product.x.end(), std::uint8_t{127});
        for (std::size_t i = 0; i < product.values.size(); ++i) {
          const bool negative =
              kind == 1 || (kind == 2 && i % 2 == 1) || (kind == 3 && i / 4 % 2 == 1);
          product.values[i] = static_cast<std::int8_t>(negative ? -127 : 127);
        }
        if (kind < 2) {
          const auto greatest = static_cast<std::int32_t>(depth * 127 * 127);
          ASSERT_EQ(product.sum(batch - 1, 47), kind == 0 ? greatest : -greatest);
        }
        ASSERT_TRUE(same_bits(product.result(kernels_), product.expected()))
            << "depth " << depth << ", batch " << batch << ", kind " << kind;
      }
    }
  }
}

TEST_P(Int8Kernel, HoldsTheSumsOfTheGreatestDepth) {
  for (const std::int64_t batch : {1, 4}) {
    Product product(1, kMostDepth, batch, 0, 0);
    std::fill(product.x.begin(), product.x.end(), std::uint8_t{127});
    std::fill(product.values.begin(), product.values.end(), std::int8_t{-127});
    // Of the other sign than what a zero point adds: a greater difference than there can be.
    std::fill(product.offsets.begin(), product.offsets.end(),
              static_cast<std::int32_t>(kMostDepth * kZeroPoint * 127));
    ASSERT_EQ(product.sum(0, 0), -1057030144);
    ASSERT_TRUE(same_bits(product.result(kernels_), product.expected())) << batch;
  }
}

// quantise() in plain floats.
float quantised(const std::vector<float>& x, float steps, std::int32_t zero,
                std::vector<std::uint8_t>* out) {
  float range = 0.0F;
  for (const float value : x) {
    range = std::max(range, std::fabs(value));
  }
  const bool usable = range > 1.0e-30F;
  const float inverse = usable ? steps / range : 0.0F;
  out->clear();
  for (const float value : x) {
    out->push_back(
        static_cast<std::uint8_t>(static_cast<int>(std::nearbyint(value * inverse)) + zero));
  }
  return usable ? range / steps : 0.0F;
}

struct Steps {
  float steps;
  std::int32_t zero;
};
// Of activations, of keys and values, of attention's shares.
constexpr Steps kSteps[] = {{kActivationSteps, kZeroPoint}, {kWeightSteps, 0}, {kShareSteps, 0}};

TEST_P(Int8Kernel, QuantisesToTheNearestStep) {
  Random random(3);
  for (int round = 0; round < 200; ++round) {
    const std::int64_t n = kPanelLanes * (1 + random.below(20));
    const std::vector<float> x = round % 2 == 0
                                     ? random.vector(n, std::pow(10.0F, 30.0F * random.uniform()))
                                     : dt_test::of_all_sizes(random, n, 6.0F);
    for (const auto& [steps, zero] : kSteps) {
      // What stands behind the row is not written.
      std::vector<std::uint8_t> expected, got(static_cast<std::size_t>(n) + 1, 0xAB);
      const float scale = kernels_.quantise(x.data(), n, steps, zero, got.data());
      ASSERT_EQ(got.back(), 0xAB);
      got.pop_back();
      ASSERT_EQ(scale, quantised(x, steps, zero, &expected));
      ASSERT_EQ(got, expected) << round;
      bool reached = scale == 0.0F;
      for (std::size_t i = 0; i < got.size(); ++i) {
        // Signed bytes where there is no zero point.
        const int number = zero == 0 ? static_cast<std::int8_t>(got[i]) : got[i] - zero;
        ASSERT_LE(std::abs(number), static_cast<int>(steps));
        ASSERT_NEAR(static_cast<double>(number) * static_cast<double>(scale),
                    static_cast<double>(x[i]), 0.50001 * static_cast<double>(scale) + 1e-30);
        reached = reached || std::abs(number) == static_cast<int>(steps);
      }
      ASSERT_TRUE(reached) << "the greatest magnitude is not the last step";
    }
  }
}

TEST_P(Int8Kernel, QuantisesTheSmallestAndTheGreatest) {
  for (const float value : {0.0F, -0.0F, 1.0e-45F, 1.0e-40F, -1.0e-40F, 1.0e-31F, 1.0e-30F,
                            1.0001e-30F, -1.0e-29F, 1.0e30F, -1.0e30F, FLT_MAX, -FLT_MAX}) {
    std::vector<float> x(32, 0.0F);
    x[19] = value;
    x[20] = value / 2.0F;
    for (const auto& [steps, zero] : kSteps) {
      std::vector<std::uint8_t> expected, got(32, 0xAB);
      const float scale = kernels_.quantise(x.data(), 32, steps, zero, got.data());
      ASSERT_EQ(scale, quantised(x, steps, zero, &expected)) << value;
      ASSERT_EQ(got, expected) << value;
      ASSERT_TRUE(std::isfinite(scale));
      if (std::fabs(value) < 1.0e-30F) {
        ASSERT_EQ(scale, 0.0F);
        ASSERT_EQ(got, std::vector<std::uint8_t>(32, static_cast<std::uint8_t>(zero)));
      }
    }
  }
}

// Halves go to the even number, on every instruction set.
TEST_P(Int8Kernel, RoundsHalvesToTheEvenNumber) {
  std::vector<float> x(16, 0.0F);
  x[0] = kActivationSteps;
  for (int i = 1; i < 16; ++i) {
    x[static_cast<std::size_t>(i)] = static_cast<float>(i - 8) + 0.5F;
  }
  std::vector<std::uint8_t> got(16);
  EXPECT_EQ(kernels_.quantise(x.data(), 16, kActivationSteps, kZeroPoint, got.data()), 1.0F);
  const std::vector<std::uint8_t> expected = {127, 58, 58, 60, 60, 62, 62, 64,
                                              64,  66, 66, 68, 68, 70, 70, 72};
  EXPECT_EQ(got, expected);
}

}  // namespace
}  // namespace dt
