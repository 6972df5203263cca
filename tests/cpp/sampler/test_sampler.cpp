// The sampler as a stage: frames of one voice and of many, in one call or in several.
#include "sampler/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <vector>

#include "random_model.h"

namespace dt {
namespace {

using dt_test::Random;
using dt_test::RandomModel;

TEST(Sampler, RefusesABackendItLacks) {
  const auto model = RandomModel::small().build();
  EXPECT_THROW(Sampler(model, {0}, "abacus"), std::invalid_argument);
}

// The noise is keyed by a voice's own seed and its own frame's number; a call that holds more
// frames than the backend takes at once is cut anywhere.
TEST(Sampler, AVoiceAmongOthersIsThatVoiceAlone) {
  const auto model = RandomModel::small(2).build();
  const std::int64_t channels = model->config().channels, curves = model->curve_count();
  constexpr std::int64_t kVoices = 9, kFrames = 150;
  std::vector<std::uint64_t> seeds;
  std::vector<std::vector<float>> audio, expected, got;
  Random random(1);
  for (std::int64_t v = 0; v < kVoices; ++v) {
    seeds.push_back(v == 4 ? seeds.front() : static_cast<std::uint64_t>(v + 100));
    audio.push_back(random.vector(kFrames * channels));
    got.emplace_back(static_cast<std::size_t>(kFrames * curves));
    expected.push_back(got.back());
    Sampler alone(model, {seeds.back()}, "cpu");
    for (std::int64_t f = 0; f < kFrames; ++f) {
      const float* features = audio.back().data() + f * channels;
      const Sampler::Job job = {0, 1, features, features, expected.back().data() + f * curves};
      alone.push(&job, 1);
    }
  }
  Sampler together(model, seeds, "cpu");
  std::vector<std::int64_t> at(kVoices, 0);
  const auto push = [&](std::int64_t most) {
    std::vector<Sampler::Job> jobs;
    for (std::size_t v = 0; v < at.size(); ++v) {
      const std::int64_t count = std::min(random.below(most + 1), kFrames - at[v]);
      const float* features = audio[v].data() + at[v] * channels;
      jobs.push_back({static_cast<std::int64_t>(v), count, features, features,
                      got[v].data() + at[v] * curves});
      at[v] += count;
    }
    together.push(jobs.data(), kVoices);
  };
  for (const std::int64_t most : {1, 3, 0, 20, 70}) {
    push(most);
  }
  together.reset(2);
  at[2] = 0;
  while (*std::min_element(at.begin(), at.end()) < kFrames) {
    push(100);
  }
  for (std::size_t v = 0; v < got.size(); ++v) {
    EXPECT_EQ(got[v], expected[v]) << "voice " << v;
  }
}

}  // namespace
}  // namespace dt
