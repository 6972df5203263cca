// What there is to draw: triangles in front of a camera, and what they are made of.
#pragma once

#include <cstdint>
#include <vector>

namespace dt::picture {

// What a surface does with light.
struct Surface {
  float gloss;     // height of the highlight, 0 and more
  float sharp;     // the smaller the highlight, the larger; 1 and more
  float wrap;      // how far light goes on behind the edge of the shadow, as in skin; 0 to 1
  bool blended;    // its colours' alpha lets through what is behind
  bool two_sided;  // seen from behind too
};

// One pose of a head. Metres, in the camera's axes: +x right, +y up, the camera at the origin
// looking along -z. Arrays are the caller's.
struct Scene {
  int points;
  const float* position;      // (points, 3)
  const float* colour;        // (points, 4), linear RGBA
  const std::int32_t* joint;  // (points,): points of one number share a normal; below `points`
  int triangles;
  const std::uint32_t* corner;  // (triangles, 3), counter-clockwise from outside; below `points`
  const std::uint8_t* surface;  // (triangles,)
  std::vector<Surface> surfaces;
  float focal;     // pixels
  float centre_x;  // pixels, where the camera looks
  float centre_y;
};

}  // namespace dt::picture
