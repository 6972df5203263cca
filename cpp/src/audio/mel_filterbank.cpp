#include "audio/mel_filterbank.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <vector>

#include "arithmetic/elementary.h"

namespace dt {
namespace {

// Slaney's mel scale: linear to 1 kHz, logarithmic above.
double mel_from_hz(double hz) {
  return hz < 1000.0 ? hz * 3.0 / 200.0
                     : 15.0 + 27.0 * arithmetic::log(hz / 1000.0) / arithmetic::log(6.4);
}
double hz_from_mel(double mel) {
  return mel < 15.0 ? mel * 200.0 / 3.0
                    : 1000.0 * arithmetic::exp((mel - 15.0) * arithmetic::log(6.4) / 27.0);
}

struct Term {
  int bin;
  float weight;
};

// A triangle of area 1 from one edge to the next but one.
std::vector<Term> terms_of(int band, int sample_rate_hz) {
  const double top = mel_from_hz(sample_rate_hz / 2.0);
  const auto edge = [&](int i) { return hz_from_mel(top * i / (MelFilterbank::kBands + 1)); };
  const double low = edge(band), centre = edge(band + 1), high = edge(band + 2);
  std::vector<Term> terms;
  for (int k = 0; k < PowerSpectrum::kBins; ++k) {
    const double hz = static_cast<double>(k) * sample_rate_hz / PowerSpectrum::kSamples;
    const double weight = std::min((hz - low) / (centre - low), (high - hz) / (high - centre));
    if (weight > 0.0) {
      terms.push_back({k, static_cast<float>(weight * 2.0 / (high - low))});
    }
  }
  return terms;
}

}  // namespace

MelFilterbank::MelFilterbank(int sample_rate_hz) : terms_{} {
  for (std::size_t eight = 0; eight < terms_.size(); ++eight) {
    std::vector<std::vector<Term>> terms;
    std::size_t most = 0;
    for (int b = 0; b < kAtOnce; ++b) {
      terms.push_back(terms_of(static_cast<int>(eight) * kAtOnce + b, sample_rate_hz));
      most = std::max(most, terms.back().size());
    }
    terms_[eight] = static_cast<int>(most);
    for (std::size_t t = 0; t < most; ++t) {
      for (const std::vector<Term>& band : terms) {
        const Term term = t < band.size() ? band[t] : Term{kNoBin, 0.0F};
        bins_.push_back(static_cast<std::uint8_t>(term.bin));
        weights_.push_back(term.weight);
      }
    }
  }
}

void MelFilterbank::of(const float* power, float* bands) const {
  float padded[PowerSpectrum::kBins + 1];
  std::copy(power, power + PowerSpectrum::kBins, std::begin(padded));
  padded[kNoBin] = 0.0F;
  const std::uint8_t* bins = bins_.data();
  const float* weights = weights_.data();
  for (const int terms : terms_) {
    float sums[kAtOnce] = {};
    for (int t = 0; t < terms; ++t, bins += kAtOnce, weights += kAtOnce) {
      float taken[kAtOnce];
      for (int b = 0; b < kAtOnce; ++b) {
        taken[b] = padded[bins[b]];
      }
      for (int b = 0; b < kAtOnce; ++b) {
        sums[b] += weights[b] * taken[b];
      }
    }
    std::copy(std::begin(sums), std::end(sums), bands);
    bands += kAtOnce;
  }
}

}  // namespace dt
