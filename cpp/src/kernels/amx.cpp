// AMX-INT8: tiles of up to 16 rows of activations times 16 rows of weights, 64 deep. For a single
// row, and for everything but the product, AVX-512 with VNNI. The products and sums are the same
// integers, so the bits are the same.
#include "kernels/kernels.h"

// Clang calls it __AMXINT8__ before its version 16.
#if defined(__AMX_INT8__) || defined(__AMXINT8__) || \
    (defined(_MSC_VER) && !defined(__clang__) && defined(__AVX512BW__))
#define DT_AMX 1

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace {

#include "kernels/vec/avx512.h"

inline Sums dot4(Sums sum, Ints x, Ints w) { return _mm512_dpbusd_epi32(sum, x, w); }
inline Sums dot8(Sums sum, Ints x, Ints next_x, Ints w, Ints next_w) {
  return dot4(dot4(sum, x, w), next_x, next_w);
}

}  // namespace

#include "kernels/body/elementwise.h"
#include "kernels/body/float32.h"
#include "kernels/body/int8.h"

namespace {

constexpr std::int64_t kTileRows = 16;
constexpr std::int64_t kFewestRows = 3;  // of a batch that pays for tiles

struct TileConfig {
  std::uint8_t palette, start_row, reserved[14];
  std::uint16_t row_bytes[16];
  std::uint8_t rows[16];
};
static_assert(sizeof(TileConfig) == 64, "the layout that the processor reads");

// Tiles 0 to 3 are sums, 4 and 5 activations of `upper` and `lower` rows, 6 and 7 weights. With one
// block of rows the sums are of four panels, with two of two panels each.
void configure(std::int64_t upper, std::int64_t lower) {
  TileConfig config;
  std::memset(&config, 0, sizeof config);
  config.palette = 1;
  for (int t = 0; t < 8; ++t) {
    config.row_bytes[t] = 64;
    config.rows[t] = static_cast<std::uint8_t>(upper);
  }
  if (lower > 0) {
    config.rows[2] = config.rows[3] = config.rows[5] = static_cast<std::uint8_t>(lower);
  }
  config.rows[6] = config.rows[7] = kTileRows;
  _tile_loadconfig(&config);
}

// Of one panel: y += (sums - offsets) scales, as in int8_tile().
void add_sums(const dt::Int8Panels& weights, std::int64_t panel, const std::int32_t* sums,
              const float* x_scales, std::int64_t rows, float* y, std::int64_t y_stride) {
  const std::int64_t row = panel * dt::kPanelLanes;
  const Ints offset = load_ints(weights.offsets + row);
  const Vec scale = load(weights.scales + row);
  for (std::int64_t b = 0; b < rows; ++b) {
    float* out = y + b * y_stride + row;
    const Vec product = mul(floats_of_difference(load_ints(sums + b * dt::kPanelLanes), offset),
                            mul(scale, set(x_scales[b])));
    store(out, add(load(out), product));
  }
}

struct Batch {
  const std::uint8_t* x;
  std::int64_t x_stride;
  const float* x_scales;
  float* y;
  std::int64_t y_stride;
};

// Up to 16 rows, four panels at a time.
void one_block(const dt::Int8Panels& weights, const Batch& batch, std::int64_t rows) {
  const std::int64_t panel_stride = weights.depth * dt::kPanelLanes;
  alignas(64) std::int32_t sums[4][kTileRows * dt::kPanelLanes];
  std::int64_t p = 0;
  for (; p + 4 <= weights.panels; p += 4) {
    const std::int8_t* w = weights.values + p * panel_stride;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (std::int64_t k = 0; k < weights.depth; k += dt::kDepthStep) {
      const std::int8_t* at = w + k * dt::kPanelLanes;
      _tile_loadd(4, batch.x + k, static_cast<int>(batch.x_stride));
      _tile_loadd(6, at, 64);
      _tile_loadd(7, at + panel_stride, 64);
      _tile_dpbusd(0, 4, 6);
      _tile_dpbusd(1, 4, 7);
      _tile_loadd(6, at + 2 * panel_stride, 64);
      _tile_loadd(7, at + 3 * panel_stride, 64);
      _tile_dpbusd(2, 4, 6);
      _tile_dpbusd(3, 4, 7);
    }
    _tile_stored(0, sums[0], 64);
    _tile_stored(1, sums[1], 64);
    _tile_stored(2, sums[2], 64);
    _tile_stored(3, sums[3], 64);
    for (int i = 0; i < 4; ++i) {
      add_sums(weights, p + i, sums[i], batch.x_scales, rows, batch.y, batch.y_stride);
    }
  }
  for (; p < weights.panels; ++p) {
    const std::int8_t* w = weights.values + p * panel_stride;
    _tile_zero(0);
    for (std::int64_t k = 0; k < weights.depth; k += dt::kDepthStep) {
      _tile_loadd(4, batch.x + k, static_cast<int>(batch.x_stride));
      _tile_loadd(6, w + k * dt::kPanelLanes, 64);
      _tile_dpbusd(0, 4, 6);
    }
    _tile_stored(0, sums[0], 64);
    add_sums(weights, p, sums[0], batch.x_scales, rows, batch.y, batch.y_stride);
  }
}

// 17 to 32 rows, of panels `p` and `p + 1`, or of `p` alone.
void two_blocks(const dt::Int8Panels& weights, std::int64_t p, const Batch& batch,
                std::int64_t lower) {
  const std::int64_t panel_stride = weights.depth * dt::kPanelLanes;
  const std::int8_t* w = weights.values + p * panel_stride;
  const bool pair = p + 1 < weights.panels;
  alignas(64) std::int32_t sums[4][kTileRows * dt::kPanelLanes];
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (std::int64_t k = 0; k < weights.depth; k += dt::kDepthStep) {
    const std::int8_t* at = w + k * dt::kPanelLanes;
    _tile_loadd(4, batch.x + k, static_cast<int>(batch.x_stride));
    _tile_loadd(5, batch.x + kTileRows * batch.x_stride + k, static_cast<int>(batch.x_stride));
    _tile_loadd(6, at, 64);
    _tile_dpbusd(0, 4, 6);
    _tile_dpbusd(2, 5, 6);
    if (pair) {
      _tile_loadd(7, at + panel_stride, 64);
      _tile_dpbusd(1, 4, 7);
      _tile_dpbusd(3, 5, 7);
    }
  }
  _tile_stored(0, sums[0], 64);
  _tile_stored(1, sums[1], 64);
  _tile_stored(2, sums[2], 64);
  _tile_stored(3, sums[3], 64);
  for (int i = 0; i < (pair ? 2 : 1); ++i) {
    add_sums(weights, p + i, sums[i], batch.x_scales, kTileRows, batch.y, batch.y_stride);
    add_sums(weights, p + i, sums[2 + i], batch.x_scales + kTileRows, lower,
             batch.y + kTileRows * batch.y_stride, batch.y_stride);
  }
}

void multiply_add_tiles(const dt::Int8Panels& weights, const std::uint8_t* x, std::int64_t x_stride,
                        const float* x_scales, std::int64_t batch, float* y,
                        std::int64_t y_stride) {
  if (batch < kFewestRows) {
    multiply_add_int8(weights, x, x_stride, x_scales, batch, y, y_stride);
    return;
  }
  for (std::int64_t b = 0; b < batch;) {
    const Batch rows = {x + b * x_stride, x_stride, x_scales + b, y + b * y_stride, y_stride};
    const std::int64_t left = batch - b;
    const std::int64_t count = left < 2 * kTileRows ? left : 2 * kTileRows;
    if (count <= kTileRows) {
      configure(count, 0);
      one_block(weights, rows, count);
    } else {
      configure(kTileRows, count - kTileRows);
      for (std::int64_t p = 0; p < weights.panels; p += 2) {
        two_blocks(weights, p, rows, count - kTileRows);
      }
    }
    b += count;
  }
  _tile_release();
}

}  // namespace

#endif

namespace dt {

const Kernels* amx_kernels() {
#if defined(DT_AMX)
  static const Kernels kernels = {"amx", &multiply_add, &multiply_add_tiles, &quantise,
                                  &gru,  &gelu,         &normalise,          &softmax};
  return &kernels;
#else
  return nullptr;
#endif
}

}  // namespace dt
