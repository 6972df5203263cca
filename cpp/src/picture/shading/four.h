// One pixel at once: its four samples.
constexpr int kPixels = 1;

#if defined(__GNUC__)

typedef float Lanes __attribute__((vector_size(16)));
typedef std::int32_t Ints __attribute__((vector_size(16)));

inline Lanes fill(float value) { return Lanes{value, value, value, value}; }
inline Ints fill_ints(std::int32_t value) { return Ints{value, value, value, value}; }
inline Lanes load_samples(const float* from) { return Lanes{from[0], from[1], from[2], from[3]}; }
inline Lanes load(const float* from) {
  Lanes made;
  std::memcpy(&made, from, sizeof made);
  return made;
}
// The number of each lane's pixel.
inline Lanes pixel_numbers() { return Lanes{}; }
// All ones where a triangle with these weights, at this depth, is seen.
inline Ints seen_in(Lanes first, Lanes second, Lanes third, Lanes depth, Lanes there) {
  const Lanes zero{};
  return (first >= zero) & (second >= zero) & (third >= zero) & (depth > there);
}
inline Ints below(Lanes number, Lanes count) { return number < count; }
inline void put_where(Ints mask, Lanes value, float* to) {
  Ints old, bits;
  std::memcpy(&old, to, sizeof old);
  std::memcpy(&bits, &value, sizeof bits);
  old = (mask & bits) | (~mask & old);
  std::memcpy(to, &old, sizeof old);
}
inline void put_where(Ints mask, Ints value, std::int32_t* to) {
  Ints old;
  std::memcpy(&old, to, sizeof old);
  old = (mask & value) | (~mask & old);
  std::memcpy(to, &old, sizeof old);
}

#else  // a compiler that has no such type finds out by itself

struct Lanes {
  float lane[4];
};
struct Ints {
  std::int32_t lane[4];
};

inline Lanes fill(float value) { return {{value, value, value, value}}; }
inline Ints fill_ints(std::int32_t value) { return {{value, value, value, value}}; }
inline Lanes load_samples(const float* from) { return {{from[0], from[1], from[2], from[3]}}; }
inline Lanes load(const float* from) { return {{from[0], from[1], from[2], from[3]}}; }
inline Lanes pixel_numbers() { return {}; }
inline Lanes operator+(const Lanes& a, const Lanes& b) {
  Lanes sum{};
  for (int i = 0; i < 4; ++i) sum.lane[i] = a.lane[i] + b.lane[i];
  return sum;
}
inline Lanes operator*(const Lanes& a, const Lanes& b) {
  Lanes product{};
  for (int i = 0; i < 4; ++i) product.lane[i] = a.lane[i] * b.lane[i];
  return product;
}
inline Ints operator&(const Ints& a, const Ints& b) {
  Ints both{};
  for (int i = 0; i < 4; ++i) both.lane[i] = a.lane[i] & b.lane[i];
  return both;
}
inline Ints seen_in(const Lanes& first, const Lanes& second, const Lanes& third, const Lanes& depth,
                    const Lanes& there) {
  Ints made{};
  for (int i = 0; i < 4; ++i) {
    const bool in = (first.lane[i] >= 0.0F) & (second.lane[i] >= 0.0F) & (third.lane[i] >= 0.0F) &
                    (depth.lane[i] > there.lane[i]);
    made.lane[i] = in ? -1 : 0;
  }
  return made;
}
inline Ints below(const Lanes& number, const Lanes& count) {
  Ints made{};
  for (int i = 0; i < 4; ++i) made.lane[i] = number.lane[i] < count.lane[i] ? -1 : 0;
  return made;
}
inline void put_where(const Ints& mask, const Lanes& value, float* to) {
  for (int i = 0; i < 4; ++i) to[i] = mask.lane[i] != 0 ? value.lane[i] : to[i];
}
inline void put_where(const Ints& mask, const Ints& value, std::int32_t* to) {
  for (int i = 0; i < 4; ++i) to[i] = mask.lane[i] != 0 ? value.lane[i] : to[i];
}

#endif
