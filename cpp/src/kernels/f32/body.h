// The kernels, written once over `Vec`. An instruction set's source file defines, in an unnamed
// namespace, Vec with kLanes floats, its operations, kMaxTile and panels_at_once(), and then
// includes this file. Everything here has internal linkage and nothing of the standard library is
// called: the linker must never pick a function compiled for AVX-512 for the rest of the program.
#pragma once

namespace {

constexpr int kVecsPerPanel = 16 / kLanes;
static_assert(kVecsPerPanel * kLanes == dt::kPanelLanes, "a panel is a whole number of registers");

// P panels of weights times B columns, all sums held in registers.
template <int B, int P>
void tile(const float* w, std::int64_t panel_stride, std::int64_t depth, const float* x,
          std::int64_t x_stride, float* y, std::int64_t y_stride) {
  constexpr int kVecs = P * kVecsPerPanel;
  Vec sum[B][kVecs];
  for (int b = 0; b < B; ++b) {
    for (int v = 0; v < kVecs; ++v) {
      sum[b][v] = load(y + b * y_stride + v * kLanes);
    }
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    Vec weight[kVecs];
    for (int v = 0; v < kVecs; ++v) {
      weight[v] = load(w + (v / kVecsPerPanel) * panel_stride + k * dt::kPanelLanes +
                       (v % kVecsPerPanel) * kLanes);
    }
    for (int b = 0; b < B; ++b) {
      const Vec value = set(x[b * x_stride + k]);
      for (int v = 0; v < kVecs; ++v) {
        sum[b][v] = fma(weight[v], value, sum[b][v]);
      }
    }
  }
  for (int b = 0; b < B; ++b) {
    for (int v = 0; v < kVecs; ++v) {
      store(y + b * y_stride + v * kLanes, sum[b][v]);
    }
  }
}

template <int B>
void columns(const float* panels, std::int64_t panel_count, std::int64_t depth, const float* x,
             std::int64_t x_stride, float* y, std::int64_t y_stride) {
  constexpr int P = panels_at_once(B);
  const std::int64_t panel_stride = depth * dt::kPanelLanes;
  std::int64_t p = 0;
  for (; p + P <= panel_count; p += P) {
    tile<B, P>(panels + p * panel_stride, panel_stride, depth, x, x_stride, y + p * dt::kPanelLanes,
               y_stride);
  }
  for (; p < panel_count; ++p) {
    tile<B, 1>(panels + p * panel_stride, panel_stride, depth, x, x_stride, y + p * dt::kPanelLanes,
               y_stride);
  }
}

void few_columns(const float* panels, std::int64_t panel_count, std::int64_t depth, const float* x,
                 std::int64_t x_stride, std::int64_t batch, float* y, std::int64_t y_stride) {
  switch (batch) {
    case 1:
      return columns<1>(panels, panel_count, depth, x, x_stride, y, y_stride);
    case 2:
      return columns<2>(panels, panel_count, depth, x, x_stride, y, y_stride);
    case 3:
      return columns<3>(panels, panel_count, depth, x, x_stride, y, y_stride);
    case 4:
      return columns<4>(panels, panel_count, depth, x, x_stride, y, y_stride);
    default:
      break;
  }
  if constexpr (kMaxTile > 4) {
    switch (batch) {
      case 5:
        return columns<5>(panels, panel_count, depth, x, x_stride, y, y_stride);
      case 6:
        return columns<6>(panels, panel_count, depth, x, x_stride, y, y_stride);
      default:
        break;
    }
  }
  if constexpr (kMaxTile > 6) {
    switch (batch) {
      case 7:
        return columns<7>(panels, panel_count, depth, x, x_stride, y, y_stride);
      case 8:
        return columns<8>(panels, panel_count, depth, x, x_stride, y, y_stride);
      default:
        break;
    }
  }
}

void multiply_add(const float* panels, std::int64_t panel_count, std::int64_t depth, const float* x,
                  std::int64_t x_stride, std::int64_t batch, float* y, std::int64_t y_stride) {
  if (batch <= kMaxTile) {
    few_columns(panels, panel_count, depth, x, x_stride, batch, y, y_stride);
    return;
  }
  // Panel by panel, so that a panel is fetched once and stays in the first-level cache.
  for (std::int64_t p = 0; p < panel_count; ++p) {
    const float* panel = panels + p * depth * dt::kPanelLanes;
    for (std::int64_t b = 0; b < batch;) {
      const std::int64_t left = batch - b;
      const std::int64_t count = left <= kMaxTile      ? left
                                 : left < 2 * kMaxTile ? left / 2
                                                       : kMaxTile;
      few_columns(panel, 1, depth, x + b * x_stride, x_stride, count,
                  y + b * y_stride + p * dt::kPanelLanes, y_stride);
      b += count;
    }
  }
}

// e^x for x clamped to [-87, 87], relative error below 3e-7: x = n ln 2 + r, |r| <= ln 2 / 2, and
// the series of e^r to r^6. Adding 1.5 x 2^23 rounds to a whole number and leaves it in the low
// bits.
Vec exponential(Vec x) {
  const Vec rounder = set(12582912.0F);
  const Vec clamped = min(max(x, set(-87.0F)), set(87.0F));
  const Vec shifted = fma(clamped, set(1.44269504F), rounder);
  const Vec n = sub(shifted, rounder);
  // ln 2 in two parts; the first has few enough bits for its product with n to be exact.
  const Vec r = fma(n, set(2.12194440e-4F), fma(n, set(-0.693359375F), clamped));
  Vec sum = set(1.0F / 720.0F);
  sum = fma(sum, r, set(1.0F / 120.0F));
  sum = fma(sum, r, set(1.0F / 24.0F));
  sum = fma(sum, r, set(1.0F / 6.0F));
  sum = fma(sum, r, set(0.5F));
  sum = fma(sum, r, set(1.0F));
  sum = fma(sum, r, set(1.0F));
  return mul(sum, power_of_two(shifted));
}

Vec sigmoid(Vec x) {
  const Vec one = set(1.0F);
  return div(one, add(one, exponential(sub(set(0.0F), x))));
}

Vec tanh(Vec x) {
  const Vec one = set(1.0F);
  return sub(one, div(set(2.0F), add(one, exponential(add(x, x)))));
}

void gru(const float* input, const float* recurrent, std::int64_t hidden, float* state) {
  for (std::int64_t i = 0; i < hidden; i += kLanes) {
    const Vec reset = sigmoid(add(load(input + i), load(recurrent + i)));
    const Vec update = sigmoid(add(load(input + hidden + i), load(recurrent + hidden + i)));
    const Vec fresh =
        tanh(fma(reset, load(recurrent + 2 * hidden + i), load(input + 2 * hidden + i)));
    const Vec old = load(state + i);
    store(state + i, fma(update, sub(old, fresh), fresh));
  }
}

}  // namespace
