// The kernels, written once over `Vec`. An instruction set's source file defines, in an unnamed
// namespace, Vec with kLanes floats and Ints with as many 32-bit integers, their operations (see
// vec/) and the sizes of its tiles, and then includes the files of this folder, this one first.
// Everything here has internal linkage and nothing of the standard library is called: the linker
// must never pick a function compiled for AVX-512 for the rest of the program.
//
// Bits do not depend on kLanes: elements are computed one by one, and a sum over elements goes
// through sum_of_lanes().
#pragma once

namespace {

constexpr int kVecsPerPanel = 16 / kLanes;
static_assert(kVecsPerPanel * kLanes == dt::kPanelLanes, "a panel is a whole number of registers");

// Adding it rounds to a whole number, halves to the even one, and leaves that in the low bits.
constexpr float kRounder = 12582912.0F;  // 1.5 x 2^23

struct Lanes {
  Vec part[kVecsPerPanel];
};

inline Lanes all_lanes(float x) {
  Lanes out;
  for (int v = 0; v < kVecsPerPanel; ++v) {
    out.part[v] = set(x);
  }
  return out;
}

inline float sum_of_lanes(const Lanes& lanes) {
  float sum[dt::kPanelLanes];
  for (int v = 0; v < kVecsPerPanel; ++v) {
    store(sum + v * kLanes, lanes.part[v]);
  }
  for (int half = dt::kPanelLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) {
      sum[i] = sum[i] + sum[i + half];
    }
  }
  return sum[0];
}

// The greatest of them has no order either.
inline float most_of_lanes(const Lanes& lanes) {
  float lane[dt::kPanelLanes];
  for (int v = 0; v < kVecsPerPanel; ++v) {
    store(lane + v * kLanes, lanes.part[v]);
  }
  float most = lane[0];
  for (int i = 1; i < dt::kPanelLanes; ++i) {
    most = lane[i] > most ? lane[i] : most;
  }
  return most;
}

inline Vec magnitude(Vec x) { return max(x, sub(set(0.0F), x)); }

// e^x for x clamped to [-87, 87], relative error below 3e-7: x = n ln 2 + r, |r| <= ln 2 / 2, and
// the series of e^r to r^6.
inline Vec exponential(Vec x) {
  const Vec rounder = set(kRounder);
  const Vec clamped = min(max(x, set(-87.0F)), set(87.0F));
  const Vec shifted = add(mul(clamped, set(1.44269504F)), rounder);
  const Vec n = sub(shifted, rounder);
  // ln 2 in two parts; the first has few enough bits for its product with n to be exact.
  const Vec r = sub(sub(clamped, mul(n, set(0.693359375F))), mul(n, set(-2.12194440e-4F)));
  Vec sum = set(1.0F / 720.0F);
  sum = add(mul(sum, r), set(1.0F / 120.0F));
  sum = add(mul(sum, r), set(1.0F / 24.0F));
  sum = add(mul(sum, r), set(1.0F / 6.0F));
  sum = add(mul(sum, r), set(0.5F));
  sum = add(mul(sum, r), set(1.0F));
  sum = add(mul(sum, r), set(1.0F));
  return mul(sum, power_of_two(shifted));
}

inline Vec sigmoid(Vec x) {
  const Vec one = set(1.0F);
  return div(one, add(one, exponential(sub(set(0.0F), x))));
}

inline Vec tanh(Vec x) {
  const Vec one = set(1.0F);
  return sub(one, div(set(2.0F), add(one, exponential(add(x, x)))));
}

void gru(const float* input, const float* recurrent, std::int64_t hidden, float* state,
         std::uint8_t* out) {
  const Vec steps = set(dt::kActivationSteps);
  const Vec rounder = set(kRounder + static_cast<float>(dt::kZeroPoint));
  for (std::int64_t i = 0; i < hidden; i += kLanes) {
    const Vec reset = sigmoid(add(load(input + i), load(recurrent + i)));
    const Vec update = sigmoid(add(load(input + hidden + i), load(recurrent + hidden + i)));
    const Vec fresh =
        tanh(add(mul(reset, load(recurrent + 2 * hidden + i)), load(input + 2 * hidden + i)));
    const Vec old = load(state + i);
    const Vec next = add(mul(update, sub(old, fresh)), fresh);
    store(state + i, next);
    if (out != nullptr) {
      store_low_bytes(out + i, add(mul(next, steps), rounder));
    }
  }
}

// x Phi(x) = (x + |x| erf(|x| / sqrt 2)) / 2, with erf z = 1 - e^(-z^2) p(1 / (1 + 0.3275911 z)),
// whose error is below 1.5e-7 (Abramowitz and Stegun 7.1.26).
void gelu(float* x, std::int64_t n) {
  const Vec one = set(1.0F);
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const Vec value = load(x + i);
    const Vec size = magnitude(value);
    const Vec z = mul(size, set(0.707106781F));
    const Vec t = div(one, add(one, mul(set(0.3275911F), z)));
    Vec p = set(1.061405429F);
    p = add(mul(p, t), set(-1.453152027F));
    p = add(mul(p, t), set(1.421413741F));
    p = add(mul(p, t), set(-0.284496736F));
    p = add(mul(p, t), set(0.254829592F));
    const Vec erf = sub(one, mul(mul(p, t), exponential(sub(set(0.0F), mul(z, z)))));
    store(x + i, mul(set(0.5F), add(value, mul(size, erf))));
  }
}

// x - mean of the last `count` < kPanelLanes elements of a row, zeros behind them.
inline void differences_of_rest(const float* x, std::int64_t count, float mean, float* out) {
  for (std::int64_t i = 0; i < dt::kPanelLanes; ++i) {
    out[i] = i < count ? x[i] - mean : 0.0F;
  }
}

void normalise(const float* scale, const float* shift, const float* x, std::int64_t n, float* out) {
  const std::int64_t whole = n / dt::kPanelLanes * dt::kPanelLanes;
  const std::int64_t end = dt::padded(n);
  Lanes sum = all_lanes(0.0F);
  for (std::int64_t i = 0; i < end; i += dt::kPanelLanes) {
    for (int v = 0; v < kVecsPerPanel; ++v) {
      sum.part[v] = add(sum.part[v], load(x + i + v * kLanes));
    }
  }
  const float mean = sum_of_lanes(sum) / static_cast<float>(n);
  float rest[dt::kPanelLanes];
  differences_of_rest(x + whole, n - whole, mean, rest);
  Lanes squares = all_lanes(0.0F);
  for (std::int64_t i = 0; i < end; i += dt::kPanelLanes) {
    for (int v = 0; v < kVecsPerPanel; ++v) {
      const Vec d = i < whole ? sub(load(x + i + v * kLanes), set(mean)) : load(rest + v * kLanes);
      squares.part[v] = add(squares.part[v], mul(d, d));
    }
  }
  const Vec variance = set(sum_of_lanes(squares) / static_cast<float>(n) + 1e-5F);
  const Vec factor = div(set(1.0F), square_root(variance));
  for (std::int64_t i = 0; i < end; i += dt::kPanelLanes) {
    for (int v = 0; v < kVecsPerPanel; ++v) {
      const Vec d = i < whole ? sub(load(x + i + v * kLanes), set(mean)) : load(rest + v * kLanes);
      const std::int64_t at = i + v * kLanes;
      store(out + at, add(mul(mul(d, factor), load(scale + at)), load(shift + at)));
    }
  }
}

void softmax(float* scores, std::int64_t count) {
  const std::int64_t end = dt::padded(count);
  for (std::int64_t i = count; i < end; ++i) {
    scores[i] = -3.0e38F;
  }
  Lanes most = all_lanes(-3.0e38F);
  for (std::int64_t i = 0; i < end; i += dt::kPanelLanes) {
    for (int v = 0; v < kVecsPerPanel; ++v) {
      most.part[v] = max(most.part[v], load(scores + i + v * kLanes));
    }
  }
  const Vec highest = set(most_of_lanes(most));
  for (std::int64_t i = 0; i < end; i += kLanes) {
    store(scores + i, exponential(sub(load(scores + i), highest)));
  }
  for (std::int64_t i = count; i < end; ++i) {
    scores[i] = 0.0F;
  }
  Lanes sum = all_lanes(0.0F);
  for (std::int64_t i = 0; i < end; i += dt::kPanelLanes) {
    for (int v = 0; v < kVecsPerPanel; ++v) {
      sum.part[v] = add(sum.part[v], load(scores + i + v * kLanes));
    }
  }
  const Vec factor = set(1.0F / sum_of_lanes(sum));
  for (std::int64_t i = 0; i < end; i += kLanes) {
    store(scores + i, mul(load(scores + i), factor));
  }
}

float quantise(const float* x, std::int64_t n, float steps, std::int32_t zero, std::uint8_t* out) {
  Lanes most = all_lanes(0.0F);
  for (std::int64_t i = 0; i < n; i += dt::kPanelLanes) {
    for (int v = 0; v < kVecsPerPanel; ++v) {
      most.part[v] = max(most.part[v], magnitude(load(x + i + v * kLanes)));
    }
  }
  // A row of zeros, or of values whose inverse would be no number, is a row of `zero`.
  const float range = most_of_lanes(most);
  const bool usable = range > 1.0e-30F;
  const Vec inverse = set(usable ? steps / range : 0.0F);
  const Vec rounder = set(kRounder + static_cast<float>(zero));
  for (std::int64_t i = 0; i < n; i += kLanes) {
    store_low_bytes(out + i, add(mul(load(x + i), inverse), rounder));
  }
  return usable ? range / steps : 0.0F;
}

}  // namespace
