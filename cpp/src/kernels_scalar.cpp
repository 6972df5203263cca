// Plain C++: the reference, and the kernels of processors without a file of their own. Four lanes,
// which compilers turn into the instruction set's baseline registers.
#include <cstdint>
#include <cstring>

#include "kernels.h"

namespace {

constexpr int kLanes = 4;
constexpr int kMaxTile = 4;
constexpr int panels_at_once(int) { return 1; }

struct Vec {
  float lane[kLanes];
};

template <typename Operation>
inline Vec each(Operation operation) {
  Vec out;
  for (int i = 0; i < kLanes; ++i) {
    out.lane[i] = operation(i);
  }
  return out;
}

inline Vec load(const float* p) {
  return each([p](int i) { return p[i]; });
}
inline void store(float* p, const Vec& v) {
  for (int i = 0; i < kLanes; ++i) {
    p[i] = v.lane[i];
  }
}
inline Vec set(float x) {
  return each([x](int) { return x; });
}
inline Vec add(const Vec& a, const Vec& b) {
  return each([&](int i) { return a.lane[i] + b.lane[i]; });
}
inline Vec sub(const Vec& a, const Vec& b) {
  return each([&](int i) { return a.lane[i] - b.lane[i]; });
}
inline Vec mul(const Vec& a, const Vec& b) {
  return each([&](int i) { return a.lane[i] * b.lane[i]; });
}
inline Vec div(const Vec& a, const Vec& b) {
  return each([&](int i) { return a.lane[i] / b.lane[i]; });
}
inline Vec fma(const Vec& a, const Vec& b, const Vec& c) {
  return each([&](int i) { return a.lane[i] * b.lane[i] + c.lane[i]; });
}
inline Vec min(const Vec& a, const Vec& b) {
  return each([&](int i) { return a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]; });
}
inline Vec max(const Vec& a, const Vec& b) {
  return each([&](int i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
}
// 2^n, n being the whole number in the low bits of `shifted` (see exponential()).
inline Vec power_of_two(const Vec& shifted) {
  return each([&](int i) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &shifted.lane[i], sizeof bits);
    bits = (bits << 23) + 0x3F800000U;
    float out = 0.0F;
    std::memcpy(&out, &bits, sizeof out);
    return out;
  });
}

}  // namespace

#include "kernels_body.h"

namespace dt {

const Kernels* scalar_kernels() {
  static const Kernels kernels = {"scalar", &multiply_add, &gru};
  return &kernels;
}

}  // namespace dt
