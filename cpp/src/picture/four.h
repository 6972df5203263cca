// Four numbers at once: a pixel's samples.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

namespace dt::picture {

#if defined(__GNUC__)

typedef float Four __attribute__((vector_size(16)));
typedef std::int32_t FourInts __attribute__((vector_size(16)));

inline Four fill_four(float value) { return Four{value, value, value, value}; }
inline FourInts fill_four_ints(std::int32_t value) { return FourInts{value, value, value, value}; }
inline Four load_four(const float* from) {
  Four made;
  std::memcpy(&made, from, sizeof made);
  return made;
}
// All ones where a triangle with these weights, at this depth, is seen.
inline FourInts seen_in(Four first, Four second, Four third, Four depth, Four there) {
  const Four zero{};
  return (first >= zero) & (second >= zero) & (third >= zero) & (depth > there);
}
inline void put_where(FourInts mask, Four value, float* to) {
  FourInts old, bits;
  std::memcpy(&old, to, sizeof old);
  std::memcpy(&bits, &value, sizeof bits);
  old = (mask & bits) | (~mask & old);
  std::memcpy(to, &old, sizeof old);
}
inline void put_where(FourInts mask, FourInts value, std::int32_t* to) {
  FourInts old;
  std::memcpy(&old, to, sizeof old);
  old = (mask & value) | (~mask & old);
  std::memcpy(to, &old, sizeof old);
}

#else  // a compiler that has no such type finds out by itself

struct Four : std::array<float, 4> {};
struct FourInts : std::array<std::int32_t, 4> {};

inline Four fill_four(float value) { return {{value, value, value, value}}; }
inline FourInts fill_four_ints(std::int32_t value) { return {{value, value, value, value}}; }
inline Four load_four(const float* from) { return {{from[0], from[1], from[2], from[3]}}; }
inline Four operator+(const Four& a, const Four& b) {
  Four sum{};
  for (int i = 0; i < 4; ++i) sum[i] = a[i] + b[i];
  return sum;
}
inline Four& operator+=(Four& a, const Four& b) {
  for (int i = 0; i < 4; ++i) a[i] += b[i];
  return a;
}
inline FourInts seen_in(const Four& first, const Four& second, const Four& third, const Four& depth,
                        const Four& there) {
  FourInts made{};
  for (int i = 0; i < 4; ++i) {
    const bool in =
        (first[i] >= 0.0F) & (second[i] >= 0.0F) & (third[i] >= 0.0F) & (depth[i] > there[i]);
    made[i] = in ? -1 : 0;
  }
  return made;
}
inline void put_where(const FourInts& mask, const Four& value, float* to) {
  for (int i = 0; i < 4; ++i) to[i] = mask[i] != 0 ? value[i] : to[i];
}
inline void put_where(const FourInts& mask, const FourInts& value, std::int32_t* to) {
  for (int i = 0; i < 4; ++i) to[i] = mask[i] != 0 ? value[i] : to[i];
}

#endif

}  // namespace dt::picture
