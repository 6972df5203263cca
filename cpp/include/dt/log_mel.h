// Log-mel features for streaming speech: the single implementation, used by training and by the
// runtime. The definition is Whisper's (80 Slaney mel bands, n_fft 400, hop 160, periodic Hann,
// log10, (x + 4) / 4), with its one non-causal part, the floor taken from the clip's loudest value,
// replaced by a fixed floor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace dt {

class LogMel {
 public:
  static constexpr int kSampleRateHz = 16000;
  static constexpr int kWindowSamples = 400;
  static constexpr int kHopSamples = 160;
  static constexpr int kBands = 80;
  // Column m is centred on sample kHopSamples * m and needs the audio up to this many samples
  // later. Audio before sample 0 counts as zeros.
  static constexpr int kLookaheadSamples = kWindowSamples / 2;

  // Computes column m from the kWindowSamples samples [160 m - 200, 160 m + 200). Writes kBands
  // floats to `bands` and returns the window's level in dBFS (mean square; a full-scale sine is
  // -3 dB; silence is -120 dB). An offset is no loudness: where the window's mean holds more than
  // half of its power, which no voice's does, the level is that about the mean. Stateless: a column
  // depends on its own window only, so any chunking of the audio gives the same bits.
  float column(const float* window, float* bands) const;

  // The mean of `count` > 0 samples where it holds more than half of their power, as a sound card's
  // DC offset does in silence; 0 otherwise.
  static float offset(const float* samples, std::int64_t count);

  // Whole-signal form: ceil-free count of the columns whose windows end within the audio when
  // `pad_end` is false; with `pad_end` the audio is followed by zeros and every column centred
  // inside it is given. Row-major (columns, kBands).
  void columns(const float* samples, std::size_t count, bool pad_end, std::vector<float>* bands,
               std::vector<float>* level_db) const;

  // Number of columns that `count` samples complete: column m needs samples up to 160 m + 200.
  static std::int64_t available_columns(std::int64_t count) {
    return count < kLookaheadSamples ? 0 : (count - kLookaheadSamples) / kHopSamples + 1;
  }

  LogMel();

 private:
  struct Tables;
  std::shared_ptr<const Tables> tables_;
};

}  // namespace dt
