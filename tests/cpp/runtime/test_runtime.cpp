// The contracts of the whole pipeline.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "allocations.h"
#include "dt/kernels.h"
#include "dt/model.h"
#include "dt/options.h"
#include "dt/runtime.h"
#include "random_model.h"

namespace dt {
namespace {

using dt_test::Random;
using dt_test::RandomModel;
using dt_test::run;
using dt_test::speech_like;

constexpr std::int64_t kCurves = 52;

// Every kernel, without and with a context.
class RuntimeOn : public testing::TestWithParam<std::tuple<std::string, bool>> {
 protected:
  RandomModel random_model_ =
      std::get<1>(GetParam()) ? RandomModel::small_with_context() : RandomModel::small();
  std::string kernel_ = std::get<0>(GetParam());
};

INSTANTIATE_TEST_SUITE_P(Kernels, RuntimeOn,
                         testing::Combine(testing::ValuesIn(available_kernels()), testing::Bool()),
                         [](const auto& test) {
                           const bool context = std::get<1>(test.param);
                           return std::get<0>(test.param) + (context ? "_context" : "");
                         });

TEST_P(RuntimeOn, AnyChunkingGivesTheSameBits) {
  const std::int64_t rates[][2] = {{60, 1}, {30000, 1001}, {25, 1}};
  for (const auto& rate : rates) {
    random_model_.config.frame_rate_num = rate[0];
    random_model_.config.frame_rate_den = rate[1];
    const auto model = random_model_.build(kernel_);
    const std::vector<float> audio = speech_like(40000);  // more than two blocks
    Runtime runtime(model, 3, kAutoIdentity);
    const std::vector<float> whole = run(runtime, kCurves, audio);
    Random random(9);
    for (const std::int64_t largest : {2, 40, 700, 5000, 20000}) {
      std::vector<std::int64_t> sizes;
      for (std::int64_t left = largest == 2 ? 6000 : 40000; left > 0;) {
        sizes.push_back(random.below(largest + 1));
        left -= sizes.back();
      }
      runtime.reset();
      ASSERT_EQ(run(runtime, kCurves, audio, sizes), whole) << rate[0] << ", up to " << largest;
    }
  }
}

// The network's, and with it those of everything behind it.
TEST_P(RuntimeOn, GivesTheBitsOfEveryOtherKernel) {
  const std::vector<float> audio = speech_like(20000);
  Runtime runtime(random_model_.build(kernel_), 3, kAutoIdentity);
  Runtime scalar(random_model_.build("scalar"), 3, kAutoIdentity);
  EXPECT_EQ(run(runtime, kCurves, audio), run(scalar, kCurves, audio));
}

TEST_P(RuntimeOn, AnyChunkingGivesTheSameBitsInFloat32) {
  const std::vector<float> audio = speech_like(20000);
  Runtime runtime(random_model_.build(kernel_, "float32"), 3, kAutoIdentity);
  const std::vector<float> whole = run(runtime, kCurves, audio);
  runtime.reset();
  EXPECT_EQ(run(runtime, kCurves, audio, std::vector<std::int64_t>(60, 256)), whole);
}

// At the size that the benchmark measures.
TEST(Runtime, AnyChunkingGivesTheSameBitsInFullSize) {
  for (const RandomModel& random_model : {RandomModel::embedded(), RandomModel::with_blocks()}) {
    const auto model = random_model.build();
    const std::vector<float> audio = speech_like(16000);
    Runtime runtime(model, 3, kAutoIdentity);
    const std::vector<float> whole = run(runtime, model->curve_count(), audio);
    runtime.reset();
    ASSERT_EQ(run(runtime, model->curve_count(), audio, std::vector<std::int64_t>(100, 160)),
              whole);
  }
}

TEST_P(RuntimeOn, ResetStartsAgain) {
  const auto model = random_model_.build(kernel_);
  const std::vector<float> audio = speech_like(30000);
  Runtime runtime(model, 3, kAutoIdentity);
  const std::vector<float> first = run(runtime, kCurves, audio);
  runtime.reset();
  EXPECT_EQ(runtime.position_samples(), 0);
  EXPECT_EQ(runtime.frames(), 0);
  EXPECT_EQ(run(runtime, kCurves, audio), first);
  runtime.reset();
  std::vector<float> out(static_cast<std::size_t>(runtime.frames_due(12345) * kCurves));
  runtime.step(audio.data(), 12345, out.data());
  runtime.reset();  // amid a stream
  EXPECT_EQ(run(runtime, kCurves, audio), first);
  Runtime other_seed(model, 4, kAutoIdentity), other_identity(model, 3, 2);
  EXPECT_NE(run(other_seed, kCurves, audio), first);
  EXPECT_NE(run(other_identity, kCurves, audio), first);
}

TEST(Runtime, FlushCompletesTheRecording) {
  const auto model = RandomModel::small().build();
  Runtime runtime(model, 1, 0);
  for (const std::int64_t samples : {0, 1, 80, 266, 267, 946, 947, 948, 16000, 33333}) {
    runtime.reset();
    const std::vector<float> frames = run(runtime, kCurves, speech_like(samples));
    EXPECT_EQ(static_cast<std::int64_t>(frames.size()) / kCurves, (samples * 60 + 15999) / 16000);
    EXPECT_EQ(runtime.position_samples(), samples);
  }
}

TEST(Runtime, AFlushedStreamWantsAReset) {
  Runtime runtime(RandomModel::small().build(), 1, 0);
  run(runtime, kCurves, speech_like(2000));
  EXPECT_EQ(runtime.frames_due(1000), 0);
  EXPECT_EQ(runtime.frames_owed(), 0);
  EXPECT_THROW(runtime.step(nullptr, 0, nullptr), std::logic_error);
  EXPECT_THROW(runtime.flush(nullptr), std::logic_error);
  runtime.reset();
  EXPECT_NO_THROW(runtime.flush(nullptr));
}

TEST(Runtime, ABadSampleChangesNothing) {
  const auto model = RandomModel::small().build();
  const std::vector<float> audio = speech_like(8000);
  Runtime runtime(model, 3, 0);
  const std::vector<float> whole = run(runtime, kCurves, audio);
  runtime.reset();
  const float bad_values[] = {std::numeric_limits<float>::quiet_NaN(), INFINITY, -INFINITY, 2e6F};
  for (const float bad : bad_values) {
    std::vector<float> chunk = audio;
    chunk[123] = bad;
    try {
      runtime.step(chunk.data(), static_cast<std::int64_t>(chunk.size()), nullptr);
      FAIL() << bad;
    } catch (const std::invalid_argument& error) {
      EXPECT_NE(std::string(error.what()).find("sample 123 is "), std::string::npos)
          << error.what();
    }
  }
  EXPECT_EQ(runtime.position_samples(), 0);
  EXPECT_EQ(run(runtime, kCurves, audio), whole);
}

TEST_P(RuntimeOn, StaysFiniteAtTheLimitOfWhatItTakes) {
  Runtime runtime(random_model_.build(kernel_), 3, kAutoIdentity);
  std::vector<float> audio = speech_like(16000);
  for (std::size_t i = 3000; i < 6000; ++i) {
    audio[i] = (i / 7 % 2 == 0 ? 1.0F : -1.0F) * Runtime::kSampleLimit;
  }
  for (const float value : run(runtime, kCurves, audio)) {
    ASSERT_TRUE(std::isfinite(value));
  }
}

TEST(Runtime, SilenceClosesTheGatedCurvesWithin200Ms) {
  const RandomModel random_model = RandomModel::small();
  const auto model = random_model.build();
  Random random(2);
  // Loud to the last sample of the first second, whatever its phase within a column or a frame.
  for (const std::int64_t end : {16000, 16077, 16133, 16250}) {
    std::vector<float> audio(32000);
    for (std::int64_t i = 0; i < end; ++i) {
      audio[static_cast<std::size_t>(i)] = 0.3F * random.uniform();
    }
    Runtime runtime(model, 5, 0);
    const std::vector<float> frames = run(runtime, kCurves, audio);
    for (std::int64_t f = 0; f < 120; ++f) {
      float largest = 0.0F;
      for (std::int64_t c = 0; c < kCurves; ++c) {
        const CurveOptions& options =
            random_model.config.curve_options[static_cast<std::size_t>(c)];
        if (options.gated) {
          largest = std::max(
              largest, std::fabs(frames[static_cast<std::size_t>(f * kCurves + c)] - options.rest));
        }
      }
      if (f * 16000 >= (end + 3200) * 60) {
        ASSERT_EQ(largest, 0.0F) << "frame " << f << " after silence from " << end;
      } else if (f > 5 && f * 16000 < end * 60) {
        ASSERT_GT(largest, 0.0F) << "frame " << f;
      }
    }
  }
}

TEST_P(RuntimeOn, AllocatesNothingOnceBuilt) {
  const auto model = random_model_.build(kernel_);
  const std::vector<float> audio = speech_like(40000);
  std::vector<float> frames(200 * kCurves);
  Runtime runtime(model, 3, kAutoIdentity);
  const std::int64_t before = dt_test::allocations();
  for (int round = 0; round < 2; ++round) {
    std::int64_t at = 0;
    for (const std::int64_t count : {0, 1, 159, 160, 1000, 30000}) {
      runtime.step(audio.data() + at, count, frames.data());
      at += count;
    }
    runtime.flush(frames.data());
    runtime.reset();
  }
  EXPECT_EQ(dt_test::allocations(), before);
}

TEST(Runtime, NoiseOfScaleZeroLeavesTheSeedWithoutEffect) {
  RandomModel random_model = RandomModel::small();
  const std::vector<float> audio = speech_like(8000);
  const auto frames = [&](std::uint64_t seed) {
    Runtime runtime(random_model.build(), seed, 0);
    return run(runtime, kCurves, audio);
  };
  EXPECT_NE(frames(1), frames(2));
  random_model.config.noise_scale.assign(kCurves, 0.0F);
  EXPECT_EQ(frames(1), frames(2));
}

TEST(Runtime, ReportsWhatItDid) {
  Runtime runtime(RandomModel::small().build(), 3, 1);
  EXPECT_EQ(runtime.level_db(), -120.0F);
  EXPECT_EQ(runtime.identity(), 1);
  std::vector<float> tone(16000);
  for (std::size_t i = 0; i < tone.size(); ++i) {
    tone[i] = static_cast<float>(0.5 * std::sin(0.3 * static_cast<double>(i)));
  }
  std::vector<float> frames(100 * kCurves);
  runtime.step(tone.data(), 16000, frames.data());
  EXPECT_EQ(runtime.position_samples(), 16000);
  EXPECT_EQ(runtime.frames(), (16000 - 947) * 60 / 16000 + 1);
  EXPECT_NEAR(runtime.level_db(), -9.03F, 0.1F);
  EXPECT_GT(runtime.compute_seconds(), 0.0);
}

}  // namespace
}  // namespace dt
