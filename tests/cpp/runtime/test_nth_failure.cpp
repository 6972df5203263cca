// Allocation n fails, for every n: one std::bad_alloc, nothing leaks, and the next try succeeds.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "dt/live_runtime.h"
#include "dt/model.h"
#include "dt/runtime.h"
#include "dt/voices.h"
#include "fail_each.h"
#include "random_model.h"

namespace dt {
namespace {

using dt_test::fail_each;
using dt_test::RandomModel;
using dt_test::run;
using dt_test::speech_like;

constexpr std::int64_t kCurves = 52;

class NthFailure : public testing::Test {
 protected:
  RandomModel random_ = RandomModel::small_with_context();
  TensorMap views_ = random_.views();
  std::shared_ptr<const Model> model_ = random_.build();
};

TEST_F(NthFailure, OfAModel) {
  const TensorView identities{{random_.identities, random_.config.channels},
                              random_.identity_features.data()};
  EXPECT_GT(fail_each([&] { const Model model(random_.config, views_, identities); }), 100);
}

TEST_F(NthFailure, OfARuntime) {
  const std::vector<float> audio = speech_like(4000);
  std::vector<float> frames(16 * kCurves);
  EXPECT_GT(fail_each([&] {
              Runtime runtime(model_, 3, kAutoIdentity);
              runtime.step(audio.data(), 4000, frames.data());
              runtime.flush(frames.data());
            }),
            50);
  Runtime undisturbed(model_, 3, kAutoIdentity), after(model_, 3, kAutoIdentity);
  EXPECT_EQ(run(after, kCurves, audio), run(undisturbed, kCurves, audio));
}

TEST_F(NthFailure, OfManyVoices) {
  EXPECT_GT(fail_each([&] { const Voices voices(model_, {{1, 0}, {2, 1}, {3, 2}}, "cpu"); }), 100);
}

TEST_F(NthFailure, OfALiveRuntime) {
  const std::vector<float> audio = speech_like(4000);
  std::vector<float> frames(64 * kCurves);
  EXPECT_GT(fail_each([&] {
              LiveRuntime live(model_, 3, kAutoIdentity);
              live.push(audio.data(), 4000);
              live.wait(1.0);
              live.take(64, frames.data());
            }),
            50);
}

}  // namespace
}  // namespace dt
