// The 80 bands of Slaney's mel scale over a power spectrum.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "audio/power_spectrum.h"

namespace dt {

class MelFilterbank {
 public:
  static constexpr int kBands = 80;

  explicit MelFilterbank(int sample_rate_hz);

  // bands[b] = the sum over k of weight(b, k) power[k], from the lowest bin up.
  void of(const float* power, float* bands) const;

 private:
  // Eight neighbours are summed at a time, each over as many terms as the widest of them has; the
  // others' last terms are 0 times a bin past the spectrum that is 0.
  static constexpr int kAtOnce = 8;
  static constexpr int kNoBin = PowerSpectrum::kBins;

  std::array<int, kBands / kAtOnce> terms_;  // of each eight
  std::vector<std::uint8_t> bins_;           // of term t of band b of an eight, at 8 t + b
  std::vector<float> weights_;
};

}  // namespace dt
