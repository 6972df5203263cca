// Which identity speaks: the one that the caller pinned, or the row of the library that the voice
// matches best, followed with hysteresis and without a jump.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dt/model.h"
#include "weights/model.h"

namespace dt {

class IdentityMatcher {
 public:
  // `pinned` is a row, or kAutoIdentity.
  IdentityMatcher(std::shared_ptr<const Model> model, std::int64_t pinned);

  // audio (frames, channels), voiced (frames) -> the identity features (frames, channels) to go on.
  void push(const float* audio, const bool* voiced, std::int64_t frames, float* features);
  void reset();
  // From the next reset() on; throws, and changes nothing, as the constructor does.
  void pin(std::int64_t identity);

  // Where the backend hears, it matches too: what it goes by, and where it leaves its decision.
  bool follows() const { return pinned_ == kAutoIdentity; }
  std::int64_t first() const;  // the row of a voice that begins
  struct Decision {
    std::int64_t* current;
    float* scores;  // (identities)
  };
  Decision decision() { return {&current_, scores_.data()}; }

  std::int64_t current() const { return current_; }
  // Cosine of the pooled, centred voice with each row at the latest decision; zeros before it.
  const std::vector<float>& scores() const { return scores_; }

 private:
  void pool(const float* audio);
  void decide();
  void check(std::int64_t pinned) const;
  const float* key(std::int64_t identity) const;  // what a voice is compared with
  const float* row(std::int64_t identity) const;  // what the decoder is told

  std::shared_ptr<const Model> model_;
  const ModelWeights& weights_;
  std::int64_t pinned_;
  std::int64_t channels_;
  std::int64_t first_decision_frames_, decision_frames_, slew_frames_;
  double window_share_;          // weight of one frame in the window of about ten seconds
  std::vector<double> squares_;  // of each key's length

  std::int64_t voiced_frames_ = 0;
  std::vector<float> mean_, centred_;
  std::vector<float> scores_;
  std::int64_t current_ = 0;
  std::int64_t challenger_ = -1;  // beat the current row at the latest decision
  std::int64_t slewed_frames_ = 0;
  std::vector<float> slew_from_, feature_;
};

}  // namespace dt
