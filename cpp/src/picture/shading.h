// The loops that a picture's time goes into: compiled for any processor, and once more for AVX2.
// Both give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dt::picture {

// Samples of a pixel.
inline constexpr int kSamples = 4;

// Places on surfaces that are lit together, number by number.
struct Fragments {
  static constexpr int kMost = 64;

  int count;
  std::size_t pixel[kMost];
  float share[kMost];  // of the pixel that it fills
  float x[kMost], y[kMost], distance[kMost], alpha[kMost], gloss[kMost], sharp[kMost], wrap[kMost];
  float normal[3][kMost], colour[3][kMost];
  float lit[3][kMost];   // where the key light sees it, in texels; depth
  float seen[3][kMost];  // what comes to the camera, but for the highlight
  float highlight[kMost];
};

// A grid of numbers that is read between them.
struct Grid {
  const float* at;
  int width, height;
};

// What fragments are lit by.
struct Light {
  float focal, centre_x, centre_y;  // the camera's, pixels
  Grid lamp, lamp_squared;          // depths from the key light, and their squares' means
  Grid around;                      // distances around each cell of the picture, metres
  float cells;                      // of `around`, a pixel
};

// A triangle on the picture. What belongs to its corners is linear there, and counted from its
// first corner, or float32 would not have the digits: the second corner's weight is
// a[0] (x - x0) + b[0] (y - y0), the third one's the same with [1], the first one has the rest.
struct Face {
  float x0, y0;
  float a[2], b[2];
  float depth[3];  // depth[0] + depth[1] (x - x0) + depth[2] (y - y0): 1 / distance, or the lamp's
  int left, right, top, bottom;  // pixels; right and bottom are not in it
  bool seen, front;
};

// What each sample sees, (height, width, kSamples).
struct Samples {
  int width;
  float* depth;           // 1 / distance, 0 is nothing
  std::int32_t* nearest;  // triangle, where depth is not 0
};

struct Shading {
  const char* name;
  void (*cover)(const Face& face, int triangle, const Samples& samples);
  void (*light)(Fragments& fragments, const Light& light);
  // `count` numbers of linear light, 0 to `brightest`, as bytes: `tones` has `last` + 1 of them.
  void (*tone)(const float* light, std::size_t count, const std::uint8_t* tones, int last,
               float brightest, std::uint8_t* out);
  // Adds `weight` times `moved` to `points`.
  void (*move)(const float* moved, float weight, std::size_t count, float* points);
  // Two rows of `width` sRGB pixels as BT.709 in 4:2:0, studio range: two rows of luma, one each of
  // the chromas.
  void (*yuv)(const std::uint8_t* rgb, int width, std::uint8_t* luma, std::uint8_t* blue,
              std::uint8_t* red);
};

const Shading& plain_shading();
const Shading* avx2_shading();  // null where this build, or this processor, has none
const Shading& fastest_shading();

// Where in a pixel its samples lie: no two in one row or column.
inline constexpr float kSampleX[kSamples]{0.375F, 0.875F, 0.125F, 0.625F};
inline constexpr float kSampleY[kSamples]{0.125F, 0.375F, 0.625F, 0.875F};

}  // namespace dt::picture
