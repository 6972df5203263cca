#include "audio/resampler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>

#include "arithmetic/elementary.h"
#include "arithmetic/rounding.h"
#include "dt/log_mel.h"

namespace dt {
namespace {

constexpr std::int64_t kCoreRateHz = LogMel::kSampleRateHz;

// Half of the filter: 1.27 ms, at least so many samples.
constexpr std::int64_t kHalfMicroseconds = 1270, kLeastHalf = 21;
// What the stop band lets through, and how wide the edge of such a filter is (Kaiser 1974).
constexpr double kStopDb = 85.0;
const double kBeta = 0.1102 * (kStopDb - 8.7);
constexpr double kEdge = (kStopDb - 7.95) / 14.36;  // times the samples of the filter

// Points between which the response is a line, in 1 / 16000 s: 512 leave errors of -106 dB.
constexpr std::int64_t kPoints = 512;
// Rows that are kept: 160 for 44.1 kHz, 640 for 11,025 Hz.
constexpr std::int64_t kMostRows = 1024;
// Samples that are taken at a time.
constexpr std::int64_t kBlock = 1024;

// The modified Bessel function of the first kind, order 0: its power series.
double bessel_i0(double x) {
  const double quarter = x * x / 4.0;
  double term = 1.0, sum = 1.0;
  for (int k = 1; term > sum * 1e-17; ++k) {
    term *= quarter / (static_cast<double>(k) * static_cast<double>(k));
    sum += term;
  }
  return sum;
}

}  // namespace

ResamplingFilter::ResamplingFilter(std::int64_t rate_hz) : rate_hz_(rate_hz) {
  const arithmetic::StandardRounding rounding;
  const std::int64_t common = std::gcd(rate_hz, kCoreRateHz);
  step_ = rate_hz / common;
  phases_ = kCoreRateHz / common;
  half_ = std::max(kLeastHalf, rate_hz * kHalfMicroseconds / 1000000);
  taps_ = (2 * half_ + kLanes - 1) / kLanes * kLanes;
  points_ = std::max<std::int64_t>(1, kPoints * kCoreRateHz / std::max(rate_hz, kCoreRateHz));
  // The stop band begins where the lower of the two rates can hold no more.
  const double edge_hz = kEdge * static_cast<double>(rate_hz) / static_cast<double>(2 * half_);
  const auto cutoff_hz = static_cast<std::int64_t>(
      (static_cast<double>(std::min(rate_hz, kCoreRateHz)) - edge_hz) / 2.0);
  const double most = bessel_i0(kBeta), pi = 3.14159265358979323846;
  for (std::int64_t p = 0; p <= half_ * points_; ++p) {
    const double samples = static_cast<double>(p) / static_cast<double>(points_);
    const double inside = samples / static_cast<double>(half_);
    const double window = bessel_i0(kBeta * std::sqrt(1.0 - inside * inside)) / most;
    const double sinc =
        p == 0 ? 2.0 * static_cast<double>(cutoff_hz) / static_cast<double>(rate_hz)
               : arithmetic::sin_of_turn(cutoff_hz * p, rate_hz * points_) / (pi * samples);
    response_.push_back(sinc * window);
  }
  response_.push_back(0.0);
  if (phases_ <= kMostRows) {
    rows_.resize(static_cast<std::size_t>(phases_ * taps_));
    for (std::int64_t phase = 0; phase < phases_; ++phase) {
      compute(phase, &rows_[static_cast<std::size_t>(phase * taps_)]);
    }
  }
}

void ResamplingFilter::compute(std::int64_t phase, float* taps) const {
  const auto value = [&](std::int64_t tap) {
    const std::int64_t offset =
        tap - taps_ + 1 + half_;  // samples from the whole part of the place
    const std::int64_t away = std::abs(offset * phases_ - phase) * points_;
    const std::int64_t point = away / phases_;
    if (point >= half_ * points_) {
      return 0.0;
    }
    const double share = static_cast<double>(away - point * phases_) / static_cast<double>(phases_);
    const double before = response_[static_cast<std::size_t>(point)];
    return before + share * (response_[static_cast<std::size_t>(point + 1)] - before);
  };
  double sum = 0.0;
  for (std::int64_t tap = 0; tap < taps_; ++tap) {
    sum += value(tap);
  }
  for (std::int64_t tap = 0; tap < taps_; ++tap) {
    taps[tap] = static_cast<float>(value(tap) / sum);  // a constant stays what it is
  }
}

const float* ResamplingFilter::row(std::int64_t phase, float* scratch) const {
  if (!rows_.empty()) {
    return &rows_[static_cast<std::size_t>(phase * taps_)];
  }
  compute(phase, scratch);
  return scratch;
}

Resampler::Resampler(std::shared_ptr<const ResamplingFilter> filter)
    : filter_(std::move(filter)),
      heard_(static_cast<std::size_t>(filter_->taps() + filter_->step() / filter_->phases() + 1 +
                                      kBlock)),
      scratch_(static_cast<std::size_t>(filter_->taps())) {
  reset();
}

void Resampler::reset() {
  // Before the first sample there was silence, as far back as the first output looks.
  held_ = filter_->taps() - 1 - filter_->half();
  std::fill_n(heard_.begin(), held_, 0.0F);
  next_ = 0;
  phase_ = 0;
}

std::int64_t Resampler::most(std::int64_t count) const {
  // What waits is less than an output's worth and the delay's.
  return (count + filter_->delay_samples()) * kCoreRateHz / filter_->rate_hz() + 2;
}

std::int64_t Resampler::piece(std::int64_t count, std::int64_t limit) const {
  const std::int64_t fits =
      (limit - 3) * filter_->rate_hz() / kCoreRateHz - filter_->delay_samples();
  return std::min(count, std::max<std::int64_t>(fits, 1));
}

std::int64_t Resampler::push(const float* samples, std::int64_t count, float* out) {
  const arithmetic::StandardRounding rounding;
  std::int64_t written = 0;
  while (count > 0) {
    const auto room = static_cast<std::int64_t>(heard_.size()) - held_;
    const std::int64_t taken = std::min(count, room);
    std::copy_n(samples, taken, heard_.begin() + held_);
    held_ += taken;
    samples += taken;
    count -= taken;
    written += emit(out + written);
  }
  return written;
}

std::int64_t Resampler::emit(float* out) {
  const std::int64_t taps = filter_->taps(), step = filter_->step(), phases = filter_->phases();
  constexpr std::size_t kLanes = ResamplingFilter::kLanes;
  std::int64_t written = 0;
  for (; next_ + taps <= held_; ++written) {
    const float* row = filter_->row(phase_, scratch_.data());
    const float* heard = &heard_[static_cast<std::size_t>(next_)];
    std::array<float, kLanes> sums{};
    for (std::int64_t tap = 0; tap < taps; tap += ResamplingFilter::kLanes) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        sums[lane] += row[tap + static_cast<std::int64_t>(lane)] *
                      heard[tap + static_cast<std::int64_t>(lane)];
      }
    }
    for (std::size_t lanes = kLanes / 2; lanes > 0; lanes /= 2) {
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        sums[lane] += sums[lane + lanes];
      }
    }
    out[written] = std::min(std::max(sums[0], -kLimit), kLimit);
    phase_ += step;
    next_ += phase_ / phases;
    phase_ %= phases;
  }
  // What no output to come reads makes room.
  const std::int64_t past = std::min(next_, held_);
  std::copy(heard_.begin() + past, heard_.begin() + held_, heard_.begin());
  held_ -= past;
  next_ -= past;
  return written;
}

}  // namespace dt
