#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <vector>

#include "dt/model.h"
#include "features/identity.h"
#include "random_model.h"

namespace dt {
namespace {

using dt_test::Random;
using dt_test::RandomModel;

class Matching : public testing::Test {
 protected:
  // Audio whose centred mean points along row `identity`.
  std::vector<float> voice_of(std::int64_t identity, std::int64_t frames) {
    std::vector<float> out;
    for (std::int64_t f = 0; f < frames; ++f) {
      for (std::int64_t c = 0; c < channels_; ++c) {
        out.push_back(
            random_model_.tensors.at("identity.pooled_mean").second[static_cast<std::size_t>(c)] +
            row(identity)[c] + 0.3F * random_.uniform());
      }
    }
    return out;
  }
  const float* row(std::int64_t identity) const {
    return random_model_.identity_features.data() + identity * channels_;
  }
  std::vector<float> push(IdentityMatcher& matcher, const std::vector<float>& audio, bool voiced) {
    const std::int64_t frames = static_cast<std::int64_t>(audio.size()) / channels_;
    const auto flags = std::make_unique<bool[]>(static_cast<std::size_t>(frames));
    std::fill_n(flags.get(), frames, voiced);
    std::vector<float> features(audio.size());
    matcher.push(audio.data(), flags.get(), frames, features.data());
    return features;
  }

  RandomModel random_model_ = RandomModel::small();
  std::shared_ptr<const Model> model_ = random_model_.build();
  std::int64_t channels_ = model_->config().channels;
  Random random_{11};
};

TEST_F(Matching, TakesOverAfterTwoDecisionsAndSlews) {
  IdentityMatcher matcher(model_, kAutoIdentity);
  push(matcher, voice_of(2, 100), false);
  EXPECT_EQ(matcher.current(), 0);
  EXPECT_EQ(matcher.scores(), std::vector<float>(3, 0.0F));
  push(matcher, voice_of(2, 45), true);  // 0.75 s: the first decision
  EXPECT_EQ(matcher.current(), 0);
  EXPECT_GT(matcher.scores()[2], 0.9F);
  push(matcher, voice_of(2, 14), true);
  EXPECT_EQ(matcher.current(), 0);
  const std::vector<float> slew = push(matcher, voice_of(2, 30), true);  // the second at 1.0 s
  EXPECT_EQ(matcher.current(), 2);
  for (std::int64_t f = 0; f < 30; ++f) {
    const float share = static_cast<float>(f + 1) / 30.0F;
    for (std::int64_t c = 0; c < channels_; ++c) {
      const float expected = (1.0F - share) * row(0)[c] + share * row(2)[c];
      ASSERT_NEAR(slew[static_cast<std::size_t>(f * channels_ + c)], expected, 1e-5F);
    }
  }
  const std::vector<float> after = push(matcher, voice_of(2, 1), true);
  EXPECT_TRUE(std::equal(after.begin(), after.end(), row(2)));
}

TEST_F(Matching, APinnedIdentityStays) {
  IdentityMatcher matcher(model_, 1);
  const std::vector<float> features = push(matcher, voice_of(2, 600), true);
  EXPECT_EQ(matcher.current(), 1);
  EXPECT_TRUE(std::equal(features.end() - channels_, features.end(), row(1)));
  EXPECT_THROW(IdentityMatcher(model_, 3), std::invalid_argument);
  EXPECT_THROW(IdentityMatcher(model_, -2), std::invalid_argument);
}

TEST_F(Matching, AVoiceLikeNobodyKeepsAndGetsBackTheDefault) {
  random_model_.config.unknown_cosine = 0.96;  // the voices below are like their rows, but not so
  model_ = random_model_.build();
  IdentityMatcher wary(model_, kAutoIdentity);
  push(wary, voice_of(2, 300), true);
  EXPECT_GT(wary.scores()[2], wary.scores()[0]);
  EXPECT_EQ(wary.current(), 0);

  random_model_.config.unknown_cosine = 0.5;
  model_ = random_model_.build();
  IdentityMatcher matcher(model_, kAutoIdentity);
  push(matcher, voice_of(2, 300), true);
  EXPECT_EQ(matcher.current(), 2);
  // Somebody whose centred voice points away from row 2, and towards no other.
  std::vector<float> stranger = voice_of(2, 3000);
  const auto& mean = random_model_.tensors.at("identity.pooled_mean").second;
  for (std::size_t i = 0; i < stranger.size(); ++i) {
    const float centre = mean[i % static_cast<std::size_t>(channels_)];
    stranger[i] = 2.0F * centre - stranger[i];
  }
  push(matcher, stranger, true);
  EXPECT_EQ(matcher.current(), 0);
}

TEST_F(Matching, KeysAreWhatVoicesAreComparedWithAndNotWhatTheDecoderIsTold) {
  // The keys are the rows in another order: who sounds like row 2 gets the features of row 1.
  std::vector<float> keys;
  for (const std::int64_t from : {1, 2, 0}) {
    keys.insert(keys.end(), row(from), row(from) + channels_);
  }
  random_model_.tensors["identity.keys"] = {{3, channels_}, keys};
  model_ = random_model_.build();
  IdentityMatcher matcher(model_, kAutoIdentity);
  const std::vector<float> features = push(matcher, voice_of(2, 300), true);
  EXPECT_EQ(matcher.current(), 1);
  EXPECT_GT(matcher.scores()[1], 0.9F);
  EXPECT_TRUE(std::equal(features.end() - channels_, features.end(), row(1)));

  random_model_.tensors["identity.keys"] = {{2, channels_}, keys};
  EXPECT_THROW(random_model_.build(), std::invalid_argument);
}

TEST_F(Matching, DependsOnNoSplitAndResets) {
  IdentityMatcher matcher(model_, kAutoIdentity);
  std::vector<float> audio = voice_of(2, 300);
  const std::vector<float> second = voice_of(1, 900);
  audio.insert(audio.end(), second.begin(), second.end());
  const std::vector<float> whole = push(matcher, audio, true);
  EXPECT_EQ(matcher.current(), 1);
  matcher.reset();
  EXPECT_EQ(matcher.current(), 0);
  std::vector<float> parts;
  for (std::size_t at = 0; at < audio.size();) {
    const std::size_t end =
        std::min(audio.size(), at + static_cast<std::size_t>(random_.below(20) * channels_));
    const std::vector<float> part(audio.begin() + static_cast<std::ptrdiff_t>(at),
                                  audio.begin() + static_cast<std::ptrdiff_t>(end));
    const std::vector<float> features = push(matcher, part, true);
    parts.insert(parts.end(), features.begin(), features.end());
    at = end;
  }
  EXPECT_EQ(parts, whole);
}

}  // namespace
}  // namespace dt
