#include "kernels/matrix.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace dt {
namespace {

Matrix pack_floats(const Elements& elements, std::int64_t groups, std::int64_t rows,
                   std::int64_t depth) {
  Matrix packed;
  packed.rows = groups * padded(rows);
  packed.depth = depth;
  packed.panels.assign(static_cast<std::size_t>(packed.rows * depth), 0.0F);
  for (std::int64_t g = 0; g < groups; ++g) {
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t row = g * padded(rows) + r;
      float* panel =
          &packed.panels[static_cast<std::size_t>(row / kPanelLanes * kPanelLanes * depth)];
      for (std::int64_t k = 0; k < depth; ++k) {
        panel[k * kPanelLanes + row % kPanelLanes] = elements.at(g * rows + r, k);
      }
    }
  }
  return packed;
}

// A row's own scale, or the one that brings its greatest magnitude to kWeightSteps; 0 for a row of
// zeros.
float scale_of(const Elements& elements, std::int64_t row, std::int64_t depth) {
  if (elements.values != nullptr) {
    return elements.scale(row);
  }
  float most = 0.0F;
  for (std::int64_t k = 0; k < depth; ++k) {
    most = std::max(most, std::fabs(elements.at(row, k)));
  }
  return most > 1.0e-30F ? most / kWeightSteps : 0.0F;
}

std::int8_t rounded(float value) {
  return static_cast<std::int8_t>(value < 0.0F ? -std::floor(0.5F - value)
                                               : std::floor(value + 0.5F));
}

// See Int8Panels; empty where a value needs more.
Aligned<std::uint8_t> pack_nibbles(const Aligned<std::int8_t>& values) {
  const auto fits = [](std::int8_t value) { return value >= -8 && value <= 7; };
  if (!std::all_of(values.begin(), values.end(), fits)) {
    return {};
  }
  constexpr std::size_t kFour = 4 * kPanelLanes;  // bytes of four depths
  Aligned<std::uint8_t> nibbles(values.size() / 2);
  std::uint8_t* out = nibbles.data();
  for (std::size_t low = 0; low < values.size(); low += 2 * kFour, out += kFour) {
    for (std::size_t i = 0; i < kFour; ++i) {
      const auto half = [&](std::size_t at) { return static_cast<unsigned>(values[at]) & 0xFU; };
      out[i] = static_cast<std::uint8_t>(half(low + i) | half(low + kFour + i) << 4U);
    }
  }
  return nibbles;
}

// Row `row`'s values, `depth` of them, to `out`; where they are floats, by their scale.
void values_of(const Elements& elements, std::int64_t row, std::int64_t depth, float scale,
               std::int8_t* out) {
  if (elements.values != nullptr && elements.part == 0 && elements.depth_stride == 1) {
    const std::int8_t* from = elements.values + row * elements.row_stride;
    std::copy(from, from + depth, out);
    return;
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    out[k] = elements.values != nullptr ? elements.values[elements.index(row, k)]
             : scale > 0.0F             ? rounded(elements.at(row, k) / scale)
                                        : std::int8_t{0};
  }
}

Matrix pack_int8(const Elements& elements, std::int64_t groups, std::int64_t rows,
                 std::int64_t depth) {
  Matrix packed;
  packed.precision = Precision::kInt8;
  packed.rows = groups * padded(rows);
  packed.depth = depth;
  const std::int64_t stored_depth = padded(depth, kDepthStep);
  packed.values.assign(static_cast<std::size_t>(packed.rows * stored_depth), 0);
  packed.scales.assign(static_cast<std::size_t>(packed.rows), 0.0F);
  packed.offsets.assign(static_cast<std::size_t>(packed.rows), 0);
  std::vector<std::int8_t> values(static_cast<std::size_t>(stored_depth), 0);
  for (std::int64_t g = 0; g < groups; ++g) {
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t from = g * rows + r, row = g * padded(rows) + r;
      const auto at = static_cast<std::size_t>(row);
      const float scale = scale_of(elements, from, depth);
      values_of(elements, from, depth, scale, values.data());
      std::int32_t sum = 0;
      for (const std::int8_t value : values) {
        sum += value;
      }
      std::int8_t* out = &packed.values[static_cast<std::size_t>(int8_index(row, 0, stored_depth))];
      for (std::int64_t k = 0; k < stored_depth; k += 4, out += 4 * kPanelLanes) {
        std::copy_n(&values[static_cast<std::size_t>(k)], 4, out);
      }
      packed.scales[at] = scale;
      packed.offsets[at] = kZeroPoint * sum;
    }
  }
  packed.nibbles = pack_nibbles(packed.values);
  return packed;
}

}  // namespace

Operand::Operand(Precision precision, std::int64_t rows, std::int64_t depth)
    : precision_(precision),
      stride_(padded(depth)),
      byte_stride_(padded(depth, kDepthStep)),
      floats_(static_cast<std::size_t>(rows * stride_), 0.0F) {
  if (precision == Precision::kInt8) {
    bytes_.assign(static_cast<std::size_t>(rows * byte_stride_),
                  static_cast<std::uint8_t>(kZeroPoint));
    scales_.assign(static_cast<std::size_t>(rows), 0.0F);
  }
}

void Operand::close(const Kernels& kernels, std::int64_t count) {
  if (precision_ == Precision::kInt8) {
    for (std::int64_t i = 0; i < count; ++i) {
      scales_[static_cast<std::size_t>(i)] =
          kernels.quantise(row(i), stride_, kActivationSteps, kZeroPoint,
                           &bytes_[static_cast<std::size_t>(i * byte_stride_)]);
    }
  }
}

void Operand::set_state(std::int64_t i, const float* state, const std::uint8_t* activations) {
  if (precision_ == Precision::kInt8) {
    std::copy(activations, activations + stride_,
              &bytes_[static_cast<std::size_t>(i * byte_stride_)]);
    scales_[static_cast<std::size_t>(i)] = 1.0F / kActivationSteps;
  } else {
    std::copy(state, state + stride_, row(i));
  }
}

void Matrix::multiply(const Kernels& kernels, const Operand& operand, std::int64_t batch,
                      const AlignedFloats& start, float* y, std::int64_t y_stride) const {
  add_product(kernels, operand, batch, start.data(), 0, y, y_stride);
}

void Matrix::multiply_add(const Kernels& kernels, const Operand& operand, std::int64_t batch,
                          float* y, std::int64_t y_stride) const {
  add_product(kernels, operand, batch, y, y_stride, y, y_stride);
}

void Matrix::add_product(const Kernels& kernels, const Operand& operand, std::int64_t batch,
                         const float* from, std::int64_t from_stride, float* y,
                         std::int64_t y_stride) const {
  if (precision == Precision::kInt8) {
    const Int8Panels weights = {values.data(),
                                scales.data(),
                                offsets.data(),
                                rows / kPanelLanes,
                                padded(depth, kDepthStep),
                                nibbles.empty() ? nullptr : nibbles.data()};
    kernels.multiply_add_int8(weights, operand.bytes_.data(), operand.byte_stride_,
                              operand.scales_.data(), batch, from, from_stride, y, y_stride);
    return;
  }
  if (from != y) {
    for (std::int64_t b = 0; b < batch; ++b) {
      std::copy_n(from + b * from_stride, rows, y + b * y_stride);
    }
  }
  kernels.multiply_add(panels.data(), rows / kPanelLanes, depth, operand.floats_.data(),
                       operand.stride_, batch, y, y_stride);
}

Matrix pack(Precision precision, const Elements& elements, std::int64_t groups, std::int64_t rows,
            std::int64_t depth) {
  return precision == Precision::kInt8 ? pack_int8(elements, groups, rows, depth)
                                       : pack_floats(elements, groups, rows, depth);
}

std::vector<float> weights_of(Precision precision, const Elements& elements, std::int64_t rows,
                              std::int64_t depth) {
  std::vector<float> weights(static_cast<std::size_t>(rows * depth));
  std::vector<std::int8_t> values(static_cast<std::size_t>(depth));
  for (std::int64_t r = 0; r < rows; ++r) {
    float* row = &weights[static_cast<std::size_t>(r * depth)];
    const float scale = scale_of(elements, r, depth);
    values_of(elements, r, depth, scale, values.data());
    for (std::int64_t k = 0; k < depth; ++k) {
      row[k] = precision == Precision::kInt8
                   ? static_cast<float>(values[static_cast<std::size_t>(k)]) * scale
                   : elements.at(r, k);
    }
  }
  return weights;
}

AlignedFloats pack_bias(const float* bias, std::int64_t groups, std::int64_t rows) {
  AlignedFloats packed(static_cast<std::size_t>(groups * padded(rows)), 0.0F);
  for (std::int64_t g = 0; g < groups; ++g) {
    for (std::int64_t r = 0; r < rows; ++r) {
      packed[static_cast<std::size_t>(g * padded(rows) + r)] = bias[g * rows + r];
    }
  }
  return packed;
}

}  // namespace dt
