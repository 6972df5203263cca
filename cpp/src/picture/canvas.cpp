#include "picture/canvas.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace dt::picture {

namespace {

// Nearer than this the camera sees nothing, metres.
constexpr float kNear = 0.02F;
// Samples of one surface whose distances differ by less than this share are lit as one.
constexpr float kOneSurface = 0.006F;

// Whether no sample of a pixel sees anything.
bool empty(const float* depth) { return depth[0] + depth[1] + depth[2] + depth[3] == 0.0F; }

// Weights of a triangle's three corners, and the depth.
std::array<float, 4> weights_at(const Face& face, float x, float y) {
  const float u = x - face.x0, v = y - face.y0;
  const float second = face.a[0] * u + face.b[0] * v, third = face.a[1] * u + face.b[1] * v;
  return {1.0F - second - third, second, third,
          face.depth[0] + face.depth[1] * u + face.depth[2] * v};
}

// Whether all samples of a pixel see one surface.
bool one_surface(const Scene& scene, const std::int32_t* nearest, const float* depth) {
  const float low = std::min(std::min(depth[0], depth[1]), std::min(depth[2], depth[3]));
  const float high = std::max(std::max(depth[0], depth[1]), std::max(depth[2], depth[3]));
  if (low == 0.0F || high - low > kOneSurface * low) return false;
  if (nearest[0] == nearest[1] && nearest[0] == nearest[2] && nearest[0] == nearest[3]) return true;
  const std::uint8_t surface = scene.surface[nearest[0]];
  return scene.surface[nearest[1]] == surface && scene.surface[nearest[2]] == surface &&
         scene.surface[nearest[3]] == surface;
}

}  // namespace

Canvas::Canvas(int width, int height, std::vector<float> background,
               std::vector<std::uint8_t> tones, const Shading& shading)
    : width_(width),
      height_(height),
      shading_(shading),
      background_(std::move(background)),
      tones_(std::move(tones)),
      linear_(background_),
      // One pixel more, that whoever takes two at once may look at.
      depth_((static_cast<std::size_t>(width) * height + 1) * kSamples, 0.0F),
      nearest_((static_cast<std::size_t>(width) * height + 1) * kSamples),
      lamp_(kShadowSize * kShadowSize),
      lamp_squared_(kShadowSize * kShadowSize),
      // Two at least, as whoever reads between them looks at the next one.
      coarse_width_(std::max((width + kCoarse - 1) / kCoarse, 2)),
      coarse_height_(std::max((height + kCoarse - 1) / kCoarse, 2)),
      tiles_across_((width + kTile - 1) / kTile) {
  farthest_.resize(static_cast<std::size_t>(tiles_across_) * ((height + kTile - 1) / kTile));
  plain_.resize(background_.size());
  tone(background_.data(), background_.size(), plain_.data());
  const auto cells = static_cast<std::size_t>(coarse_width_) * coarse_height_;
  coarse_.resize(cells);
  coarse_weight_.resize(cells);
  scratch_.resize(std::max(cells + coarse_width_, lamp_.size() + kShadowSize));
}

void Canvas::draw(const Scene& scene, std::uint8_t* out) {
  blends_ = std::any_of(scene.surfaces.begin(), scene.surfaces.end(),
                        [](const Surface& surface) { return surface.blended; });
  find_normals(scene);
  project(scene);
  set_up(scene);
  cast_shadow(scene);
  cover(scene, true);
  find_farthest();
  cover(scene, false);
  find_openness(scene.focal);
  resolve(scene);
  blend(scene);
  develop(out);
}

// Each point's normal is the mean of its triangles', weighted by their areas.
void Canvas::find_normals(const Scene& scene) {
  sums_.assign(static_cast<std::size_t>(scene.points) * 3, 0.0F);
  for (int t = 0; t < scene.triangles; ++t) {
    const std::uint32_t* corner = scene.corner + 3 * static_cast<std::ptrdiff_t>(t);
    const float* p = scene.position + 3 * static_cast<std::ptrdiff_t>(corner[0]);
    const float* q = scene.position + 3 * static_cast<std::ptrdiff_t>(corner[1]);
    const float* r = scene.position + 3 * static_cast<std::ptrdiff_t>(corner[2]);
    const std::array<float, 3> u{q[0] - p[0], q[1] - p[1], q[2] - p[2]};
    const std::array<float, 3> v{r[0] - p[0], r[1] - p[1], r[2] - p[2]};
    const std::array<float, 3> normal{u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2],
                                      u[0] * v[1] - u[1] * v[0]};
    for (int k = 0; k < 3; ++k) {
      float* sum = &sums_[3 * static_cast<std::size_t>(scene.joint[corner[k]])];
      for (int i = 0; i < 3; ++i) sum[i] += normal[i];
    }
  }
  vertices_.resize(static_cast<std::size_t>(scene.points));
  for (int p = 0; p < scene.points; ++p) {
    const float* sum = &sums_[3 * static_cast<std::size_t>(scene.joint[p])];
    const float squared = sum[0] * sum[0] + sum[1] * sum[1] + sum[2] * sum[2];
    const float scale = squared > 0.0F ? 1.0F / std::sqrt(squared) : 0.0F;
    Vertex& vertex = vertices_[static_cast<std::size_t>(p)];
    const float* colour = scene.colour + 4 * static_cast<std::ptrdiff_t>(p);
    for (int i = 0; i < 3; ++i) {
      vertex.of[i] = sum[i] * scale;
      vertex.of[Vertex::kColour + i] = colour[i];
    }
    vertex.of[Vertex::kAlpha] = colour[3];
  }
}

void Canvas::project(const Scene& scene) {
  screen_.resize(static_cast<std::size_t>(scene.points) * 3);
  for (int p = 0; p < scene.points; ++p) {
    const float* at = scene.position + 3 * static_cast<std::ptrdiff_t>(p);
    float* screen = &screen_[3 * static_cast<std::size_t>(p)];
    const float distance = -at[2];
    const float inverse = distance > kNear ? 1.0F / distance : 0.0F;
    screen[0] = scene.centre_x + scene.focal * at[0] * inverse;
    screen[1] = scene.centre_y - scene.focal * at[1] * inverse;
    screen[2] = inverse;
    vertices_[static_cast<std::size_t>(p)].of[Vertex::kInverse] = inverse;
  }
}

// Whether a triangle of corners (x, y, 1 / distance) has an area; y goes down, so that one that is
// counter-clockwise from the front has a negative one.
bool Canvas::set_up_face(Face& face, const std::array<const float*, 3>& corners) const {
  const float* p = corners[0];
  const float* q = corners[1];
  const float* r = corners[2];
  const float area = (q[0] - p[0]) * (r[1] - p[1]) - (r[0] - p[0]) * (q[1] - p[1]);
  if (!(std::fabs(area) > 1e-7F)) return false;
  face.front = area < 0.0F;
  const float scale = 1.0F / area;
  face.x0 = p[0];
  face.y0 = p[1];
  face.a[0] = (r[1] - p[1]) * scale;
  face.a[1] = (p[1] - q[1]) * scale;
  face.b[0] = (p[0] - r[0]) * scale;
  face.b[1] = (q[0] - p[0]) * scale;
  face.depth[0] = p[2];
  face.depth[1] = face.a[0] * (q[2] - p[2]) + face.a[1] * (r[2] - p[2]);
  face.depth[2] = face.b[0] * (q[2] - p[2]) + face.b[1] * (r[2] - p[2]);
  return true;
}

void Canvas::set_up(const Scene& scene) {
  faces_.resize(static_cast<std::size_t>(scene.triangles));
  drawn_ = {width_, 0, height_, 0};
  for (int t = 0; t < scene.triangles; ++t) {
    Face& face = faces_[static_cast<std::size_t>(t)];
    face.seen = false;
    const std::uint32_t* corner = scene.corner + 3 * static_cast<std::ptrdiff_t>(t);
    const std::array<const float*, 3> corners{&screen_[3 * static_cast<std::size_t>(corner[0])],
                                              &screen_[3 * static_cast<std::size_t>(corner[1])],
                                              &screen_[3 * static_cast<std::size_t>(corner[2])]};
    const auto [p, q, r] = corners;
    if (p[2] <= 0.0F || q[2] <= 0.0F || r[2] <= 0.0F || !set_up_face(face, corners)) continue;
    if (!face.front && !scene.surfaces[scene.surface[t]].two_sided) continue;
    const float edge_x = static_cast<float>(width_), edge_y = static_cast<float>(height_);
    face.left = static_cast<int>(std::clamp(std::min({p[0], q[0], r[0]}), 0.0F, edge_x));
    face.top = static_cast<int>(std::clamp(std::min({p[1], q[1], r[1]}), 0.0F, edge_y));
    face.right = static_cast<int>(std::clamp(std::max({p[0], q[0], r[0]}) + 1.0F, 0.0F, edge_x));
    face.bottom = static_cast<int>(std::clamp(std::max({p[1], q[1], r[1]}) + 1.0F, 0.0F, edge_y));
    face.seen = face.left < face.right && face.top < face.bottom;
    if (!face.seen) continue;
    drawn_ = {std::min(drawn_.left, face.left), std::max(drawn_.right, face.right),
              std::min(drawn_.top, face.top), std::max(drawn_.bottom, face.bottom)};
  }
  if (drawn_.left >= drawn_.right) drawn_ = {};
  sort();
}

// Strip by strip, in each in their own order: what is looked at one after the other lies together.
void Canvas::sort() {
  strips_.assign(static_cast<std::size_t>(height_ / kStrip) + 2, 0);
  for (const Face& face : faces_) {
    if (face.seen) ++strips_[static_cast<std::size_t>(face.top / kStrip) + 1];
  }
  for (std::size_t i = 1; i < strips_.size(); ++i) strips_[i] += strips_[i - 1];
  order_.resize(static_cast<std::size_t>(strips_.back()));
  for (std::size_t t = 0; t < faces_.size(); ++t) {
    if (!faces_[t].seen) continue;
    const auto strip = static_cast<std::size_t>(faces_[t].top / kStrip);
    order_[static_cast<std::size_t>(strips_[strip]++)] = static_cast<std::int32_t>(t);
  }
}

// Empties rows from `top` on, of what will be drawn.
void Canvas::clear(int top, int bottom) {
  const std::size_t count = static_cast<std::size_t>(drawn_.right - drawn_.left) * kSamples;
  for (int y = top; y < bottom; ++y) {
    const std::size_t row = (static_cast<std::size_t>(y) * width_ + drawn_.left) * kSamples;
    std::fill_n(&depth_[row], count, 0.0F);
  }
}

// Which triangle each sample sees: those that look here first, which hide most of the others.
void Canvas::cover(const Scene& scene, bool front) {
  const Samples samples{width_, depth_.data(), nearest_.data()};
  int cleared = front ? drawn_.top : drawn_.bottom;
  for (const std::int32_t t : order_) {
    const Face& face = faces_[static_cast<std::size_t>(t)];
    if (face.front != front || scene.surfaces[scene.surface[t]].blended) continue;
    const std::uint32_t* corner = scene.corner + 3 * static_cast<std::ptrdiff_t>(t);
    const float nearest = std::max({screen_[3 * static_cast<std::size_t>(corner[0]) + 2],
                                    screen_[3 * static_cast<std::size_t>(corner[1]) + 2],
                                    screen_[3 * static_cast<std::size_t>(corner[2]) + 2]});
    if (!front && hidden(face, nearest)) continue;
    // Just before they are wanted: they are at hand then.
    if (face.bottom > cleared) {
      clear(cleared, face.bottom);
      cleared = face.bottom;
    }
    shading_.cover(face, t, samples);
  }
  clear(cleared, drawn_.bottom);
}

void Canvas::find_farthest() {
  std::fill(farthest_.begin(), farthest_.end(), 0.0F);
  for (int top = drawn_.top / kTile * kTile; top < drawn_.bottom; top += kTile) {
    for (int left = drawn_.left / kTile * kTile; left < drawn_.right; left += kTile) {
      // A tile at the edge of what is drawn holds depths of an earlier picture: it hides nothing.
      if (top < drawn_.top || left < drawn_.left || top + kTile > drawn_.bottom ||
          left + kTile > drawn_.right) {
        continue;
      }
      std::array<float, kSamples> least;
      least.fill(1e9F);
      for (int y = top; y < top + kTile; ++y) {
        const float* depth = &depth_[(static_cast<std::size_t>(y) * width_ + left) * kSamples];
        for (int i = 0; i < kTile; ++i) {
          for (int s = 0; s < kSamples; ++s) least[s] = std::min(least[s], depth[i * kSamples + s]);
        }
      }
      farthest_[static_cast<std::size_t>(top / kTile) * tiles_across_ + left / kTile] =
          std::min({least[0], least[1], least[2], least[3]});
    }
  }
}

bool Canvas::hidden(const Face& face, float nearest) const {
  for (int y = face.top / kTile; y <= (face.bottom - 1) / kTile; ++y) {
    for (int x = face.left / kTile; x <= (face.right - 1) / kTile; ++x) {
      if (farthest_[static_cast<std::size_t>(y) * tiles_across_ + x] <= nearest) return false;
    }
  }
  return true;
}

void Canvas::add(Fragments& to, const Scene& scene, int triangle, float x, float y) const {
  const Face& face = faces_[static_cast<std::size_t>(triangle)];
  const std::uint32_t* corner = scene.corner + 3 * static_cast<std::ptrdiff_t>(triangle);
  const Surface& surface = scene.surfaces[scene.surface[triangle]];
  // The place may lie outside a triangle that stands for its neighbours; on one that is seen from
  // its edge, weights would then be anything.
  const auto weights = weights_at(face, x, y);
  const std::array<float, 3> inside{std::max(weights[0], 0.0F), std::max(weights[1], 0.0F),
                                    std::max(weights[2], 0.0F)};
  const float whole = 1.0F / (inside[0] + inside[1] + inside[2]);
  const std::array<float, 3> share{inside[0] * whole, inside[1] * whole, inside[2] * whole};
  const auto& p = vertices_[corner[0]].of;
  const auto& q = vertices_[corner[1]].of;
  const auto& r = vertices_[corner[2]].of;
  std::array<float, Vertex::kNumbers> mean;
  for (int i = 0; i < Vertex::kNumbers; ++i) {
    mean[i] = share[0] * p[i] + share[1] * q[i] + share[2] * r[i];
  }
  const int at = to.count++;
  for (int i = 0; i < 3; ++i) {
    to.normal[i][at] = mean[i];
    to.colour[i][at] = mean[Vertex::kColour + i];
    to.lit[i][at] = mean[Vertex::kLit + i];
  }
  to.alpha[at] = std::clamp(mean[Vertex::kAlpha], 0.0F, 1.0F);
  to.distance[at] = 1.0F / mean[Vertex::kInverse];
  to.x[at] = x;
  to.y[at] = y;
  to.gloss[at] = surface.gloss;
  to.sharp[at] = surface.sharp;
  to.wrap[at] = surface.wrap;
}

// Lights what was gathered, and adds it to the picture.
void Canvas::put(Fragments& fragments, const Scene& scene) {
  shading_.light(fragments, light(scene));
  for (int k = 0; k < fragments.count; ++k) {
    float* colour = &linear_[fragments.pixel[k] * 3];
    for (int i = 0; i < 3; ++i) {
      colour[i] += fragments.share[k] * (fragments.seen[i][k] + fragments.highlight[k]);
    }
  }
  fragments.count = 0;
}

// Every pixel's mean of its samples; samples that see one surface are lit as one.
void Canvas::resolve(const Scene& scene) {
  Fragments& gathered = fragments_;
  for (int y = drawn_.top; y < drawn_.bottom; ++y) {
    for (int x = drawn_.left; x < drawn_.right; ++x) {
      const std::size_t pixel = static_cast<std::size_t>(y) * width_ + x;
      const float* depth = &depth_[pixel * kSamples];
      float* colour = &linear_[pixel * 3];
      if (empty(depth)) {
        if (blends_) std::copy_n(&background_[pixel * 3], 3, colour);
        continue;
      }
      if (gathered.count > Fragments::kMost - kSamples) put(gathered, scene);
      const std::int32_t* nearest = &nearest_[pixel * kSamples];
      if (!one_surface(scene, nearest, depth)) {
        resolve(scene, x, y);
        continue;
      }
      gathered.pixel[gathered.count] = pixel;
      gathered.share[gathered.count] = 1.0F;
      add(gathered, scene, nearest[0], static_cast<float>(x) + 0.5F, static_cast<float>(y) + 0.5F);
      std::fill_n(colour, 3, 0.0F);
    }
  }
  put(gathered, scene);
}

// One pixel whose samples see several surfaces.
void Canvas::resolve(const Scene& scene, int x, int y) {
  Fragments& gathered = fragments_;
  const std::size_t pixel = static_cast<std::size_t>(y) * width_ + x;
  const std::int32_t* nearest = &nearest_[pixel * kSamples];
  const float* depth = &depth_[pixel * kSamples];
  unsigned done = 0;
  int open = kSamples;
  for (int s = 0; s < kSamples && done != (1U << kSamples) - 1U; ++s) {
    if (depth[s] == 0.0F || (done >> s & 1U) != 0) continue;
    const std::uint8_t surface = scene.surface[nearest[s]];
    float at_x = 0.0F, at_y = 0.0F;
    int count = 0;
    for (int other = s; other < kSamples; ++other) {
      if (depth[other] == 0.0F || (done >> other & 1U) != 0) continue;
      const bool one = nearest[other] == nearest[s] ||
                       (scene.surface[nearest[other]] == surface &&
                        std::fabs(depth[other] - depth[s]) <= kOneSurface * depth[s]);
      if (!one) continue;
      done |= 1U << other;
      at_x += kSampleX[other];
      at_y += kSampleY[other];
      ++count;
    }
    const float share = 1.0F / static_cast<float>(count);
    gathered.pixel[gathered.count] = pixel;
    gathered.share[gathered.count] = 0.25F * static_cast<float>(count);
    add(gathered, scene, nearest[s], static_cast<float>(x) + at_x * share,
        static_cast<float>(y) + at_y * share);
    open -= count;
  }
  float* colour = &linear_[pixel * 3];
  const float* behind = &background_[pixel * 3];
  for (int i = 0; i < 3; ++i) colour[i] = 0.25F * static_cast<float>(open) * behind[i];
}

// What lets light through, over what is there, in the triangles' order.
void Canvas::blend(const Scene& scene) {
  Fragments& one = fragments_;
  for (int t = 0; t < scene.triangles; ++t) {
    const Face& face = faces_[static_cast<std::size_t>(t)];
    if (!scene.surfaces[scene.surface[t]].blended || !face.seen) continue;
    for (int y = face.top; y < face.bottom; ++y) {
      for (int x = face.left; x < face.right; ++x) {
        const std::size_t pixel = static_cast<std::size_t>(y) * width_ + x;
        float at_x = 0.0F, at_y = 0.0F;
        int count = 0;
        for (int s = 0; s < kSamples; ++s) {
          const float sx = static_cast<float>(x) + kSampleX[s];
          const float sy = static_cast<float>(y) + kSampleY[s];
          const auto at = weights_at(face, sx, sy);
          const bool in = at[0] >= 0.0F && at[1] >= 0.0F && at[2] > 0.0F &&
                          at[3] > depth_[pixel * kSamples + s];
          if (!in) continue;
          at_x += sx;
          at_y += sy;
          ++count;
        }
        if (count == 0) continue;
        const float share = 1.0F / static_cast<float>(count);
        add(one, scene, t, at_x * share, at_y * share);
        shading_.light(one, light(scene));
        one.count = 0;
        const float covered = 0.25F * static_cast<float>(count);
        float* colour = &linear_[pixel * 3];
        for (int i = 0; i < 3; ++i) {
          const float over =
              one.alpha[0] * one.seen[i][0] + (1.0F - one.alpha[0]) * colour[i] + one.highlight[0];
          colour[i] += covered * (over - colour[i]);
        }
      }
    }
  }
}

// `count` numbers of linear light as bytes.
void Canvas::tone(const float* light, std::size_t count, std::uint8_t* out) const {
  shading_.tone(light, count, tones_.data(), static_cast<int>(tones_.size()) - 1, kBrightest, out);
}

// Runs of pixels in which something is seen; the others are the background's.
void Canvas::develop(std::uint8_t* out) const {
  std::copy(plain_.begin(), plain_.end(), out);
  for (int y = drawn_.top; y < drawn_.bottom; ++y) {
    const std::size_t row = static_cast<std::size_t>(y) * width_;
    const std::size_t end = row + drawn_.right;
    const auto seen = [&](std::size_t pixel) {
      return blends_ || !empty(&depth_[pixel * kSamples]);
    };
    for (std::size_t pixel = row + drawn_.left; pixel < end;) {
      while (pixel < end && !seen(pixel)) ++pixel;
      const std::size_t first = pixel;
      while (pixel < end && seen(pixel)) ++pixel;
      tone(&linear_[first * 3], (pixel - first) * 3, out + first * 3);
    }
  }
}

}  // namespace dt::picture
