#include "dt/log_mel.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <vector>

namespace dt {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr float kFloorLog10 = -6.5F;  // Whisper's typical clip maximum of 1.5, less its range of 8

// Slaney's mel scale: linear to 1 kHz, logarithmic above.
double mel_from_hz(double hz) {
  return hz < 1000.0 ? hz * 3.0 / 200.0 : 15.0 + 27.0 * std::log(hz / 1000.0) / std::log(6.4);
}
double hz_from_mel(double mel) {
  return mel < 15.0 ? mel * 200.0 / 3.0 : 1000.0 * std::exp((mel - 15.0) * std::log(6.4) / 27.0);
}

// Sum of squares; about the mean where that is an offset. The bits of any window with sound in it
// stay those of the plain sum.
float energy_of(const float* window) {
  const float offset = LogMel::offset(window, LogMel::kWindowSamples);
  float energy = 0.0F;
  for (int n = 0; n < LogMel::kWindowSamples; ++n) {
    energy += (window[n] - offset) * (window[n] - offset);
  }
  return energy;
}

}  // namespace

LogMel::LogMel() : cosine_(kBins * kBins), sine_(kBins * kBins) {
  for (int n = 0; n < kWindowSamples; ++n) {
    hann_[n] = static_cast<float>(0.5 - 0.5 * std::cos(2.0 * kPi * n / kWindowSamples));
  }
  for (int n = 0; n < kBins; ++n) {
    for (int k = 0; k < kBins; ++k) {
      // The product is reduced modulo the length first, which keeps the angles exact.
      const double angle = 2.0 * kPi * ((n * k) % kWindowSamples) / kWindowSamples;
      cosine_[n * kBins + k] = static_cast<float>(std::cos(angle));
      sine_[n * kBins + k] = static_cast<float>(std::sin(angle));
    }
  }
  const double top = mel_from_hz(kSampleRateHz / 2.0);
  const auto edge = [top](int i) { return hz_from_mel(top * i / (kBands + 1)); };
  for (int b = 0; b < kBands; ++b) {
    const double low = edge(b), centre = edge(b + 1), high = edge(b + 2);
    Band& band = filterbank_[b];
    band.first_bin = -1;
    for (int k = 0; k < kBins; ++k) {
      const double hz = static_cast<double>(k) * kSampleRateHz / kWindowSamples;
      const double weight =
          std::max(0.0, std::min((hz - low) / (centre - low), (high - hz) / (high - centre)));
      if (weight <= 0.0) {
        continue;
      }
      if (band.first_bin < 0) {
        band.first_bin = k;
      }
      band.weights.push_back(static_cast<float>(weight * 2.0 / (high - low)));
    }
    band.first_bin = std::max(band.first_bin, 0);
  }
}

float LogMel::offset(const float* samples, std::int64_t count) {
  float energy = 0.0F, sum = 0.0F;
  for (std::int64_t n = 0; n < count; ++n) {
    energy += samples[n] * samples[n];
    sum += samples[n];
  }
  const float mean = sum / static_cast<float>(count);
  return mean * sum > 0.5F * energy ? mean : 0.0F;
}

float LogMel::column(const float* window, float* bands) const {
  const float energy = energy_of(window);
  float even[kBins], odd[kBins];
  even[0] = window[0] * hann_[0];
  odd[0] = 0.0F;
  for (int n = 1; n < kBins - 1; ++n) {
    const float head = window[n] * hann_[n];
    const float tail = window[kWindowSamples - n] * hann_[kWindowSamples - n];
    even[n] = head + tail;
    odd[n] = head - tail;
  }
  even[kBins - 1] = window[kBins - 1] * hann_[kBins - 1];
  odd[kBins - 1] = 0.0F;

  float re[kBins] = {}, im[kBins] = {};
  for (int n = 0; n < kBins; ++n) {
    const float e = even[n], o = odd[n];
    const float* c = &cosine_[n * kBins];
    const float* s = &sine_[n * kBins];
    for (int k = 0; k < kBins; ++k) {
      re[k] += e * c[k];
      im[k] += o * s[k];
    }
  }
  for (int k = 0; k < kBins; ++k) {
    re[k] = re[k] * re[k] + im[k] * im[k];
  }
  for (int b = 0; b < kBands; ++b) {
    const Band& band = filterbank_[b];
    float sum = 0.0F;
    for (std::size_t i = 0; i < band.weights.size(); ++i) {
      sum += band.weights[i] * re[band.first_bin + static_cast<int>(i)];
    }
    const float log10 = std::max(std::log10(std::max(sum, 1e-10F)), kFloorLog10);
    bands[b] = (log10 + 4.0F) * 0.25F;
  }
  return 10.0F * std::log10(energy / kWindowSamples + 1e-12F);
}

void LogMel::columns(const float* samples, std::size_t count, bool pad_end,
                     std::vector<float>* bands, std::vector<float>* level_db) const {
  const auto total = static_cast<std::int64_t>(count);
  const std::int64_t n =
      pad_end ? (total + kHopSamples - 1) / kHopSamples : available_columns(total);
  bands->resize(static_cast<std::size_t>(n * kBands));
  level_db->resize(static_cast<std::size_t>(n));
  float window[kWindowSamples];
  for (std::int64_t m = 0; m < n; ++m) {
    const std::int64_t start = m * kHopSamples - kLookaheadSamples;
    const std::int64_t from = std::max<std::int64_t>(start, 0);
    const std::int64_t to = std::min(start + kWindowSamples, total);
    std::fill(std::begin(window), std::end(window), 0.0F);
    if (to > from) {
      std::memcpy(window + (from - start), samples + from,
                  static_cast<std::size_t>(to - from) * sizeof(float));
    }
    (*level_db)[static_cast<std::size_t>(m)] =
        column(window, &(*bands)[static_cast<std::size_t>(m * kBands)]);
  }
}

}  // namespace dt
