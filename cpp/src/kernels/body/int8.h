// The integer product, written once over `Sums` (see elementwise.h). dot8 adds to each lane's sum
// the products of its weights with the activations of two groups of four depths, exactly.
#pragma once

namespace {

// What is added to, and where it goes: row by row of a batch.
struct Target {
  const float* first_from;
  std::int64_t from_stride;
  float* first_y;
  std::int64_t y_stride;
  const float* from(std::int64_t b) const { return first_from + b * from_stride; }
  float* y(std::int64_t b) const { return first_y + b * y_stride; }
  Target behind(std::int64_t rows) const { return {from(rows), from_stride, y(rows), y_stride}; }
};

// Where the weights of int8_tile come from: each gives those of two groups of four depths.
struct Bytes {
  static constexpr std::int64_t kPerByte = 1;
  static const std::int8_t* values(const dt::Int8Panels& weights) { return weights.values; }
  // Of lanes v kLanes and on of a panel, at a multiple of eight depths.
  template <typename Weight>
  static void load_two(const std::int8_t* panel, std::int64_t depth, int v, Weight* here,
                       Weight* next) {
    const std::int8_t* at = panel + depth * dt::kPanelLanes + v * 4 * kLanes;
    *here = weight_bytes(at);
    *next = weight_bytes(at + 4 * dt::kPanelLanes);
  }
  using Weight = decltype(weight_bytes(nullptr));
  static Sums total(Sums sum) { return sum; }
};

struct Nibbles {
  static constexpr std::int64_t kPerByte = 2;
  static const std::uint8_t* values(const dt::Int8Panels& weights) { return weights.nibbles; }
  template <typename Weight>
  static void load_two(const std::uint8_t* panel, std::int64_t depth, int v, Weight* here,
                       Weight* next) {
    nibble_weights(panel + depth / 2 * dt::kPanelLanes + v * 4 * kLanes, here, next);
  }
  using Weight = NibbleWeight;
  static Sums total(Sums sum) { return sixteenth(sum); }
};

// P panels of weights times B rows of activations, all sums held in registers.
template <typename From, int B, int P>
void int8_tile(const dt::Int8Panels& weights, std::int64_t first, const std::uint8_t* x,
               std::int64_t x_stride, const float* x_scales, const Target& target) {
  constexpr int kVecs = P * kVecsPerPanel;
  const std::int64_t panel_stride = weights.depth * dt::kPanelLanes / From::kPerByte;
  const auto* panels = From::values(weights) + first * panel_stride;
  Sums sum[B][kVecs];
  for (int b = 0; b < B; ++b) {
    for (int v = 0; v < kVecs; ++v) {
      sum[b][v] = zero_ints();
    }
  }
  for (std::int64_t k = 0; k < weights.depth; k += 8) {
    decltype(four_bytes(x)) here[B], next[B];
    for (int b = 0; b < B; ++b) {
      here[b] = four_bytes(x + b * x_stride + k);
      next[b] = four_bytes(x + b * x_stride + k + 4);
    }
    for (int v = 0; v < kVecs; ++v) {
      typename From::Weight weight, next_weight;
      From::load_two(panels + (v / kVecsPerPanel) * panel_stride, k, v % kVecsPerPanel, &weight,
                     &next_weight);
      for (int b = 0; b < B; ++b) {
        sum[b][v] = dot8(sum[b][v], here[b], next[b], weight, next_weight);
      }
    }
  }
  for (int v = 0; v < kVecs; ++v) {
    const std::int64_t row = first * dt::kPanelLanes + v * kLanes;
    const Ints offset = load_ints(weights.offsets + row);
    const Vec scale = load(weights.scales + row);
    for (int b = 0; b < B; ++b) {
      const Vec product =
          mul(floats_of_difference(From::total(sum[b][v]), offset), mul(scale, set(x_scales[b])));
      store(target.y(b) + row, add(load(target.from(b) + row), product));
    }
  }
}

template <typename From, int B, int P>
void int8_rows(const dt::Int8Panels& weights, std::int64_t first, std::int64_t end,
               const std::uint8_t* x, std::int64_t x_stride, const float* x_scales,
               const Target& target) {
  std::int64_t p = first;
  for (; p + P <= end; p += P) {
    int8_tile<From, B, P>(weights, p, x, x_stride, x_scales, target);
  }
  if constexpr (P > 1) {
    if (p < end) {
      int8_rows<From, B, P / 2>(weights, p, end, x, x_stride, x_scales, target);
    }
  }
}

template <typename From, int B = 1>
void few_int8_rows(const dt::Int8Panels& weights, std::int64_t first, std::int64_t end,
                   const std::uint8_t* x, std::int64_t x_stride, const float* x_scales,
                   std::int64_t batch, const Target& target) {
  if (batch == B) {
    int8_rows<From, B, int_panels_at_once(B)>(weights, first, end, x, x_stride, x_scales, target);
    return;
  }
  if constexpr (B < kMaxIntTile) {
    few_int8_rows<From, B + 1>(weights, first, end, x, x_stride, x_scales, batch, target);
  }
}

void multiply_rows(const dt::Int8Panels& weights, const std::uint8_t* x, std::int64_t x_stride,
                   const float* x_scales, std::int64_t batch, const Target& target) {
  if (batch <= kMaxIntTile) {
    const auto few = weights.nibbles != nullptr ? &few_int8_rows<Nibbles> : &few_int8_rows<Bytes>;
    few(weights, 0, weights.panels, x, x_stride, x_scales, batch, target);
    return;
  }
  // A few panels at a time, so that they stay in the first-level cache for the whole batch.
  constexpr std::int64_t kGroup = int_panels_at_once(kMaxIntTile);
  for (std::int64_t p = 0; p < weights.panels; p += kGroup) {
    const std::int64_t end = p + kGroup < weights.panels ? p + kGroup : weights.panels;
    for (std::int64_t b = 0; b < batch;) {
      const std::int64_t left = batch - b;
      const std::int64_t count = left <= kMaxIntTile      ? left
                                 : left < 2 * kMaxIntTile ? left / 2
                                                          : kMaxIntTile;
      few_int8_rows<Bytes>(weights, p, end, x + b * x_stride, x_stride, x_scales + b, count,
                           target.behind(b));
      b += count;
    }
  }
}

[[maybe_unused]] void multiply_add_int8(const dt::Int8Panels& weights, const std::uint8_t* x,
                                        std::int64_t x_stride, const float* x_scales,
                                        std::int64_t batch, const float* from,
                                        std::int64_t from_stride, float* y, std::int64_t y_stride) {
  multiply_rows(weights, x, x_stride, x_scales, batch, {from, from_stride, y, y_stride});
}

}  // namespace
