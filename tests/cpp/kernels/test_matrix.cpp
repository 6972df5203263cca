// Matrices and the rows that they multiply: how they are packed, and what their products are worth.
#include "kernels/matrix.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "dt/kernels.h"
#include "kernels/kernel_test.h"
#include "kernels/kernels.h"
#include "random_model.h"

namespace dt {
namespace {

using dt_test::KernelTest;
using dt_test::Random;
using dt_test::same_bits;

class MatrixOn : public KernelTest {};

INSTANTIATE_TEST_SUITE_P(Available, MatrixOn, testing::ValuesIn(available_kernels()),
                         dt_test::name_of);

Elements floats(const std::vector<float>& w, std::int64_t depth) {
  Elements elements;
  elements.floats = w.data();
  elements.row_stride = depth;
  return elements;
}

Operand operand(const Kernels& kernels, Precision precision, const std::vector<float>& x,
                std::int64_t depth) {
  const std::int64_t rows = static_cast<std::int64_t>(x.size()) / depth;
  Operand out(precision, rows, depth);
  for (std::int64_t i = 0; i < rows; ++i) {
    std::copy(x.begin() + i * depth, x.begin() + (i + 1) * depth, out.row(i));
  }
  out.close(kernels, rows);
  return out;
}

// How far the integer product of w and x, of `depth` elements each, may lie from theirs: each is
// within half a step of what stands for it.
double rounding(const float* w, const float* x, std::int64_t depth) {
  double w_most = 0.0, x_most = 0.0, w_sum = 0.0, x_sum = 0.0;
  for (std::int64_t k = 0; k < depth; ++k) {
    const double w_size = std::fabs(static_cast<double>(w[k]));
    const double x_size = std::fabs(static_cast<double>(x[k]));
    w_most = std::max(w_most, w_size);
    x_most = std::max(x_most, x_size);
    w_sum += w_size;
    x_sum += x_size;
  }
  const double w_half = w_most / 127.0 / 2.0, x_half = x_most / 63.0 / 2.0;
  return w_sum * x_half + x_sum * w_half + static_cast<double>(depth) * w_half * x_half;
}

TEST_P(MatrixOn, MultipliesLikeDoublePrecision) {
  Random random(1);
  for (const Precision precision : {Precision::kFloat32, Precision::kInt8}) {
    for (const std::int64_t rows : {1, 16, 17, 52, 80, 250}) {
      for (const std::int64_t depth : {1, 3, 52, 64, 65, 256}) {
        const std::int64_t batch = 1 + random.below(20);
        const std::vector<float> w = random.vector(rows * depth), x = random.vector(batch * depth);
        const Matrix matrix = pack(precision, floats(w, depth), 1, rows, depth);
        const std::int64_t stride = matrix.rows + 3;
        const std::vector<float> start = random.vector(batch * stride);
        std::vector<float> y = start;
        matrix.multiply_add(kernels_, operand(kernels_, precision, x, depth), batch, y.data(),
                            stride);
        for (std::int64_t b = 0; b < batch; ++b) {
          for (std::int64_t r = 0; r < stride; ++r) {
            const auto at = static_cast<std::size_t>(b * stride + r);
            if (r >= rows) {
              ASSERT_EQ(y[at], start[at]) << "written outside the matrix";
              continue;
            }
            const float* w_row = &w[static_cast<std::size_t>(r * depth)];
            const float* x_row = &x[static_cast<std::size_t>(b * depth)];
            double expected = static_cast<double>(start[at]);
            for (std::int64_t k = 0; k < depth; ++k) {
              expected += static_cast<double>(w_row[k]) * static_cast<double>(x_row[k]);
            }
            const double more = precision == Precision::kInt8 ? rounding(w_row, x_row, depth) : 0.0;
            ASSERT_NEAR(y[at], expected, 2e-5 + more)
                << rows << " x " << depth << ", batch " << batch << ", row " << r;
          }
        }
      }
    }
  }
}

TEST_P(MatrixOn, GivesARowTheSameBitsInAnyBatch) {
  constexpr std::int64_t kRows = 208, kDepth = 133, kBatch = 37;
  Random random(2);
  const std::vector<float> w = random.vector(kRows * kDepth), x = random.vector(kBatch * kDepth);
  for (const Precision precision : {Precision::kFloat32, Precision::kInt8}) {
    const Matrix matrix = pack(precision, floats(w, kDepth), 1, kRows, kDepth);
    const auto product = [&](std::int64_t batch) {
      std::vector<float> y(kBatch * kRows, 0.5F);
      for (std::int64_t b = 0; b < kBatch; b += batch) {
        const std::int64_t count = std::min(batch, kBatch - b);
        const std::vector<float> rows(x.begin() + b * kDepth, x.begin() + (b + count) * kDepth);
        matrix.multiply_add(kernels_, operand(kernels_, precision, rows, kDepth), count,
                            y.data() + b * kRows, kRows);
      }
      return y;
    };
    const std::vector<float> alone = product(1);
    for (std::int64_t batch = 2; batch <= kBatch; ++batch) {
      ASSERT_TRUE(same_bits(product(batch), alone)) << batch;
    }
  }
}

// An operand serves one batch after another: nothing of the last may show in the next.
TEST_P(MatrixOn, TakesTheRowsOfTheLastClose) {
  constexpr std::int64_t kRows = 20, kDepth = 70;
  Random random(3);
  const std::vector<float> w = random.vector(kRows * kDepth);
  for (const Precision precision : {Precision::kFloat32, Precision::kInt8}) {
    const Matrix matrix = pack(precision, floats(w, kDepth), 1, kRows, kDepth);
    Operand used(precision, 5, kDepth);
    for (int round = 0; round < 10; ++round) {
      const std::int64_t count = 1 + random.below(5);
      const std::vector<float> x = random.vector(count * kDepth, round % 2 == 0 ? 1.0F : 100.0F);
      for (std::int64_t i = 0; i < count; ++i) {
        std::copy(x.begin() + i * kDepth, x.begin() + (i + 1) * kDepth, used.row(i));
      }
      used.close(kernels_, count);
      std::vector<float> y(static_cast<std::size_t>(count * 32), 0.5F), fresh = y;
      matrix.multiply_add(kernels_, used, count, y.data(), 32);
      matrix.multiply_add(kernels_, operand(kernels_, precision, x, kDepth), count, fresh.data(),
                          32);
      ASSERT_TRUE(same_bits(y, fresh)) << round;
    }
  }
}

// A GRU's state as its kernel writes it is a row like any other, of scale 1 / 63.
TEST_P(MatrixOn, TakesStatesInPlaceOfRows) {
  constexpr std::int64_t kRows = 18, kHidden = 24, kStride = 32;
  Random random(4);
  const std::vector<float> w = random.vector(kRows * kHidden);
  for (const Precision precision : {Precision::kFloat32, Precision::kInt8}) {
    const Matrix matrix = pack(precision, floats(w, kHidden), 1, kRows, kHidden);
    std::vector<float> state = random.vector(kStride);
    std::fill(state.begin() + kHidden, state.end(), 0.0F);
    const std::vector<float> sums(3 * kStride, 0.0F);
    std::vector<std::uint8_t> activations(kStride);
    kernels_.gru(sums.data(), sums.data(), kStride, state.data(), activations.data());
    Operand states(precision, 2, kHidden);
    states.set_state(1, state.data(), activations.data());
    states.set_state(0, state.data(), activations.data());
    std::vector<float> y(64, 0.0F);
    matrix.multiply_add(kernels_, states, 2, y.data(), 32);
    for (std::size_t r = 0; r < kRows; ++r) {
      double expected = 0.0, bound = 2e-6;
      for (std::size_t k = 0; k < kHidden; ++k) {
        const auto weight = static_cast<double>(w[r * kHidden + k]);
        expected += weight * static_cast<double>(state[k]);
        // Half a step of either; weights here are at most 1.
        bound +=
            precision == Precision::kInt8 ? (std::fabs(weight) + 1.0 / 254) / 126 + 1.0 / 254 : 0.0;
      }
      ASSERT_NEAR(y[r], expected, bound) << r;
      ASSERT_EQ(y[r], y[32 + r]);
    }
  }
}

TEST(Matrix, PadsEachGroupToWholePanels) {
  const std::vector<float> w = {1, 2, 3, 4, 5, 6};  // 3 groups of 1 row, depth 2
  const Matrix packed = pack(Precision::kFloat32, floats(w, 2), 3, 1, 2);
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

// In int8 too; and every value is within half a step of its float, which the offsets go with.
TEST(Matrix, QuantisesEachRowByItself) {
  constexpr std::int64_t kGroups = 3, kRows = 21, kDepth = 77, kStored = 128;
  Random random(5);
  std::vector<float> w = random.vector(kGroups * kRows * kDepth);
  for (std::int64_t r = 0; r < kGroups * kRows; ++r) {
    const float scale = r == 4 ? 0.0F : std::pow(10.0F, 8.0F * random.uniform());
    for (std::int64_t k = 0; k < kDepth; ++k) {
      w[static_cast<std::size_t>(r * kDepth + k)] *= scale;
    }
  }
  const Matrix packed = pack(Precision::kInt8, floats(w, kDepth), kGroups, kRows, kDepth);
  ASSERT_EQ(packed.rows, 96);
  ASSERT_EQ(packed.values.size(), 96U * kStored);
  for (std::int64_t r = 0; r < packed.rows; ++r) {
    const std::int64_t from = r % 32 < kRows ? r / 32 * kRows + r % 32 : -1;
    const float scale = packed.scales[static_cast<std::size_t>(r)];
    int sum = 0, most = 0;
    for (std::int64_t k = 0; k < kStored; ++k) {
      const int value = packed.values[static_cast<std::size_t>(int8_index(r, k, kStored))];
      sum += value;
      most = std::max(most, std::abs(value));
      const double expected =
          from >= 0 && k < kDepth
              ? static_cast<double>(w[static_cast<std::size_t>(from * kDepth + k)])
              : 0.0;
      ASSERT_NEAR(static_cast<double>(scale) * value, expected,
                  0.50001 * static_cast<double>(scale))
          << r << ", " << k;
    }
    const bool zero = from < 0 || from == 4;
    EXPECT_EQ(most, zero ? 0 : 127) << r;
    EXPECT_EQ(scale == 0.0F, zero) << r;
    EXPECT_EQ(packed.offsets[static_cast<std::size_t>(r)], kZeroPoint * sum) << r;
  }
}

// Stored int8 values and scales go into the panels as they are, whatever their strides: the columns
// of a wider matrix, whose blocks have scales of their own, and a convolution's taps.
TEST(Matrix, TakesStoredValuesAsTheyAre) {
  constexpr std::int64_t kRows = 5, kWidth = 9;
  std::vector<std::int8_t> values;
  for (int i = 0; i < kRows * kWidth; ++i) {
    values.push_back(static_cast<std::int8_t>(i * 5 - 110));
  }
  const std::vector<float> scales = {1, 10, 2, 20, 3, 30, 4, 40, 5, 50};
  Elements columns;  // from 3 on, of the second block
  columns.values = values.data() + 3;
  columns.scales = scales.data() + 1;
  columns.scale_stride = 2;
  columns.row_stride = kWidth;
  const Matrix part = pack(Precision::kInt8, columns, 1, kRows, 6);
  Elements taps;  // (rows, 3 inputs, 3 taps): tap by tap
  taps.values = values.data();
  taps.scales = scales.data();
  taps.row_stride = kWidth;
  taps.depth_stride = 3;
  taps.part = 3;
  taps.part_stride = 1;
  const Matrix conv = pack(Precision::kInt8, taps, 1, kRows, 9);
  const Matrix plain = pack(Precision::kFloat32, taps, 1, kRows, 9);
  for (std::int64_t r = 0; r < kRows; ++r) {
    EXPECT_EQ(part.scales[static_cast<std::size_t>(r)], static_cast<float>(10 * (r + 1)));
    for (std::int64_t k = 0; k < 6; ++k) {
      EXPECT_EQ(part.values[static_cast<std::size_t>(int8_index(r, k, 64))],
                values[static_cast<std::size_t>(r * kWidth + 3 + k)]);
    }
    for (std::int64_t tap = 0; tap < 3; ++tap) {
      for (std::int64_t in = 0; in < 3; ++in) {
        const std::int8_t value = values[static_cast<std::size_t>(r * kWidth + in * 3 + tap)];
        const std::int64_t k = tap * 3 + in;
        EXPECT_EQ(conv.values[static_cast<std::size_t>(int8_index(r, k, 64))], value);
        EXPECT_EQ(plain.panels[static_cast<std::size_t>(k * kPanelLanes + r)],
                  static_cast<float>(value) * scales[static_cast<std::size_t>(r)]);
      }
    }
  }
}

}  // namespace
}  // namespace dt
