// The float32 product, written once over `Vec` (see elementwise.h).
#pragma once

namespace {

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

}  // namespace
