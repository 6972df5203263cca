// Weight matrices and the rows that they multiply, in the layouts that the kernels read.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/aligned.h"
#include "kernels/kernels.h"

namespace dt {

enum class Precision { kFloat32, kInt8 };

// Rows of activations, as a product reads them: floats, or 7 bits with a scale a row.
class Operand {
 public:
  // Room for `rows` rows of `depth` values. Nothing allocates after this.
  Operand(Precision precision, std::int64_t rows, std::int64_t depth);

  // Where to write row i's `depth` floats. What lies behind them, up to a whole panel, stays zero.
  float* row(std::int64_t i) { return &floats_[static_cast<std::size_t>(i * stride_)]; }
  std::int64_t stride() const { return stride_; }  // from row to row
  // Call it once the first `count` rows are written.
  void close(const Kernels& kernels, std::int64_t count);

  // In place of both: row i is a GRU's state, as its kernel wrote it.
  void set_state(std::int64_t i, const float* state, const std::uint8_t* activations);

 private:
  friend struct Matrix;
  Precision precision_;
  std::int64_t stride_, byte_stride_;
  AlignedFloats floats_;
  Aligned<std::uint8_t> bytes_;
  AlignedFloats scales_;
};

struct Matrix {
  Precision precision = Precision::kFloat32;
  std::int64_t rows = 0;        // padded
  std::int64_t depth = 0;       // of the operand
  AlignedFloats panels;         // float32
  Aligned<std::int8_t> values;  // int8: see Int8Panels
  AlignedFloats scales;
  Aligned<std::int32_t> offsets;
  Aligned<std::uint8_t> nibbles;  // where every value has four bits

  // y's row b = `start` + the product with the operand's row b, for the first `batch` rows.
  void multiply(const Kernels& kernels, const Operand& operand, std::int64_t batch,
                const AlignedFloats& start, float* y, std::int64_t y_stride) const;
  // y's row b += the product with the operand's row b.
  void multiply_add(const Kernels& kernels, const Operand& operand, std::int64_t batch, float* y,
                    std::int64_t y_stride) const;

 private:
  void add_product(const Kernels& kernels, const Operand& operand, std::int64_t batch,
                   const float* from, std::int64_t from_stride, float* y,
                   std::int64_t y_stride) const;
};

// A matrix's elements as they are stored: floats, or int8 values with a scale a row.
struct Elements {
  const float* floats = nullptr;
  const std::int8_t* values = nullptr;
  const float* scales = nullptr;
  std::int64_t scale_stride = 1;
  std::int64_t row_stride = 0, depth_stride = 1;
  // Depths come in parts of `part`, `part_stride` elements from start to start: a convolution's
  // taps. 0: there is one part.
  std::int64_t part = 0, part_stride = 0;

  std::int64_t index(std::int64_t row, std::int64_t depth) const {
    return row * row_stride + (part == 0
                                   ? depth * depth_stride
                                   : depth / part * part_stride + depth % part * depth_stride);
  }
  float scale(std::int64_t row) const { return scales[row * scale_stride]; }
  float at(std::int64_t row, std::int64_t depth) const {
    const std::int64_t i = index(row, depth);
    return floats != nullptr ? floats[i] : static_cast<float>(values[i]) * scale(row);
  }
};

// The rows come in `groups` groups of `rows`; each group is padded with zero rows, so that a group
// starts a panel. Floats become int8 by each row's greatest magnitude.
Matrix pack(Precision precision, const Elements& elements, std::int64_t groups, std::int64_t rows,
            std::int64_t depth);

// What pack would multiply by, as floats: (rows, depth).
std::vector<float> weights_of(Precision precision, const Elements& elements, std::int64_t rows,
                              std::int64_t depth);

// The same padding for a bias.
AlignedFloats pack_bias(const float* bias, std::int64_t groups, std::int64_t rows);

// Where row r's weight of depth k lies in Int8Panels of this depth.
constexpr std::int64_t int8_index(std::int64_t r, std::int64_t k, std::int64_t depth) {
  return r / kPanelLanes * kPanelLanes * depth + k / 4 * 4 * kPanelLanes + r % kPanelLanes * 4 +
         k % 4;
}

}  // namespace dt
