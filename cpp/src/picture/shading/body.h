// The loops of shading.h, for a file that has said what Lanes are. Within a namespace without a
// name and with nothing of the standard library's, or a linker could take what was compiled for
// AVX2 for all.

using dt::picture::Face;
using dt::picture::Fragments;
using dt::picture::Grid;
using dt::picture::kSamples;
using dt::picture::kSampleX;
using dt::picture::kSampleY;
using dt::picture::Light;
using dt::picture::Samples;
namespace studio = dt::picture::studio;

// Of a number and one that is none, the first.
inline float least(float a, float b) { return b < a ? b : a; }
inline float most(float a, float b) { return a < b ? b : a; }
inline float dot(float x, float y, float z, const float* to) {
  return x * to[0] + y * to[1] + z * to[2];
}

// A linear number at a row's samples, and its steps.
struct Ramp {
  Lanes start, across;
  float down;
};

inline Ramp ramp(const Face& face, float there, float a, float b) {
  float first[kSamples];
  for (int s = 0; s < kSamples; ++s) {
    const float u = static_cast<float>(face.left) + kSampleX[s] - face.x0;
    const float v = static_cast<float>(face.top) + kSampleY[s] - face.y0;
    first[s] = there + a * u + b * v;
  }
  return {load_samples(first), fill(a), b};
}

void cover(const Face& face, int triangle, const Samples& samples) {
  const Ramp first = ramp(face, 1.0F, -face.a[0] - face.a[1], -face.b[0] - face.b[1]);
  const Ramp second = ramp(face, 0.0F, face.a[0], face.b[0]);
  const Ramp third = ramp(face, 0.0F, face.a[1], face.b[1]);
  const Ramp depth = ramp(face, face.depth[0], face.depth[1], face.depth[2]);
  const Ints name = fill_ints(triangle);
  const int count = face.right - face.left;
  const Lanes end = fill(static_cast<float>(count));
  for (int y = face.top; y < face.bottom; ++y) {
    const float rows = static_cast<float>(y - face.top);
    const Lanes row_first = first.start + fill(rows * first.down);
    const Lanes row_second = second.start + fill(rows * second.down);
    const Lanes row_third = third.start + fill(rows * third.down);
    const Lanes row_depth = depth.start + fill(rows * depth.down);
    const std::ptrdiff_t at =
        (static_cast<std::ptrdiff_t>(y) * samples.width + face.left) * kSamples;
    float* there = samples.depth + at;
    std::int32_t* nearest = samples.nearest + at;
    for (int x = 0; x < count; x += kPixels) {
      const Lanes number = fill(static_cast<float>(x)) + pixel_numbers();
      const Lanes z = row_depth + number * depth.across;
      Ints seen = seen_in(row_first + number * first.across, row_second + number * second.across,
                          row_third + number * third.across, z, load(there));
      if (kPixels > 1) seen = seen & below(number, end);
      // Whether any is seen is as good as chance: to ask costs more than to store nothing.
      put_where(seen, z, there);
      put_where(seen, name, nearest);
      there += kPixels * kSamples;
      nearest += kPixels * kSamples;
    }
  }
}

// Falls from 1 at cosine 1 as a power does, without one.
inline float lobe(float cosine, float sharp) {
  const float x = most(cosine, 0.0F);
  const float y = x / (sharp - sharp * x + x);
  return y * y;
}

inline float bilinear(const Grid& grid, float x, float y) {
  x = least(most(0.0F, x), static_cast<float>(grid.width) - 1.001F);
  y = least(most(0.0F, y), static_cast<float>(grid.height) - 1.001F);
  const int left = static_cast<int>(x), top = static_cast<int>(y);
  const float right = x - static_cast<float>(left), down = y - static_cast<float>(top);
  const int at = top * grid.width + left, under = at + grid.width;
  const float above = grid.at[at] + right * (grid.at[at + 1] - grid.at[at]);
  const float below = grid.at[under] + right * (grid.at[under + 1] - grid.at[under]);
  return above + down * (below - above);
}

// How much of the key light comes to each: 0 to 1. Into an array of its caller's, that a compiler
// knows to be none of the grids.
inline void find_shade(const Fragments& f, const Light& light, float (&shade)[Fragments::kMost]) {
  const Grid lamp = light.lamp, squares = light.lamp_squared;
  for (int k = 0; k < f.count; ++k) {
    const float x = f.lit[0][k] - 0.5F, y = f.lit[1][k] - 0.5F;
    const float mean = bilinear(lamp, x, y), squared = bilinear(squares, x, y);
    const float below = most(mean - f.lit[2][k] - 0.004F, 0.0F);
    const float variance = most(squared - mean * mean, 6e-6F);
    const float whole = variance / (variance + below * below);
    shade[k] = least(most((whole - 0.25F) / 0.75F, 0.0F), 1.0F);
  }
}

// How open a place is to the light from all around: 1 on a cheek, little in a mouth, which lies
// behind what is around it on the picture.
inline void find_open(const Fragments& f, const Light& light, float (&open)[Fragments::kMost]) {
  const Grid around = light.around;
  const float cells = light.cells;
  for (int k = 0; k < f.count; ++k) {
    const float there = bilinear(around, f.x[k] * cells - 0.5F, f.y[k] * cells - 0.5F);
    const float deep = most(f.distance[k] - there - 0.0008F, 0.0F);
    open[k] = 1.0F - 0.85F * deep / (deep + 0.006F);
  }
}

// What surfaces send to the camera: their own colour lit, and a highlight beside it. Loops of plain
// arithmetic, that a compiler can do for several at once.
void shine(Fragments& f, const Light& light) {
  float shade[Fragments::kMost], open[Fragments::kMost];
  find_shade(f, light, shade);
  find_open(f, light, open);
  const float inverse = 1.0F / light.focal;
  const float centre_x = light.centre_x, centre_y = light.centre_y;
  const int count = f.count;
  for (int k = 0; k < count; ++k) {
    const float view_x = (centre_x - f.x[k]) * inverse;
    const float view_y = (f.y[k] - centre_y) * inverse;
    const float view_scale = 1.0F / sqrtf(view_x * view_x + view_y * view_y + 1.0F);
    const float view[3]{view_x * view_scale, view_y * view_scale, view_scale};
    float nx = f.normal[0][k], ny = f.normal[1][k], nz = f.normal[2][k];
    const float scale = 1.0F / sqrtf(nx * nx + ny * ny + nz * nz + 1e-20F);
    nx *= scale;
    ny *= scale;
    nz *= scale;
    // Smooth normals turn away a little before the outline, and what is seen from behind has them
    // turned away: they are mirrored, so that nothing jumps at the outline.
    const float away = 2.0F * least(dot(nx, ny, nz, view), 0.0F);
    nx -= away * view[0];
    ny -= away * view[1];
    nz -= away * view[2];
    // Not to 0: at the outline light would come and go from pixel to pixel.
    const float grazing = 1.0F - least(most(dot(nx, ny, nz, view), 0.18F), 1.0F);
    const float grazing2 = grazing * grazing;
    const float key = dot(nx, ny, nz, studio::kKeyAt);
    const float opened = open[k], shaded = shade[k];
    const float fill = most(dot(nx, ny, nz, studio::kFillAt), 0.0F) * opened;
    const float sky = 0.5F + 0.5F * ny;
    const float rim = (most(dot(nx, ny, nz, studio::kRimLeftAt) + 0.2F, 0.0F) +
                       most(dot(nx, ny, nz, studio::kRimRightAt) + 0.2F, 0.0F)) *
                      grazing2 * opened;
    for (int i = 0; i < 3; ++i) {
      const float own = f.colour[i][k];
      const float wrap = f.wrap[k] * studio::kWrap[i];
      const float diffuse = most((key + wrap) / (1.0F + wrap), 0.0F);
      const float kept = shaded + (1.0F - shaded) * f.wrap[k] * studio::kShadowTint[i];
      // A bounce of the surface's own colour keeps hollows from going grey.
      const float around = opened + (1.0F - opened) * 0.35F * own;
      const float ambient =
          (studio::kFloor[i] + sky * (studio::kSky[i] - studio::kFloor[i])) * around;
      f.seen[i][k] = own * (studio::kKey[i] * diffuse * kept * (0.35F + 0.65F * around) + ambient +
                            studio::kFill[i] * fill + studio::kRim[i] * rim);
    }
    const float fresnel =
        studio::kFresnel + (1.0F - studio::kFresnel) * grazing2 * grazing2 * grazing;
    const float highlight = lobe(dot(nx, ny, nz, studio::kKeyHalf), f.sharp[k]) * shaded +
                            0.25F * lobe(dot(nx, ny, nz, studio::kFillHalf), f.sharp[k]);
    // The sky in a glossy surface, at its edges most.
    const float mirrored = fresnel * 0.25F * most(ny + 0.4F, 0.0F);
    f.highlight[k] = f.gloss[k] * opened * (highlight + mirrored);
  }
}

void tone(const float* light, std::size_t count, const std::uint8_t* tones, int last,
          float brightest, std::uint8_t* out) {
  constexpr std::size_t kOnce = 96;
  const float most_steps = static_cast<float>(last), steps = most_steps / brightest;
  std::int32_t step[kOnce];
  for (std::size_t from = 0; from < count; from += kOnce) {
    const std::size_t here = count - from < kOnce ? count - from : kOnce;
    for (std::size_t i = 0; i < here; ++i) {
      const float value = least(most(0.0F, light[from + i] * steps), most_steps);
      step[i] = static_cast<std::int32_t>(value + 0.5F);
    }
    for (std::size_t i = 0; i < here; ++i) out[from + i] = tones[step[i]];
  }
}

void move(const float* moved, float weight, std::size_t count, float* points) {
  for (std::size_t i = 0; i < count; ++i) points[i] += weight * moved[i];
}

// Of BT.709, in 1 / 32768 of the way from black to white.
void yuv(const std::uint8_t* rgb, int width, std::uint8_t* luma, std::uint8_t* blue,
         std::uint8_t* red) {
  constexpr int kOnce = 64;
  std::int32_t part[2][3][kOnce];
  for (int from = 0; from < width; from += kOnce) {
    const int here = width - from < kOnce ? width - from : kOnce;
    for (int row = 0; row < 2; ++row) {
      const std::uint8_t* in = rgb + 3 * (static_cast<std::ptrdiff_t>(row) * width + from);
      std::uint8_t* out = luma + static_cast<std::ptrdiff_t>(row) * width + from;
      for (int i = 0; i < here; ++i) {
        for (int c = 0; c < 3; ++c) part[row][c][i] = in[3 * i + c];
      }
      for (int i = 0; i < here; ++i) {
        const std::int32_t sum = 5983 * part[row][0][i] + 20127 * part[row][1][i] +
                                 2032 * part[row][2][i] + (16 << 15) + (1 << 14);
        out[i] = static_cast<std::uint8_t>(sum >> 15);
      }
    }
    for (int i = 0; i < here / 2; ++i) {
      std::int32_t sum[3];
      for (int c = 0; c < 3; ++c) {
        sum[c] =
            part[0][c][2 * i] + part[0][c][2 * i + 1] + part[1][c][2 * i] + part[1][c][2 * i + 1];
      }
      const std::int32_t half = (128 << 17) + (1 << 16);
      blue[from / 2 + i] = static_cast<std::uint8_t>(
          (-3298 * sum[0] - 11094 * sum[1] + 14392 * sum[2] + half) >> 17);
      red[from / 2 + i] =
          static_cast<std::uint8_t>((14392 * sum[0] - 13073 * sum[1] - 1319 * sum[2] + half) >> 17);
    }
  }
}
