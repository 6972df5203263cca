#include "picture/faults.h"

#include <cmath>

namespace dt::picture {
namespace {

// Metres; and pixels, of which no lens has so many.
constexpr float kFarthest = 1000.0F;
constexpr float kMostPixels = 1e6F;

// Whether `holds` of all: without an end at the first that does not, which is slower.
template <typename T, typename Holds>
bool all(const T* values, std::int64_t count, const Holds& holds) {
  bool so = true;
  for (std::int64_t i = 0; i < count; ++i) so &= holds(values[i]);
  return so;
}

bool finite(float x) { return std::isfinite(x); }

}  // namespace

std::string canvas_fault(std::int64_t width, std::int64_t height, std::size_t tones) {
  const auto fits = [](std::int64_t side) { return side >= kLeastSide && side <= kLargestSide; };
  if (!fits(width) || !fits(height)) {
    return "expected sides of " + std::to_string(kLeastSide) + " to " +
           std::to_string(kLargestSide) + " pixels, got " + std::to_string(width) + " x " +
           std::to_string(height);
  }
  return tones >= 2 ? "" : "expected two tones or more";
}

std::string scene_fault(const Scene& scene) {
  const std::int64_t points = scene.points, triangles = scene.triangles;
  const std::size_t kinds = scene.surfaces.size();
  if (points < 0 || triangles < 0) return "there are too many points or triangles";
  if (!all(scene.position, 3 * points, [](float x) { return std::fabs(x) < kFarthest; })) {
    return "a point is no number, or a kilometre away";
  }
  if (!all(scene.colour, 4 * points, finite)) return "a colour is no number";
  if (!all(scene.joint, points, [=](std::int32_t at) { return (at >= 0) & (at < points); })) {
    return "a joint is no point";
  }
  if (!all(scene.corner, 3 * triangles, [=](std::uint32_t at) { return at < points; })) {
    return "a corner is no point";
  }
  if (!all(scene.surface, triangles, [=](std::uint8_t kind) { return kind < kinds; })) {
    return "a triangle's surface is not there";
  }
  for (const Surface& surface : scene.surfaces) {
    if (!finite(surface.gloss) || !finite(surface.wrap) || !finite(surface.sharp)) {
      return "a surface's gloss, sharpness or wrap is no number";
    }
  }
  if (!(scene.focal > 0.0F && scene.focal < kMostPixels)) {
    return "the focal length is no number of pixels, or none of a lens";
  }
  if (!(std::fabs(scene.centre_x) < kMostPixels && std::fabs(scene.centre_y) < kMostPixels)) {
    return "the centre is no place near a picture";
  }
  return "";
}

}  // namespace dt::picture
