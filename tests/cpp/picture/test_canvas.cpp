// Pictures of little: a few triangles at small sizes, those that cover nothing, those that lie
// outside, and what is refused. The sanitizers' builds run this too.
#include "picture/canvas.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "picture/faults.h"
#include "picture/shading.h"

namespace dt::picture {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::pair<int, int> kSizes[] = {{2, 2}, {3, 9}, {8, 4}, {33, 17}};
const std::vector<Surface> kSurfaces = {{0.2F, 9.0F, 1.0F, false, true},
                                        {1.2F, 240.0F, 0.35F, false, false},
                                        {1.6F, 260.0F, 0.0F, true, true}};

std::vector<const Shading*> shadings() {
  std::vector<const Shading*> all{&plain_shading()};
  if (avx2_shading() != nullptr) all.push_back(avx2_shading());
  return all;
}

Bytes tones() {
  Bytes all(256);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint8_t>(i);
  return all;
}

std::vector<float> wall(int width, int height, float light = 0.25F) {
  return std::vector<float>(static_cast<std::size_t>(width) * height * 3, light);
}

// 0.25 of kBrightest's 4, in 255 steps.
Bytes wall_bytes(int width, int height) {
  return Bytes(static_cast<std::size_t>(width) * height * 3, 16);
}

// What a scene points into.
struct Made {
  std::vector<float> position, colour;
  std::vector<std::int32_t> joint;
  std::vector<std::uint32_t> corner;
  std::vector<std::uint8_t> surface;
  float focal = 40.0F, centre_x = 0.0F, centre_y = 0.0F;

  // Corners by x, y and z, and each on its own.
  void add(const std::vector<float>& corners, std::uint8_t kind = 0) {
    for (std::size_t i = 0; i < corners.size(); i += 3) {
      const auto number = static_cast<std::int32_t>(joint.size());
      joint.push_back(number);
      corner.push_back(static_cast<std::uint32_t>(number));
      position.insert(position.end(), &corners[i], &corners[i] + 3);
      for (const float value : {0.8F, 0.6F, 0.5F, 0.5F}) colour.push_back(value);
    }
    surface.insert(surface.end(), corners.size() / 9, kind);
  }

  Scene scene() const {
    return {static_cast<int>(joint.size()),
            position.data(),
            colour.data(),
            joint.data(),
            static_cast<int>(surface.size()),
            corner.data(),
            surface.data(),
            kSurfaces,
            focal,
            centre_x,
            centre_y};
  }
};

Bytes drawn(Canvas& canvas, const Made& made) {
  // As long as the picture is: a byte more is beyond it.
  Bytes out(static_cast<std::size_t>(canvas.width()) * canvas.height() * 3);
  canvas.draw(made.scene(), out.data());
  return out;
}

// One picture, by all that can draw it.
Bytes picture(int width, int height, const Made& made) {
  EXPECT_EQ(scene_fault(made.scene()), "");
  std::vector<Bytes> all;
  for (const Shading* shading : shadings()) {
    Canvas canvas(width, height, wall(width, height), tones(), *shading);
    all.push_back(drawn(canvas, made));
    EXPECT_EQ(all.back(), all.front()) << shading->name << ", " << width << " x " << height;
  }
  return all.front();
}

Made centred(int width, int height) {
  Made made;
  made.centre_x = 0.5F * static_cast<float>(width);
  made.centre_y = 0.5F * static_cast<float>(height);
  return made;
}

// Of all sizes, near and far, some behind the camera, many of them outside the picture.
Made at_random(int width, int height, std::uint32_t seed) {
  std::mt19937 engine(seed);
  const auto uniform = [&] { return static_cast<float>(engine() >> 8) / 8388608.0F - 1.0F; };
  Made made = centred(width, height);
  for (int t = 0; t < 60; ++t) {
    const float size = std::fabs(uniform()), x = uniform(), y = uniform(), z = -0.6F + uniform();
    std::vector<float> corners;
    for (int k = 0; k < 3; ++k) {
      corners.insert(corners.end(),
                     {x + size * uniform(), y + size * uniform(), z + 0.3F * size * uniform()});
    }
    made.add(corners, static_cast<std::uint8_t>(t % 3));
  }
  return made;
}

TEST(Picture, ATriangleIsWhereItIsAndNowhereElse) {
  // Over the picture's left half.
  Made made = centred(16, 8);
  made.add({0.0F, -9.0F, -1.0F, 0.0F, 9.0F, -1.0F, -9.0F, 0.0F, -1.0F});
  const Bytes found = picture(16, 8, made), empty = picture(16, 8, centred(16, 8));
  for (std::size_t pixel = 0; pixel < 16 * 8; ++pixel) {
    const bool same = std::equal(&found[3 * pixel], &found[3 * pixel] + 3, &empty[3 * pixel]);
    EXPECT_EQ(same, pixel % 16 >= 8) << pixel;
  }
}

TEST(Picture, NothingGivesTheBackground) {
  for (const auto& [width, height] : kSizes) {
    EXPECT_EQ(picture(width, height, Made{}), wall_bytes(width, height));
  }
}

TEST(Picture, TrianglesWithoutAnAreaCoverNothing) {
  const std::vector<std::vector<float>> cases = {
      {0, 0, -1, 0, 0, -1, 0, 0, -1},              // a point
      {-1, 0, -1, 0, 0, -1, 1, 0, -1},             // a line
      {0, 0, -1, 1, 1, -1, 0, 0, -1},              // two corners in one
      {-1, 0, -1, 1, 0, -1, 0, 0, -2},             // seen from its edge
      {0, 0, -1, 1e-9F, 0, -1, 0, 1e-9F, -1},      // far smaller than a pixel
      {0, 0, 1, 1, 0, 1, 0, 1, 1},                 // behind the camera
      {0, 0, 0, 1, 0, 0, 0, 1, 0},                 // in it
      {-1, -1, -1, 1, -1, -1, 0, 1, 1},            // half behind it
      {999, 999, -1, 998, 999, -1, 999, 998, -1},  // beside the picture
      {-999, 0, -1, -998, 0, -1, -999, 1, -1},
      {0, 999, -1, 1, 998, -1, 0, 998, -1},
      {0, -999, -1, 1, -999, -1, 0, -998, -1},
  };
  for (const auto& [width, height] : kSizes) {
    const Bytes empty = wall_bytes(width, height);
    for (std::size_t i = 0; i < cases.size(); ++i) {
      Made made = centred(width, height);
      for (std::uint8_t kind = 0; kind < kSurfaces.size(); ++kind) {
        made.add(cases[i], kind);
      }
      EXPECT_EQ(picture(width, height, made), empty) << "case " << i;
    }
  }
}

TEST(Picture, WhatGoesOverTheEdgesIsCutThere) {
  for (const auto& [width, height] : kSizes) {
    for (const float far : {0.1F, 1.0F, 999.0F}) {
      Made made = centred(width, height);
      for (std::uint8_t kind = 0; kind < kSurfaces.size(); ++kind) {
        made.add({-far, -far, -1.0F, far, -far, -1.0F, 0.0F, far, -1.0F}, kind);
        made.add({-far, far, -0.5F, 0.0F, -far, -0.5F, far, far, -0.03F}, kind);
      }
      EXPECT_NE(picture(width, height, made), wall_bytes(width, height));
    }
  }
}

TEST(Picture, ThinOnesAtTheLensAndFarAway) {
  for (const float focal : {1e-3F, 1.0F, 9e5F}) {
    for (const float distance : {-0.0201F, -1.0F, -999.0F}) {
      for (const float thin : {1e-6F, 1e-3F, 1.0F}) {
        Made made = centred(33, 17);
        made.focal = focal;
        made.centre_x = -9e5F * (1.0F - thin);
        made.add({-1, -1, distance, 1, 1, distance, 1, 1 + thin, distance});
        made.add({999, thin, distance, -999, 0, distance, 999, -thin, distance}, 2);
        made.add({0, 0, distance, 0, thin, -999, thin, 0, distance}, 1);
        picture(33, 17, made);
      }
    }
  }
}

// Whatever was drawn before, on the same canvas: nothing of it is left.
TEST(Picture, DoesNotDependOnThoseBefore) {
  for (const auto& [width, height] : kSizes) {
    Canvas canvas(width, height, wall(width, height), tones(), fastest_shading());
    for (std::uint32_t seed = 1; seed <= 4; ++seed) {
      const Made made = at_random(width, height, seed);
      EXPECT_EQ(drawn(canvas, made), picture(width, height, made)) << seed;
      EXPECT_EQ(drawn(canvas, Made{}), wall_bytes(width, height));
    }
  }
}

// Light that is no number, as a background may have it, is some colour.
TEST(Picture, LightThatIsNoNumberIsAColour) {
  for (const float light : {kNan, kInfinity, -kInfinity, 1e38F, -1.0F}) {
    for (const Shading* shading : shadings()) {
      Canvas canvas(9, 5, wall(9, 5, light), Bytes{7, 9}, *shading);
      for (const std::uint8_t byte : drawn(canvas, at_random(9, 5, 1))) {
        EXPECT_TRUE(byte == 7 || byte == 9);
      }
    }
  }
}

TEST(Picture, WhatCannotBeDrawnIsRefused) {
  for (const auto& [width, height] :
       {std::pair<int, int>{0, 5}, {5, 0}, {1, 5}, {5, 8193}, {-1, 9}}) {
    EXPECT_NE(canvas_fault(width, height, 2), "");
  }
  EXPECT_EQ(canvas_fault(2, 8192, 2), "");
  EXPECT_NE(canvas_fault(64, 64, 1), "");
  const std::pair<const char*, void (*)(Made*)> cases[] = {
      {"point", [](Made* m) { m->position[4] = kNan; }},
      {"point", [](Made* m) { m->position[4] = 1000.0F; }},
      {"point", [](Made* m) { m->position[4] = -kInfinity; }},
      {"colour", [](Made* m) { m->colour[11] = kNan; }},
      {"joint", [](Made* m) { m->joint[2] = 3; }},
      {"joint", [](Made* m) { m->joint[2] = -1; }},
      {"corner", [](Made* m) { m->corner[2] = 3; }},
      {"corner", [](Made* m) { m->corner[2] = 4294967295U; }},
      {"surface", [](Made* m) { m->surface[0] = 3; }},
      {"focal", [](Made* m) { m->focal = 0.0F; }},
      {"focal", [](Made* m) { m->focal = kNan; }},
      {"focal", [](Made* m) { m->focal = 1e30F; }},
      {"centre", [](Made* m) { m->centre_x = kInfinity; }},
      {"centre", [](Made* m) { m->centre_y = kNan; }},
  };
  for (const auto& [word, change] : cases) {
    Made made;
    made.add({0, 0, -1, 1, 0, -1, 0, 1, -1});
    EXPECT_EQ(scene_fault(made.scene()), "");
    change(&made);
    EXPECT_NE(scene_fault(made.scene()).find(word), std::string::npos) << word;
  }
  const Made made;
  Scene scene = made.scene();
  scene.surfaces[1].sharp = kNan;
  EXPECT_NE(scene_fault(scene).find("sharp"), std::string::npos);
}

// Buffers that end where the last value does.
TEST(Picture, LoopsKeepWithinTheirBuffers) {
  for (const Shading* shading : shadings()) {
    const Bytes steps = tones();
    for (std::size_t count = 0; count < 200; ++count) {
      const std::vector<float> light(count, 1.0F);
      Bytes out(count);
      shading->tone(light.data(), count, steps.data(), 255, 4.0F, out.data());
      EXPECT_EQ(out, Bytes(count, 64));
      std::vector<float> points(count, 1.0F);
      shading->move(light.data(), 0.5F, count, points.data());
      EXPECT_EQ(points, std::vector<float>(count, 1.5F));
    }
    for (int width = 2; width <= 140; width += 2) {
      const Bytes rgb(static_cast<std::size_t>(width) * 6, 255);
      Bytes luma(static_cast<std::size_t>(width) * 2), blue(luma.size() / 4), red(blue.size());
      shading->yuv(rgb.data(), width, luma.data(), blue.data(), red.data());
      EXPECT_EQ(luma, Bytes(luma.size(), 235));
      EXPECT_EQ(blue, Bytes(blue.size(), 128));
      EXPECT_EQ(red, Bytes(red.size(), 128));
    }
  }
}

// A thread a canvas, as films are drawn; they share the scene and the loops.
TEST(PictureThreads, DrawWhatOneDoes) {
  const Made made = at_random(64, 48, 7);
  const Bytes expected = picture(64, 48, made);
  std::vector<Bytes> found(4);
  std::vector<std::thread> threads;
  for (Bytes& one : found) {
    threads.emplace_back([&] {
      Canvas canvas(64, 48, wall(64, 48), tones(), fastest_shading());
      for (int i = 0; i < 3; ++i) one = drawn(canvas, made);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Bytes& one : found) EXPECT_EQ(one, expected);
}

}  // namespace
}  // namespace dt::picture
