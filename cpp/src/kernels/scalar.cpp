// Plain C++: the reference, and the kernels of processors without a file of their own. Products are
// rounded before they are added. Four lanes are one register in most baselines.
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/kernels.h"

namespace {

constexpr int kLanes = 4;
constexpr int kMaxTile = 2;
constexpr int panels_at_once(int) { return 1; }
constexpr int kMaxIntTile = 1;
constexpr int int_panels_at_once(int) { return 1; }

#if defined(__GNUC__)
// The compiler's own vector type: loops over an array of four are turned into registers by chance.
using Vec = float __attribute__((vector_size(kLanes * sizeof(float))));
#else
struct Vec {
  float lane[kLanes];
  float operator[](int i) const { return lane[i]; }
  float& operator[](int i) { return lane[i]; }
};
#endif

template <typename Operation>
inline Vec each(Operation operation) {
  Vec out;
  for (int i = 0; i < kLanes; ++i) {
    out[i] = operation(i);
  }
  return out;
}

#if !defined(__GNUC__)
inline Vec operator+(const Vec& a, const Vec& b) {
  return each([&](int i) { return a[i] + b[i]; });
}
inline Vec operator-(const Vec& a, const Vec& b) {
  return each([&](int i) { return a[i] - b[i]; });
}
inline Vec operator*(const Vec& a, const Vec& b) {
  return each([&](int i) { return a[i] * b[i]; });
}
inline Vec operator/(const Vec& a, const Vec& b) {
  return each([&](int i) { return a[i] / b[i]; });
}
#endif

inline Vec load(const float* p) {
  Vec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, const Vec& v) { std::memcpy(p, &v, sizeof v); }
inline Vec set(float x) {
  return each([x](int) { return x; });
}
inline Vec add(const Vec& a, const Vec& b) { return a + b; }
inline Vec sub(const Vec& a, const Vec& b) { return a - b; }
inline Vec mul(const Vec& a, const Vec& b) { return a * b; }
inline Vec div(const Vec& a, const Vec& b) { return a / b; }
inline Vec fma(const Vec& a, const Vec& b, const Vec& c) { return a * b + c; }
inline Vec square_root(const Vec& a) {
  return each([&](int i) { return std::sqrt(a[i]); });
}
inline Vec min(const Vec& a, const Vec& b) {
  return each([&](int i) { return a[i] < b[i] ? a[i] : b[i]; });
}
inline Vec max(const Vec& a, const Vec& b) {
  return each([&](int i) { return a[i] > b[i] ? a[i] : b[i]; });
}
// 2^n, n being the whole number in the low bits of `shifted` (see exponential()).
inline Vec power_of_two(const Vec& shifted) {
  return each([&](int i) {
    const float lane = shifted[i];
    std::uint32_t bits = 0;
    std::memcpy(&bits, &lane, sizeof bits);
    bits = (bits << 23) + 0x3F800000U;
    float out = 0.0F;
    std::memcpy(&out, &bits, sizeof out);
    return out;
  });
}

inline void store_low_bytes(std::uint8_t* p, const Vec& v) {
  for (int i = 0; i < kLanes; ++i) {
    const float lane = v[i];
    std::uint32_t bits = 0;
    std::memcpy(&bits, &lane, sizeof bits);
    p[i] = static_cast<std::uint8_t>(bits);
  }
}

struct Ints {
  std::int32_t lane[kLanes];
};
using Sums = Ints;
inline Ints zero_ints() { return {}; }
inline Ints load_ints(const std::int32_t* p) {
  Ints v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline Vec floats_of_difference(const Ints& a, const Ints& b) {
  return each([&](int i) { return static_cast<float>(a.lane[i] - b.lane[i]); });
}
// The four activations, and the lanes' four weights, as they lie in memory.
inline const std::uint8_t* four_bytes(const std::uint8_t* p) { return p; }
inline const std::int8_t* weight_bytes(const std::int8_t* p) { return p; }
inline Ints dot8(Ints sum, const std::uint8_t* x, const std::uint8_t* next_x, const std::int8_t* w,
                 const std::int8_t* next_w) {
  for (int i = 0; i < kLanes; ++i) {
    for (int j = 0; j < 4; ++j) {
      sum.lane[i] += x[j] * w[4 * i + j] + next_x[j] * next_w[4 * i + j];
    }
  }
  return sum;
}

// A scalar weight is a byte where it lies: unpacked ones stand in a buffer of their own.
struct NibbleWeight {
  std::int8_t byte[4 * kLanes];
  operator const std::int8_t*() const { return byte; }
};
inline void nibble_weights(const std::uint8_t* p, NibbleWeight* low, NibbleWeight* high) {
  for (int i = 0; i < 4 * kLanes; ++i) {
    low->byte[i] = static_cast<std::int8_t>(p[i] << 4);
    high->byte[i] = static_cast<std::int8_t>(p[i] & 0xF0);
  }
}
inline Sums sixteenth(Sums sum) {
  for (std::int32_t& lane : sum.lane) {
    lane /= 16;  // exact
  }
  return sum;
}

}  // namespace

#include "kernels/body/table.h"

namespace dt {

const Kernels* scalar_kernels() {
  static const Kernels kernels = table("scalar");
  return &kernels;
}

}  // namespace dt
