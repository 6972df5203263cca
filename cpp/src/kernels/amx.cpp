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

}  // namespace

#include "kernels/body/table.h"

namespace {

constexpr std::int64_t kTileRows = 16;
constexpr std::int64_t kFewestRows = 3;  // of a batch that pays for tiles

// Tiles 0 to 3 are sums, 4 and 5 activations of `upper` and `lower` rows, 6 and 7 weights. With one
// block of rows (`lower` = 0) the sums are of four panels, with two of two panels each.
void configure(std::int64_t upper, std::int64_t lower) {
  const auto first = static_cast<std::uint64_t>(upper);
  const auto second = static_cast<std::uint64_t>(lower > 0 ? lower : upper);
  constexpr std::uint64_t kBytes = 0x0040004000400040;  // 64 in a row, of four tiles
  // The palette; bytes in a row, of 16 tiles; rows of each. Volatile: compilers believe that the
  // instruction reads the first word alone and leave out the others.
  alignas(64) volatile std::uint64_t config[8];
  config[0] = 1;
  config[1] = config[4] = config[5] = config[7] = 0;
  config[2] = config[3] = kBytes;
  config[6] = first | first << 8U | second << 16U | second << 24U | first << 32U | second << 40U |
              static_cast<std::uint64_t>(kTileRows) << 48U |
              static_cast<std::uint64_t>(kTileRows) << 56U;
  _tile_loadconfig(const_cast<const std::uint64_t*>(&config[0]));
}

// Of one panel: (sums - offsets) scales, added as in int8_tile().
void add_sums(const dt::Int8Panels& weights, std::int64_t panel, const std::int32_t* sums,
              const float* x_scales, std::int64_t rows, const Target& target) {
  const std::int64_t row = panel * dt::kPanelLanes;
  const Ints offset = load_ints(weights.offsets + row);
  const Vec scale = load(weights.scales + row);
  for (std::int64_t b = 0; b < rows; ++b) {
    const Vec product = mul(floats_of_difference(load_ints(sums + b * dt::kPanelLanes), offset),
                            mul(scale, set(x_scales[b])));
    store(target.y(b) + row, add(load(target.from(b) + row), product));
  }
}

struct Batch {
  const std::uint8_t* x;
  std::int64_t x_stride;
  const float* x_scales;
  Target target;
};

// Up to 16 rows and four panels from `p` on.
void four_panels(const dt::Int8Panels& weights, std::int64_t p, const Batch& batch,
                 std::int64_t rows) {
  const std::int64_t panel_stride = weights.depth * dt::kPanelLanes;
  const std::int8_t* w = weights.values + p * panel_stride;
  alignas(64) std::int32_t sums[4][kTileRows * dt::kPanelLanes];
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
    add_sums(weights, p + i, sums[i], batch.x_scales, rows, batch.target);
  }
}

// Up to 16 rows and panel `p`.
void one_panel(const dt::Int8Panels& weights, std::int64_t p, const Batch& batch,
               std::int64_t rows) {
  const std::int8_t* w = weights.values + p * weights.depth * dt::kPanelLanes;
  alignas(64) std::int32_t sums[kTileRows * dt::kPanelLanes];
  _tile_zero(0);
  for (std::int64_t k = 0; k < weights.depth; k += dt::kDepthStep) {
    _tile_loadd(4, batch.x + k, static_cast<int>(batch.x_stride));
    _tile_loadd(6, w + k * dt::kPanelLanes, 64);
    _tile_dpbusd(0, 4, 6);
  }
  _tile_stored(0, sums, 64);
  add_sums(weights, p, sums, batch.x_scales, rows, batch.target);
}

// 17 to 32 rows and panels `p` and `p + 1`, or `p` alone.
void two_panels(const dt::Int8Panels& weights, std::int64_t p, const Batch& batch,
                std::int64_t rows) {
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
    add_sums(weights, p + i, sums[i], batch.x_scales, kTileRows, batch.target);
    add_sums(weights, p + i, sums[2 + i], batch.x_scales + kTileRows, rows - kTileRows,
             batch.target.behind(kTileRows));
  }
}

// Full blocks of 32 rows: two panels serve all of them before the next two are fetched.
void full_blocks(const dt::Int8Panels& weights, const Batch& batch, std::int64_t rows) {
  configure(kTileRows, kTileRows);
  for (std::int64_t p = 0; p < weights.panels; p += 2) {
    for (std::int64_t b = 0; b < rows; b += 2 * kTileRows) {
      const Batch block = {batch.x + b * batch.x_stride, batch.x_stride, batch.x_scales + b,
                           batch.target.behind(b)};
      two_panels(weights, p, block, 2 * kTileRows);
    }
  }
}

void rest_of_rows(const dt::Int8Panels& weights, const Batch& batch, std::int64_t rows) {
  if (rows > kTileRows) {
    configure(kTileRows, rows - kTileRows);
    for (std::int64_t p = 0; p < weights.panels; p += 2) {
      two_panels(weights, p, batch, rows);
    }
    return;
  }
  configure(rows, 0);
  std::int64_t p = 0;
  for (; p + 4 <= weights.panels; p += 4) {
    four_panels(weights, p, batch, rows);
  }
  for (; p < weights.panels; ++p) {
    one_panel(weights, p, batch, rows);
  }
}

void multiply_add_tiles(const dt::Int8Panels& weights, const std::uint8_t* x, std::int64_t x_stride,
                        const float* x_scales, std::int64_t batch, const float* from,
                        std::int64_t from_stride, float* y, std::int64_t y_stride) {
  const Target target = {from, from_stride, y, y_stride};
  if (batch < kFewestRows) {
    multiply_rows(weights, x, x_stride, x_scales, batch, target);
    return;
  }
  const std::int64_t full = batch / (2 * kTileRows) * 2 * kTileRows;
  if (full > 0) {
    full_blocks(weights, {x, x_stride, x_scales, target}, full);
  }
  if (batch > full) {
    rest_of_rows(weights, {x + full * x_stride, x_stride, x_scales + full, target.behind(full)},
                 batch - full);
  }
  _tile_release();
}

}  // namespace

#endif

namespace dt {

const Kernels* amx_kernels() {
#if defined(DT_AMX)
  static const Kernels kernels = table("amx", &multiply_add_tiles);
  return &kernels;
#else
  return nullptr;
#endif
}

}  // namespace dt
