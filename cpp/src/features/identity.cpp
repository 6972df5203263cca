#include "features/identity.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>

#include "dt/model.h"
#include "dt/refusal.h"
#include "dt/time_base.h"

namespace dt {
namespace {

constexpr double kWindowSeconds = 10.0;
constexpr double kFirstDecisionSeconds = 0.75;  // of voiced audio
constexpr double kDecisionSeconds = 0.25;       // of voiced audio, between two decisions
constexpr double kSlewSeconds = 0.5;
constexpr float kMargin = 0.05F;  // in cosine, twice in a row, to take over

std::int64_t frames_in(double seconds, const TimeBase& time) {
  return std::max<std::int64_t>(1, std::llround(seconds / time.frame_seconds()));
}

// Product c adds to lane c % 8, and the lanes to each other by halves: one order for every
// compiler, and one that leaves several additions to be done at a time.
double product_of(const float* a, const float* b, std::size_t count) {
  constexpr std::size_t kLanes = 8;
  double sums[kLanes] = {};
  const std::size_t whole = count - count % kLanes;
  for (std::size_t c = 0; c < whole; c += kLanes) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      sums[i] += static_cast<double>(a[c + i]) * static_cast<double>(b[c + i]);
    }
  }
  for (std::size_t c = whole; c < count; ++c) {
    sums[c - whole] += static_cast<double>(a[c]) * static_cast<double>(b[c]);
  }
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) {
      sums[i] += sums[i + half];
    }
  }
  return sums[0];
}

}  // namespace

IdentityMatcher::IdentityMatcher(std::shared_ptr<const Model> model, std::int64_t pinned)
    : model_(std::move(model)),
      weights_(ModelWeights::of(*model_)),
      pinned_(pinned),
      channels_(weights_.config.channels),
      first_decision_frames_(frames_in(kFirstDecisionSeconds, weights_.time)),
      decision_frames_(frames_in(kDecisionSeconds, weights_.time)),
      slew_frames_(frames_in(kSlewSeconds, weights_.time)),
      window_share_(weights_.time.frame_seconds() / kWindowSeconds),
      mean_(static_cast<std::size_t>(channels_)),
      centred_(mean_),
      scores_(static_cast<std::size_t>(weights_.identities)),
      slew_from_(mean_),
      feature_(mean_) {
  check(pinned);
  for (std::int64_t s = 0; s < weights_.identities; ++s) {
    squares_.push_back(product_of(key(s), key(s), mean_.size()));
  }
  reset();
}

void IdentityMatcher::check(std::int64_t pinned) const {
  if (pinned < kAutoIdentity || pinned >= weights_.identities) {
    raise({Refusal::Kind::kArgument,
           "identity: expected a row from 0 to " + std::to_string(weights_.identities - 1) +
               ", or -1 to follow the voice, got " + std::to_string(pinned)});
  }
}

void IdentityMatcher::pin(std::int64_t identity) {
  check(identity);
  pinned_ = identity;
}

void IdentityMatcher::reset() {
  voiced_frames_ = 0;
  std::fill(mean_.begin(), mean_.end(), 0.0F);
  std::fill(scores_.begin(), scores_.end(), 0.0F);
  current_ = first();
  challenger_ = -1;
  slewed_frames_ = slew_frames_;
  std::copy(row(current_), row(current_) + channels_, feature_.begin());
}

std::int64_t IdentityMatcher::first() const {
  return follows() ? weights_.config.default_identity : pinned_;
}

const float* IdentityMatcher::key(std::int64_t identity) const {
  return &weights_.identity_keys[static_cast<std::size_t>(identity * channels_)];
}

const float* IdentityMatcher::row(std::int64_t identity) const {
  return &weights_.identity_features[static_cast<std::size_t>(identity * channels_)];
}

void IdentityMatcher::push(const float* audio, const bool* voiced, std::int64_t frames,
                           float* features) {
  for (std::int64_t f = 0; f < frames; ++f) {
    if (pinned_ == kAutoIdentity && voiced[f]) {
      pool(audio + f * channels_);
      const std::int64_t since_first = voiced_frames_ - first_decision_frames_;
      if (since_first >= 0 && since_first % decision_frames_ == 0) {
        decide();
      }
    }
    if (slewed_frames_ < slew_frames_) {
      ++slewed_frames_;
      const float share = static_cast<float>(slewed_frames_) / static_cast<float>(slew_frames_);
      const float* to = row(current_);
      for (std::size_t c = 0; c < feature_.size(); ++c) {
        feature_[c] =
            slewed_frames_ == slew_frames_ ? to[c] : (1.0F - share) * slew_from_[c] + share * to[c];
      }
    }
    std::copy(feature_.begin(), feature_.end(), features + f * channels_);
  }
}

// A plain mean at first, which turns into an exponential window once that is the slower one.
void IdentityMatcher::pool(const float* audio) {
  ++voiced_frames_;
  const auto share =
      static_cast<float>(std::max(1.0 / static_cast<double>(voiced_frames_), window_share_));
  for (std::size_t c = 0; c < mean_.size(); ++c) {
    mean_[c] += share * (audio[c] - mean_[c]);
  }
}

void IdentityMatcher::decide() {
  for (std::size_t c = 0; c < mean_.size(); ++c) {
    centred_[c] = mean_[c] - weights_.pooled_mean[c];
  }
  const double voice_square = product_of(centred_.data(), centred_.data(), mean_.size());
  for (std::int64_t s = 0; s < weights_.identities; ++s) {
    const auto i = static_cast<std::size_t>(s);
    const double product = product_of(key(s), centred_.data(), mean_.size());
    const double norms = std::sqrt(squares_[i] * voice_square);
    scores_[i] = norms > 0.0 ? static_cast<float>(product / norms) : 0.0F;
  }
  // A voice that is like nobody in the library belongs to the default: that row counts as alike as
  // `unknown_cosine`, whatever its own score.
  const auto likeness = [this](std::int64_t s) {
    const float score = scores_[static_cast<std::size_t>(s)];
    return s == weights_.config.default_identity
               ? std::max(score, static_cast<float>(weights_.config.unknown_cosine))
               : score;
  };
  std::int64_t best = 0;
  for (std::int64_t s = 1; s < weights_.identities; ++s) {
    best = likeness(s) > likeness(best) ? s : best;
  }
  const bool beaten = likeness(best) > likeness(current_) + kMargin;
  if (beaten && best == challenger_) {
    slew_from_ = feature_;
    slewed_frames_ = 0;
    current_ = best;
    challenger_ = -1;
  } else {
    challenger_ = beaten ? best : -1;
  }
}

}  // namespace dt
