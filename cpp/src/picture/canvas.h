// Draws a head into a picture, without a graphics card: four samples a pixel, lit pixel by pixel.
//
// The same scene gives the same bytes wherever it is drawn: sums of float32 in a fixed order and no
// function of the C library's but the square root.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "picture/scene.h"
#include "picture/shading.h"

namespace dt::picture {

class Canvas {
 public:
  // `background` is (height, width, 3), linear light. `tones` are the bytes for linear light from 0
  // to kBrightest in equal steps.
  Canvas(int width, int height, std::vector<float> background, std::vector<std::uint8_t> tones,
         const Shading& shading);

  int width() const { return width_; }
  int height() const { return height_; }
  const Shading& shading() const { return shading_; }

  // Writes (height, width, 3) bytes, sRGB.
  void draw(const Scene& scene, std::uint8_t* out);

  static constexpr float kBrightest = 4.0F;

 private:
  static constexpr int kShadowSize = 320;  // texels a side
  static constexpr int kTile = 8;          // pixels a side of a tile
  static constexpr int kStrip = 32;        // rows of a strip, which a processor's cache holds
  static constexpr int kCoarse = 4;        // pixels a cell of the grid of depths

  struct Pixels {
    int left, right, top, bottom;  // right and bottom are not in it
  };
  // What belongs to a point, ready to be weighed, by fours: normal, alpha; colour, 1 / distance;
  // where the key light sees it, in texels and depth.
  struct Vertex {
    static constexpr int kAlpha = 3, kColour = 4, kInverse = 7, kLit = 8, kNumbers = 12;
    std::array<float, kNumbers> of;
  };

  void find_normals(const Scene& scene);
  void project(const Scene& scene);
  void set_up(const Scene& scene);
  void sort();
  void cast_shadow(const Scene& scene);
  void clear(int top, int bottom);
  void cover(const Scene& scene, bool front);
  void find_farthest();
  bool hidden(const Face& face, float nearest) const;
  void find_openness(float focal);
  void resolve(const Scene& scene);
  void blend(const Scene& scene);
  void tone(const float* light, std::size_t count, std::uint8_t* out) const;
  void develop(std::uint8_t* out) const;

  bool set_up_face(Face& face, const std::array<const float*, 3>& corners) const;
  void add(Fragments& to, const Scene& scene, int triangle, float x, float y) const;
  Light light(const Scene& scene) const;
  void put(Fragments& fragments, const Scene& scene);
  void resolve(const Scene& scene, int x, int y);

  int width_, height_;
  const Shading& shading_;
  std::vector<float> background_;
  std::vector<std::uint8_t> plain_;  // the background, developed
  std::vector<std::uint8_t> tones_;
  std::vector<float> linear_;          // (height, width, 3)
  std::vector<float> depth_;           // (height, width, kSamples): 1 / distance, 0 is nothing
  std::vector<std::int32_t> nearest_;  // (height, width, kSamples): triangle, where depth_ is not 0
  std::vector<float> farthest_;        // the farthest sample of each tile, 0 where one sees nothing
  std::vector<float> sums_;            // (points, 3): normals being added up
  std::vector<float> screen_;          // (points, 3): x, y, 1 / distance
  std::vector<Vertex> vertices_;       // (points)
  std::vector<Face> faces_;            // (triangles)
  std::vector<std::int32_t> order_;    // those that are seen, from above
  std::vector<std::int32_t> strips_;   // where in the order each strip of the picture begins
  std::vector<float> lamp_;            // (kShadowSize, kShadowSize): depth from the key light
  std::vector<float> lamp_squared_;    // the mean of its square
  std::vector<float> coarse_;          // depths in metres, a cell each
  std::vector<float> coarse_mean_;     // around each cell
  std::vector<float> coarse_weight_;
  std::vector<float> scratch_;
  int coarse_width_, coarse_height_;
  int tiles_across_;
  Pixels drawn_{};
  bool blends_ = false;
  Fragments fragments_{};
};

}  // namespace dt::picture
