#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "dt/live_runtime.h"
#include "dt/model.h"
#include "dt/overload.h"
#include "dt/runtime.h"
#include "random_model.h"

namespace dt {
namespace {

using dt_test::RandomModel;
using dt_test::run;
using dt_test::speech_like;

constexpr std::int64_t kCurves = 52;
constexpr std::int64_t kBlock = 160;  // 10 ms

// What a policy chooses for `blocks` of sound while `waiting` samples wait at each of them.
std::vector<std::int64_t> chosen(OverloadPolicy& policy, std::int64_t waiting, int blocks) {
  std::vector<std::int64_t> steps;
  for (int i = 0; i < blocks; ++i) {
    steps.push_back(policy.steps(waiting, kBlock, false));
  }
  return steps;
}

TEST(OverloadPolicy, OneLateLookIsNoOverload) {
  OverloadPolicy policy(Overload::kSteps, 8);
  for (int hiccup = 0; hiccup < 10; ++hiccup) {
    EXPECT_EQ(policy.steps(60000, 4000, true), 8);
    EXPECT_EQ(policy.steps(kBlock, kBlock, false), 8);
  }
}

// A sound card's blocks of a quarter of a second: late only where one has not been computed when
// the next one comes.
TEST(OverloadPolicy, LongBlocksAreNoOverload) {
  constexpr std::int64_t kLong = 4000;
  OverloadPolicy policy(Overload::kSteps, 8);
  for (int block = 0; block < 100; ++block) {
    EXPECT_EQ(policy.steps(kLong, kLong, true), 8);
  }
  policy.steps(kLong, kLong, false);
  EXPECT_EQ(policy.steps(kLong, kLong, false), 2);
  for (int block = 0; block < 8; ++block) {
    policy.steps(kLong, kLong, true);
  }
  EXPECT_EQ(policy.steps(kLong, kLong, true), 8) << "two seconds up with it";
  OverloadPolicy skips(Overload::kSkip, 8);
  skips.steps(8000, kLong, false);
  EXPECT_EQ(skips.steps(8000, kLong, false), 0);
  EXPECT_EQ(skips.steps(kLong, kLong, true), 8) << "up with it, however long the block is";
}

TEST(OverloadPolicy, TakesFewerStepsThenSkipsAndComesBack) {
  OverloadPolicy policy(Overload::kSteps, 8);
  EXPECT_EQ(chosen(policy, 1700, 3), (std::vector<std::int64_t>{8, 4, 4}));
  EXPECT_EQ(chosen(policy, 3300, 2), (std::vector<std::int64_t>{2, 2}));
  EXPECT_EQ(chosen(policy, 1700, 2), (std::vector<std::int64_t>{2, 2})) << "late with 2: no more";
  EXPECT_EQ(chosen(policy, 6500, 2), (std::vector<std::int64_t>{0, 0}));
  EXPECT_EQ(chosen(policy, 1000, 2), (std::vector<std::int64_t>{0, 0})) << "not up with it yet";
  EXPECT_EQ(chosen(policy, kBlock, 1), (std::vector<std::int64_t>{2})) << "skips no longer";
  EXPECT_EQ(chosen(policy, kBlock, 99).back(), 2);
  EXPECT_EQ(chosen(policy, kBlock, 1).back(), 4) << "a second up with it: more steps";
  EXPECT_EQ(chosen(policy, kBlock, 100).back(), 8);
  EXPECT_EQ(chosen(policy, kBlock, 1000).back(), 8);
}

TEST(OverloadPolicy, SkipsWithoutFewerSteps) {
  OverloadPolicy policy(Overload::kSkip, 8);
  EXPECT_EQ(chosen(policy, 6300, 10).back(), 8);
  EXPECT_EQ(chosen(policy, 6500, 2).back(), 0);
  EXPECT_EQ(chosen(policy, kBlock, 1).back(), 8);
}

TEST(OverloadPolicy, KeepsWhateverWaits) {
  OverloadPolicy policy(Overload::kKeep, 8);
  EXPECT_EQ(chosen(policy, 64000, 100), std::vector<std::int64_t>(100, 8));
}

TEST(OverloadPolicy, SkipsWhereStepsCannotBeHalved) {
  OverloadPolicy policy(Overload::kSteps, 5);
  EXPECT_EQ(chosen(policy, 1700, 2).back(), 0);
}

TEST(FewerSteps, AreThoseOfASamplerOfSoMany) {
  const std::vector<float> audio = speech_like(16000);
  for (const std::int64_t steps : {4, 2, 1}) {
    Runtime some(RandomModel::small(8).build(), 3, kAutoIdentity);
    some.set_steps(steps);
    Runtime all(RandomModel::small(steps).build(), 3, kAutoIdentity);
    EXPECT_EQ(run(some, kCurves, audio), run(all, kCurves, audio)) << steps << " steps";
  }
}

// Steps as they change every 100 ms, the audio cut by `block` within.
std::vector<float> with_changing_steps(const std::shared_ptr<const Model>& model,
                                       const std::vector<float>& audio, std::int64_t block) {
  constexpr std::int64_t kEvery = 1600, kOrder[] = {8, 4, 0, 2, 8, 0, 1, 4};
  Runtime runtime(model, 3, kAutoIdentity);
  std::vector<float> frames;
  const auto end = static_cast<std::int64_t>(audio.size());
  for (std::int64_t at = 0; at < end;) {
    runtime.set_steps(kOrder[at / kEvery % 8]);
    const std::int64_t left = std::min(kEvery - at % kEvery, end - at);
    const std::int64_t count = std::min(block, left);
    const std::int64_t due = runtime.frames_due(count);
    frames.resize(frames.size() + static_cast<std::size_t>(due * kCurves));
    runtime.step(audio.data() + at, count, frames.data() + frames.size() - due * kCurves);
    at += count;
  }
  return frames;
}

TEST(FewerSteps, AnyChunkingGivesTheSameBits) {
  const auto model = RandomModel::small().build();
  const std::vector<float> audio = speech_like(32000);
  const std::vector<float> whole = with_changing_steps(model, audio, 1600);
  for (const std::int64_t block : {1, 7, 160, 777}) {
    EXPECT_EQ(with_changing_steps(model, audio, block), whole) << block;
  }
}

TEST(FewerSteps, ASkippedFrameRepeatsTheCurvesAndTheVoiceIsHeardOn) {
  const auto model = RandomModel::small().build();
  const std::vector<float> audio = speech_like(32000);
  Runtime skips(model, 3, kAutoIdentity), undisturbed(model, 3, kAutoIdentity);
  const std::vector<float> all = run(undisturbed, kCurves, audio);
  skips.set_steps(0);
  const std::vector<float> none = run(skips, kCurves, audio);
  EXPECT_EQ(none.size(), all.size());
  EXPECT_EQ(skips.identity_scores(), undisturbed.identity_scores());
  EXPECT_EQ(skips.frames(), undisturbed.frames());
  skips.reset();
  skips.set_steps(8);
  EXPECT_EQ(run(skips, kCurves, audio), all) << "reset brings everything back";
}

TEST(FewerSteps, RefusesWhatIsNoDivisor) {
  Runtime runtime(RandomModel::small().build(), 3, kAutoIdentity);
  for (const std::int64_t steps : {-1, 3, 5, 16}) {
    EXPECT_THROW(runtime.set_steps(steps), std::invalid_argument) << steps;
  }
  EXPECT_EQ(runtime.steps(), 8);
  EXPECT_TRUE(runtime.takes_fewer_steps());
}

// So much sound at once is late at every look.
TEST(Overloaded, ALiveStreamSkipsFramesAndKeepsTheirTime) {
  const auto model = RandomModel::small().build();
  const std::vector<float> audio = speech_like(60000);
  for (const Overload overload : {Overload::kKeep, Overload::kSkip, Overload::kSteps}) {
    LiveRuntime live(model, 3, kAutoIdentity);
    live.set_overload(overload);
    ASSERT_EQ(live.push(audio.data(), 60000), 60000);
    live.finish();
    std::vector<float> frames(512 * kCurves);
    std::vector<std::uint8_t> steps(512);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    std::int64_t taken = 0;
    while (!live.finished() && std::chrono::steady_clock::now() < deadline) {
      live.wait(0.1);
      const LiveRuntime::Batch batch =
          live.take(512 - taken, frames.data() + taken * kCurves, steps.data() + taken);
      EXPECT_EQ(batch.first_frame, taken);
      taken += batch.count;
    }
    ASSERT_EQ(taken, 225) << "every frame has its place";
    steps.resize(225);
    const auto whole = std::count(steps.begin(), steps.end(), 8);
    if (overload == Overload::kKeep) {
      EXPECT_EQ(whole, 225);
      frames.resize(225 * kCurves);
      Runtime undisturbed(model, 3, kAutoIdentity);
      EXPECT_EQ(frames, run(undisturbed, kCurves, audio));
    } else {
      EXPECT_GT(std::count(steps.begin(), steps.end(), 0), 100);
      EXPECT_GT(whole, 0);
    }
  }
}

}  // namespace
}  // namespace dt
