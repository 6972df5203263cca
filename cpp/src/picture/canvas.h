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

namespace dt::picture {

class Canvas {
 public:
  // `background` is (height, width, 3), linear light. `tones` are the bytes for linear light from 0
  // to kBrightest in equal steps.
  Canvas(int width, int height, std::vector<float> background, std::vector<std::uint8_t> tones);

  int width() const { return width_; }
  int height() const { return height_; }

  // Writes (height, width, 3) bytes, sRGB.
  void draw(const Scene& scene, std::uint8_t* out);

  static constexpr float kBrightest = 4.0F;

 private:
  static constexpr int kSamples = 4;
  static constexpr int kShadowSize = 320;  // texels a side
  static constexpr int kTile = 8;          // pixels a side of a tile
  static constexpr int kCoarse = 4;        // pixels a cell of the grid of depths

  // A triangle on the picture. What belongs to its corners is linear there, and counted from its
  // first corner, or float32 would not have the digits: the second corner's weight is
  // a[0] (x - x0) + b[0] (y - y0), the third one's the same with [1], the first one has the rest.
  struct Face {
    float x0, y0;
    std::array<float, 2> a, b;
    std::array<float, 3> depth;  // depth[0] + depth[1] (x - x0) + depth[2] (y - y0)
    int left, right, top, bottom;
    bool seen, front;

    // Weights of the three corners, and the depth (1 / distance, or the lamp's).
    std::array<float, 4> at(float x, float y) const {
      const float u = x - x0, v = y - y0;
      const float second = a[0] * u + b[0] * v, third = a[1] * u + b[1] * v;
      return {1.0F - second - third, second, third, depth[0] + depth[1] * u + depth[2] * v};
    }
  };
  struct Pixels {
    int left, right, top, bottom;  // right and bottom are not in it
  };
  // What belongs to a point, ready to be weighed.
  struct Vertex {
    std::array<float, 3> normal, colour, lit;  // lit: where the key light sees it, in texels; depth
    float alpha;
  };
  // Places on surfaces that are lit together, number by number.
  struct Fragments {
    static constexpr int kMost = 64;
    using Row = std::array<float, kMost>;

    int count = 0;
    std::array<std::size_t, kMost> pixel;
    Row share;  // of the pixel that it fills
    Row x, y, alpha, shade, open, gloss, sharp, wrap;
    std::array<Row, 3> normal, colour;
    std::array<Row, 3> seen;  // what comes to the camera, but for the highlight
    Row highlight;
  };

  void find_normals(const Scene& scene);
  void project(const Scene& scene);
  void set_up(const Scene& scene);
  void cast_shadow(const Scene& scene);
  void clear();
  void cover(const Scene& scene, bool front);
  void cover(int triangle, const Face& face);
  void find_farthest();
  bool hidden(const Face& face, float nearest) const;
  void find_openness(float focal);
  void resolve(const Scene& scene);
  void blend(const Scene& scene);
  void tone(const float* light, std::size_t count, std::uint8_t* out) const;
  void develop(std::uint8_t* out) const;

  bool set_up_face(Face& face, const std::array<const float*, 3>& corners) const;
  void add(Fragments& to, const Scene& scene, int triangle, float x, float y) const;
  float shadow(const std::array<float, 3>& lit) const;
  float openness(float x, float y, float distance) const;
  void light(Fragments& fragments, const Scene& scene) const;
  void put(Fragments& fragments, const Scene& scene);

  int width_, height_;
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
