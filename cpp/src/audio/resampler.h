// Any sample rate to the 16 kHz that the model hears, sample by sample, with a known delay.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace dt {

// A low-pass as a windowed sinc, read at the phases that two rates bring about. Immutable; shared
// by any number of streams.
class ResamplingFilter {
 public:
  static constexpr std::int64_t kLowestRateHz = 8000, kHighestRateHz = 192000;

  // From `rate_hz`, kLowestRateHz to kHighestRateHz.
  explicit ResamplingFilter(std::int64_t rate_hz);

  std::int64_t rate_hz() const { return rate_hz_; }
  // Input samples that a stream waits for at the most: output sample k has come once k rate / 16000
  // + delay_samples() of them have.
  std::int64_t delay_samples() const { return half_ + 1; }

  // Output k is read at the input's sample `step` k / `phases`.
  std::int64_t step() const { return step_; }
  std::int64_t phases() const { return phases_; }
  // Of the taps, a multiple of kLanes, the last is `half` samples behind that place.
  std::int64_t taps() const { return taps_; }
  std::int64_t half() const { return half_; }
  static constexpr std::int64_t kLanes = 16;

  // The taps at `phase`, 0 to phases() - 1: kept ones, or computed into `scratch` (taps).
  const float* row(std::int64_t phase, float* scratch) const;

 private:
  void compute(std::int64_t phase, float* taps) const;

  std::int64_t rate_hz_, step_, phases_, half_, taps_, points_;
  std::vector<double> response_;  // from the middle on, `points_` a sample
  std::vector<float> rows_;       // (phases, taps), where the rates bring about few phases
};

// One stream through it. Output sample k depicts the instant k / 16000 s.
class Resampler {
 public:
  explicit Resampler(std::shared_ptr<const ResamplingFilter> filter);

  const ResamplingFilter& filter() const { return *filter_; }

  // At most this many samples come out of `count`.
  std::int64_t most(std::int64_t count) const;
  // Of so many samples at most, as many as keep most() within `limit` (and at least one).
  std::int64_t piece(std::int64_t count, std::int64_t limit) const;

  // Takes finite samples and writes those that they complete, whose number it returns. The result
  // does not depend on how the samples are cut. Values stay within `kLimit`, as the runtime's do.
  std::int64_t push(const float* samples, std::int64_t count, float* out);
  void reset();

  static constexpr float kLimit = 16.0F;

 private:
  std::int64_t emit(float* out);

  std::shared_ptr<const ResamplingFilter> filter_;
  std::vector<float> heard_;  // the newest samples, zeros before the first
  std::int64_t held_ = 0;     // of `heard_`
  std::int64_t next_ = 0;     // in `heard_`: the first tap of the next output
  std::int64_t phase_ = 0;
  std::vector<float> scratch_;
};

}  // namespace dt
