#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "dt/kernels.h"
#include "kernels/aligned.h"
#include "kernels/kernels.h"
#include "kernels/matrix.h"

namespace dt {
namespace {

constexpr std::int64_t kRows = 64, kDepth = 256, kBatch = 32;  // 16 KB of int8
constexpr double kSeconds = 0.05;

// The best of the products that fit into kSeconds: whoever else computes here disturbs some.
double best_a_second(const Kernels& kernels, Precision precision) {
  std::vector<float> weights(static_cast<std::size_t>(kRows * kDepth));
  for (std::size_t i = 0; i < weights.size(); ++i) {
    weights[i] = static_cast<float>(i % 251) - 125.0F;
  }
  Elements elements;
  elements.floats = weights.data();
  elements.row_stride = kDepth;
  const Matrix matrix = pack(precision, elements, 1, kRows, kDepth);
  Operand operand(precision, kBatch, kDepth);
  for (std::int64_t b = 0; b < kBatch; ++b) {
    std::copy(weights.begin(), weights.begin() + kDepth, operand.row(b));
  }
  operand.close(kernels, kBatch);
  AlignedFloats y(static_cast<std::size_t>(kBatch * kRows), 0.0F);

  using Clock = std::chrono::steady_clock;
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  constexpr int kRepeats = 16;  // a clock's look costs as much as a product
  double best = 0.0;
  for (const auto start = Clock::now(); seconds_since(start) < kSeconds;) {
    const auto before = Clock::now();
    for (int i = 0; i < kRepeats; ++i) {
      matrix.multiply_add(kernels, operand, kBatch, y.data(), kRows);
    }
    const double seconds = std::max(seconds_since(before), 1e-9);
    best = std::max(best, static_cast<double>(kRepeats * kRows * kDepth * kBatch) / seconds);
  }
  return best;
}

}  // namespace

PeakMultiplications peak_multiplications(const std::string& kernel) {
  const Kernels& kernels = find_kernels(kernel.c_str());
  return {best_a_second(kernels, Precision::kInt8), best_a_second(kernels, Precision::kFloat32)};
}

}  // namespace dt
