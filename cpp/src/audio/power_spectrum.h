// The power spectrum of a frame of 400 samples, by a fast Fourier transform whose operations have
// one fixed order.
#pragma once

#include <array>
#include <cstdint>

namespace dt {

class PowerSpectrum {
 public:
  static constexpr int kSamples = 400;
  static constexpr int kBins = kSamples / 2 + 1;

  PowerSpectrum();

  // power[k] = |sum over n of frame[n] exp(-2 pi i n k / 400)|^2.
  void of(const float* frame, float* power) const;

 private:
  // Sample n = 16 a + lane; bin k = row + 25 b. Sixteen transforms of 25 real samples, of which
  // rows 0 to 12 say all, then for every row one of 16 complex numbers.
  static constexpr int kLanes = 16;
  static constexpr int kRows = 13;
  using Square = std::array<std::array<float, kLanes>, kLanes>;

  Square twiddle_re_, twiddle_im_;         // [lane][row], exp(-2 pi i lane row / 400)
  std::array<std::uint8_t, kBins> place_;  // of bin k among the second transforms' results
};

}  // namespace dt
