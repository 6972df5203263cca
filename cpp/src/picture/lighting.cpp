// Light on the surfaces: what falls there, what is kept from them, and what comes back.
#include <algorithm>
#include <array>
#include <cmath>

#include "picture/canvas.h"
#include "picture/studio.h"

namespace dt::picture {

namespace {

using studio::Vector;

float dot(const Vector& a, const Vector& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

Vector unit(const Vector& v) {
  const float scale = 1.0F / std::sqrt(dot(v, v));
  return {v[0] * scale, v[1] * scale, v[2] * scale};
}

// Falls from 1 at cosine 1 as a power does, without one.
float lobe(float cosine, float sharp) {
  const float x = std::max(cosine, 0.0F);
  const float y = x / (sharp - sharp * x + x);
  return y * y;
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

float bilinear(const float* grid, int width, int height, float x, float y) {
  x = std::clamp(x, 0.0F, static_cast<float>(width) - 1.001F);
  y = std::clamp(y, 0.0F, static_cast<float>(height) - 1.001F);
  const int left = static_cast<int>(x), top = static_cast<int>(y);
  const float right = x - static_cast<float>(left), down = y - static_cast<float>(top);
  const float* at = grid + static_cast<std::ptrdiff_t>(top) * width + left;
  const float above = at[0] + right * (at[1] - at[0]);
  const float below = at[width] + right * (at[width + 1] - at[width]);
  return above + down * (below - above);
}

// Farthest from the lamp, metres below the middle of what it lights.
constexpr float kFarthest = 1.0F;

}  // namespace

// The scene from the key light: depths, and means of their squares, which give soft shadows.
void Canvas::cast_shadow(const Scene& scene) {
  const Vector& forward = studio::kKeyAt;
  const Vector right = unit({forward[2], 0.0F, -forward[0]});
  const Vector up{forward[1] * right[2] - forward[2] * right[1],
                  forward[2] * right[0] - forward[0] * right[2],
                  forward[0] * right[1] - forward[1] * right[0]};
  Vector low{1e9F, 1e9F, 1e9F}, high{-1e9F, -1e9F, -1e9F};
  for (int p = 0; p < scene.points; ++p) {
    const float* at = scene.position + 3 * static_cast<std::ptrdiff_t>(p);
    const Vector position{at[0], at[1], at[2]};
    Vector& lit = vertices_[static_cast<std::size_t>(p)].lit;
    lit = {dot(position, right), dot(position, up), dot(position, forward)};
    for (int i = 0; i < 3; ++i) {
      low[i] = std::min(low[i], lit[i]);
      high[i] = std::max(high[i], lit[i]);
    }
  }
  const float reach = std::max({high[0] - low[0], high[1] - low[1], 1e-3F});
  const float texels = static_cast<float>(kShadowSize - 8) / reach;
  for (Vertex& vertex : vertices_) {
    vertex.lit[0] = (vertex.lit[0] - low[0]) * texels + 4.0F;
    vertex.lit[1] = (vertex.lit[1] - low[1]) * texels + 4.0F;
    vertex.lit[2] -= high[2];  // 0 at the lamp's nearest, falling
  }
  std::fill(lamp_.begin(), lamp_.end(), -kFarthest);
  for (int t = 0; t < scene.triangles; ++t) {
    if (scene.surfaces[scene.surface[t]].blended) continue;
    const std::uint32_t* corner = scene.corner + 3 * static_cast<std::ptrdiff_t>(t);
    const std::array<const float*, 3> corners{vertices_[corner[0]].lit.data(),
                                              vertices_[corner[1]].lit.data(),
                                              vertices_[corner[2]].lit.data()};
    const auto [p, q, r] = corners;
    // Those that look away from the lamp cast the same shadow as those that look there.
    Face face{};
    if (!set_up_face(face, corners) || face.front) continue;
    const int left = static_cast<int>(std::min({p[0], q[0], r[0]}));
    const int right_end = static_cast<int>(std::max({p[0], q[0], r[0]})) + 1;
    const int top = static_cast<int>(std::min({p[1], q[1], r[1]}));
    const int bottom = static_cast<int>(std::max({p[1], q[1], r[1]})) + 1;
    for (int y = top; y < bottom; ++y) {
      for (int x = left; x < right_end; ++x) {
        const auto at = face.at(static_cast<float>(x) + 0.5F, static_cast<float>(y) + 0.5F);
        float& there = lamp_[static_cast<std::size_t>(y) * kShadowSize + x];
        if (at[0] >= -0.001F && at[1] >= -0.001F && at[2] >= -0.001F && at[3] > there) {
          there = at[3];
        }
      }
    }
  }
  for (std::size_t i = 0; i < lamp_.size(); ++i) lamp_squared_[i] = lamp_[i] * lamp_[i];
  for (int pass = 0; pass < 2; ++pass) {
    smear(lamp_, scratch_, kShadowSize, kShadowSize, 2, -kFarthest);
    smear(lamp_squared_, scratch_, kShadowSize, kShadowSize, 2, kFarthest * kFarthest);
  }
}

// How much of the key light comes to a point that the lamp sees at `lit`: 0 to 1.
float Canvas::shadow(const std::array<float, 3>& lit) const {
  const float mean = bilinear(lamp_.data(), kShadowSize, kShadowSize, lit[0] - 0.5F, lit[1] - 0.5F);
  const float below = mean - lit[2] - 0.004F;
  if (below <= 0.0F) return 1.0F;
  const float squared =
      bilinear(lamp_squared_.data(), kShadowSize, kShadowSize, lit[0] - 0.5F, lit[1] - 0.5F);
  const float variance = std::max(squared - mean * mean, 6e-6F);
  const float most = variance / (variance + below * below);
  return std::clamp((most - 0.25F) / 0.75F, 0.0F, 1.0F);
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

// How open a place is to the light from all around: 1 on a cheek, little in a mouth, which lies
// behind what is around it on the picture.
float Canvas::openness(float x, float y, float distance) const {
  const float scale = 1.0F / static_cast<float>(kCoarse);
  const float around =
      bilinear(coarse_.data(), coarse_width_, coarse_height_, x * scale - 0.5F, y * scale - 0.5F);
  const float deep = std::max(distance - around - 0.0008F, 0.0F);
  return 1.0F - 0.85F * deep / (deep + 0.006F);
}

// What surfaces send to the camera: their own colour lit, and a highlight beside it. One loop, of
// plain arithmetic, that a compiler can do for several at once.
void Canvas::light(Fragments& fragments, const Scene& scene) const {
  const auto& normal = fragments.normal;
  const float inverse = 1.0F / scene.focal;
  const float centre_x = scene.centre_x, centre_y = scene.centre_y;
  const int count = fragments.count;
  for (int k = 0; k < count; ++k) {
    const float view_x = (centre_x - fragments.x[k]) * inverse;
    const float view_y = (fragments.y[k] - centre_y) * inverse;
    const float view_scale = 1.0F / std::sqrt(view_x * view_x + view_y * view_y + 1.0F);
    const Vector view{view_x * view_scale, view_y * view_scale, view_scale};
    Vector n{normal[0][k], normal[1][k], normal[2][k]};
    const float scale = 1.0F / std::sqrt(dot(n, n) + 1e-20F);
    for (float& part : n) part *= scale;
    // Smooth normals turn away a little before the outline, and what is seen from behind has them
    // turned away: they are mirrored, so that nothing jumps at the outline.
    const float away = std::min(dot(n, view), 0.0F);
    for (int i = 0; i < 3; ++i) n[i] -= 2.0F * away * view[i];
    // Not to 0: at the outline light would come and go from pixel to pixel.
    const float grazing = 1.0F - std::min(std::max(dot(n, view), 0.18F), 1.0F);
    const float grazing2 = grazing * grazing;
    const float key = dot(n, studio::kKeyAt);
    const float opened = fragments.open[k], shaded = fragments.shade[k];
    const float fill = std::max(dot(n, studio::kFillAt), 0.0F) * opened;
    const float sky = 0.5F + 0.5F * n[1];
    const float rim = (std::max(dot(n, studio::kRimLeftAt) + 0.2F, 0.0F) +
                       std::max(dot(n, studio::kRimRightAt) + 0.2F, 0.0F)) *
                      grazing2 * opened;
    for (int i = 0; i < 3; ++i) {
      const float own = fragments.colour[i][k];
      const float wrap = fragments.wrap[k] * studio::kWrap[i];
      const float diffuse = std::max((key + wrap) / (1.0F + wrap), 0.0F);
      const float shade = shaded + (1.0F - shaded) * fragments.wrap[k] * studio::kShadowTint[i];
      // A bounce of the surface's own colour keeps hollows from going grey.
      const float open = opened + (1.0F - opened) * 0.35F * own;
      const float ambient =
          (studio::kFloor[i] + sky * (studio::kSky[i] - studio::kFloor[i])) * open;
      fragments.seen[i][k] = own * (studio::kKey[i] * diffuse * shade * (0.35F + 0.65F * open) +
                                    ambient + studio::kFill[i] * fill + studio::kRim[i] * rim);
    }
    const float fresnel =
        studio::kFresnel + (1.0F - studio::kFresnel) * grazing2 * grazing2 * grazing;
    const float shine = lobe(dot(n, studio::kKeyHalf), fragments.sharp[k]) * shaded +
                        0.25F * lobe(dot(n, studio::kFillHalf), fragments.sharp[k]);
    // The sky in a glossy surface, at its edges most.
    const float mirrored = fresnel * 0.25F * std::max(n[1] + 0.4F, 0.0F);
    fragments.highlight[k] = fragments.gloss[k] * opened * (shine + mirrored);
  }
}

}  // namespace dt::picture
