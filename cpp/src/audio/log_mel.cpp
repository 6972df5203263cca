#include "dt/log_mel.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <vector>

#include "arithmetic/elementary.h"
#include "audio/mel_filterbank.h"
#include "audio/power_spectrum.h"

namespace dt {
namespace {

constexpr float kFloorLog10 = -6.5F;  // Whisper's typical clip maximum of 1.5, less its range of 8

// Of `count` samples, and of their squares.
struct Moments {
  float sum, energy;
};

// Sample n adds to lane n % 8, and the lanes to each other by halves: one order for every compiler,
// and one that leaves several additions to be done at a time.
Moments moments_of(const float* samples, std::int64_t count) {
  constexpr int kLanes = 8;
  float sums[kLanes] = {}, energies[kLanes] = {};
  const std::int64_t whole = count - count % kLanes;
  for (std::int64_t n = 0; n < whole; n += kLanes) {
    for (int i = 0; i < kLanes; ++i) {
      sums[i] += samples[n + i];
    }
    for (int i = 0; i < kLanes; ++i) {
      energies[i] += samples[n + i] * samples[n + i];
    }
  }
  for (std::int64_t n = whole; n < count; ++n) {
    sums[n - whole] += samples[n];
    energies[n - whole] += samples[n] * samples[n];
  }
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) {
      sums[i] += sums[i + half];
      energies[i] += energies[i + half];
    }
  }
  return {sums[0], energies[0]};
}

float offset_of(const Moments& moments, std::int64_t count) {
  const float mean = moments.sum / static_cast<float>(count);
  return mean * moments.sum > 0.5F * moments.energy ? mean : 0.0F;
}

// Sum of squares; about the mean where that is an offset.
float energy_of(const float* window) {
  const Moments moments = moments_of(window, LogMel::kWindowSamples);
  const float offset = offset_of(moments, LogMel::kWindowSamples);
  if (offset == 0.0F) {
    return moments.energy;
  }
  float rest[LogMel::kWindowSamples];
  for (int n = 0; n < LogMel::kWindowSamples; ++n) {
    rest[n] = window[n] - offset;
  }
  return moments_of(rest, LogMel::kWindowSamples).energy;
}

}  // namespace

struct LogMel::Tables {
  Tables() : hann{}, filterbank(kSampleRateHz) {
    static_assert(PowerSpectrum::kSamples == kWindowSamples && MelFilterbank::kBands == kBands);
    for (std::size_t n = 0; n < kWindowSamples; ++n) {
      const double cosine = arithmetic::cos_of_turn(static_cast<std::int64_t>(n), kWindowSamples);
      hann[n] = static_cast<float>(0.5 - 0.5 * cosine);
    }
  }

  std::array<float, kWindowSamples> hann;
  PowerSpectrum spectrum;
  MelFilterbank filterbank;
};

LogMel::LogMel() : tables_(std::make_shared<const Tables>()) {}

float LogMel::offset(const float* samples, std::int64_t count) {
  return offset_of(moments_of(samples, count), count);
}

float LogMel::column(const float* window, float* bands) const {
  const Tables& tables = *tables_;
  float frame[kWindowSamples], power[PowerSpectrum::kBins];
  for (std::size_t n = 0; n < kWindowSamples; ++n) {
    frame[n] = window[n] * tables.hann[n];
  }
  tables.spectrum.of(frame, power);
  tables.filterbank.of(power, bands);
  for (int b = 0; b < kBands; ++b) {
    bands[b] = std::max(bands[b], 1e-10F);
  }
  arithmetic::log10(bands, kBands, bands);
  for (int b = 0; b < kBands; ++b) {
    bands[b] = (std::max(bands[b], kFloorLog10) + 4.0F) * 0.25F;
  }
  float level = energy_of(window) / kWindowSamples + 1e-12F;
  arithmetic::log10(&level, 1, &level);
  return 10.0F * level;
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
