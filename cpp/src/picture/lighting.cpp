// Light on the surfaces: what falls there, what is kept from them, and what comes back.
#include <algorithm>
#include <array>
#include <cmath>

#include "picture/canvas.h"
#include "picture/studio.h"

namespace dt::picture {

namespace {

using Vector = std::array<float, 3>;

float dot(const Vector& a, const Vector& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

Vector unit(const Vector& v) {
  const float scale = 1.0F / std::sqrt(dot(v, v));
  return {v[0] * scale, v[1] * scale, v[2] * scale};
}

// Means of 2 * reach + 1 values along each row, then along each column; those outside the grid
// count as `outside`. `sums` is scratch for a row and for the grid.
void smear(std::vector<float>& grid, std::vector<float>& sums, int width, int height, int reach,
           float outside) {
  const float scale = 1.0F / static_cast<float>(2 * reach + 1);
  float* between = sums.data() + width;
  for (int y = 0; y < height; ++y) {
    const float* in = &grid[static_cast<std::size_t>(y) * width];
    float* out = between + static_cast<std::ptrdiff_t>(y) * width;
    const auto value = [&](int x) { return x < 0 || x >= width ? outside : in[x]; };
    float sum = 0.0F;
    for (int x = -reach; x <= reach; ++x) sum += value(x);
    for (int x = 0; x < width; ++x) {
      out[x] = sum * scale;
      sum += value(x + reach + 1) - value(x - reach);
    }
  }
  float* sum = sums.data();
  std::fill_n(sum, width, outside * static_cast<float>(reach));
  const auto add = [&](int y, float sign) {
    const bool there = y >= 0 && y < height;
    const float* from = between + (there ? static_cast<std::ptrdiff_t>(y) * width : 0);
    for (int x = 0; x < width; ++x) sum[x] += sign * (there ? from[x] : outside);
  };
  for (int y = 0; y <= reach; ++y) add(y, 1.0F);
  for (int y = 0; y < height; ++y) {
    float* out = &grid[static_cast<std::size_t>(y) * width];
    for (int x = 0; x < width; ++x) out[x] = sum[x] * scale;
    add(y + reach + 1, 1.0F);
    add(y - reach, -1.0F);
  }
}

// Farthest from the lamp, metres below the middle of what it lights.
constexpr float kFarthest = 1.0F;

}  // namespace

// The scene from the key light: depths, and means of their squares, which give soft shadows.
void Canvas::cast_shadow(const Scene& scene) {
  const Vector forward{studio::kKeyAt[0], studio::kKeyAt[1], studio::kKeyAt[2]};
  const Vector right = unit({forward[2], 0.0F, -forward[0]});
  const Vector up{forward[1] * right[2] - forward[2] * right[1],
                  forward[2] * right[0] - forward[0] * right[2],
                  forward[0] * right[1] - forward[1] * right[0]};
  Vector low{1e9F, 1e9F, 1e9F}, high{-1e9F, -1e9F, -1e9F};
  for (int p = 0; p < scene.points; ++p) {
    const float* at = scene.position + 3 * static_cast<std::ptrdiff_t>(p);
    const Vector position{at[0], at[1], at[2]};
    const Vector lit{dot(position, right), dot(position, up), dot(position, forward)};
    for (int i = 0; i < 3; ++i) {
      vertices_[static_cast<std::size_t>(p)].of[Vertex::kLit + i] = lit[i];
      low[i] = std::min(low[i], lit[i]);
      high[i] = std::max(high[i], lit[i]);
    }
  }
  const float reach = std::max({high[0] - low[0], high[1] - low[1], 1e-3F});
  const float texels = static_cast<float>(kShadowSize - 8) / reach;
  for (Vertex& vertex : vertices_) {
    float* lit = &vertex.of[Vertex::kLit];
    lit[0] = (lit[0] - low[0]) * texels + 4.0F;
    lit[1] = (lit[1] - low[1]) * texels + 4.0F;
    lit[2] -= high[2];  // 0 at the lamp's nearest, falling
  }
  std::fill(lamp_.begin(), lamp_.end(), -kFarthest);
  for (int t = 0; t < scene.triangles; ++t) {
    if (scene.surfaces[scene.surface[t]].blended) continue;
    const std::uint32_t* corner = scene.corner + 3 * static_cast<std::ptrdiff_t>(t);
    const std::array<const float*, 3> corners{&vertices_[corner[0]].of[Vertex::kLit],
                                              &vertices_[corner[1]].of[Vertex::kLit],
                                              &vertices_[corner[2]].of[Vertex::kLit]};
    const auto [p, q, r] = corners;
    // Those that look away from the lamp cast the same shadow as those that look there.
    Face face{};
    if (!set_up_face(face, corners) || face.front) continue;
    const int left = static_cast<int>(std::min({p[0], q[0], r[0]}));
    const int right_end = static_cast<int>(std::max({p[0], q[0], r[0]})) + 1;
    const int top = static_cast<int>(std::min({p[1], q[1], r[1]}));
    const int bottom = static_cast<int>(std::max({p[1], q[1], r[1]})) + 1;
    for (int y = top; y < bottom; ++y) {
      const float v = static_cast<float>(y) + 0.5F - face.y0;
      float* row = &lamp_[static_cast<std::size_t>(y) * kShadowSize];
      for (int x = left; x < right_end; ++x) {
        const float u = static_cast<float>(x) + 0.5F - face.x0;
        const float second = face.a[0] * u + face.b[0] * v;
        const float third = face.a[1] * u + face.b[1] * v;
        const float depth = face.depth[0] + face.depth[1] * u + face.depth[2] * v;
        const bool in = (1.0F - second - third >= -0.001F) & (second >= -0.001F) &
                        (third >= -0.001F) & (depth > row[x]);
        row[x] = in ? depth : row[x];
      }
    }
  }
  for (std::size_t i = 0; i < lamp_.size(); ++i) lamp_squared_[i] = lamp_[i] * lamp_[i];
  for (int pass = 0; pass < 2; ++pass) {
    smear(lamp_, scratch_, kShadowSize, kShadowSize, 2, -kFarthest);
    smear(lamp_squared_, scratch_, kShadowSize, kShadowSize, 2, kFarthest * kFarthest);
  }
}

// The mean depth around each cell of the picture, of what is drawn there.
void Canvas::find_openness(float focal) {
  float nearest = 0.0F;
  for (int y = 0; y < coarse_height_; ++y) {
    for (int x = 0; x < coarse_width_; ++x) {
      const int at_x = std::min(x * kCoarse + kCoarse / 2, width_ - 1);
      const int at_y = std::min(y * kCoarse + kCoarse / 2, height_ - 1);
      const bool drawn =
          at_x >= drawn_.left && at_x < drawn_.right && at_y >= drawn_.top && at_y < drawn_.bottom;
      const std::size_t pixel = static_cast<std::size_t>(at_y) * width_ + at_x;
      const float depth = drawn ? depth_[pixel * kSamples] : 0.0F;
      const std::size_t cell = static_cast<std::size_t>(y) * coarse_width_ + x;
      coarse_[cell] = depth > 0.0F ? 1.0F / depth : 0.0F;
      coarse_weight_[cell] = depth > 0.0F ? 1.0F : 0.0F;
      nearest = std::max(nearest, depth);
    }
  }
  // Two smears of a centimetre, on the picture.
  const float cells = 0.008F * focal * nearest / static_cast<float>(kCoarse);
  const int reach = std::clamp(static_cast<int>(cells + 0.5F), 1, 40);
  for (int pass = 0; pass < 2; ++pass) {
    smear(coarse_, scratch_, coarse_width_, coarse_height_, reach, 0.0F);
    smear(coarse_weight_, scratch_, coarse_width_, coarse_height_, reach, 0.0F);
  }
  for (std::size_t i = 0; i < coarse_.size(); ++i) {
    // Where nothing is near, nothing hides anything.
    coarse_[i] = coarse_weight_[i] > 1e-4F ? coarse_[i] / coarse_weight_[i] : 1e3F;
  }
}

Light Canvas::light(const Scene& scene) const {
  return {scene.focal,
          scene.centre_x,
          scene.centre_y,
          {lamp_.data(), kShadowSize, kShadowSize},
          {lamp_squared_.data(), kShadowSize, kShadowSize},
          {coarse_.data(), coarse_width_, coarse_height_},
          1.0F / static_cast<float>(kCoarse)};
}

}  // namespace dt::picture
