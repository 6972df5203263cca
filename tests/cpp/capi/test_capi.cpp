// The C interface: the frames of the C++ runtime, however the sound is cut; a code for what cannot
// be, with the handle as it was.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "allocations.h"
#include "capi/voices_made.h"
#include "dt/bundle.h"
#include "dt/runtime.h"

namespace dt_test {
namespace {

std::vector<float> sound_of(std::int64_t samples) { return speech_like(samples, 3); }

TEST(CInterface, GivesTheRuntimesOwnFrames) {
  const std::string file = small_bundle().packed();
  dt::MaybeRefusal refusal;
  const auto bundle = dt::Bundle::open_memory(file.data(), file.size(), &refusal);
  ASSERT_NE(bundle, nullptr) << refusal->text;
  const auto model = bundle->model("", "int8", &refusal);
  ASSERT_NE(model, nullptr) << refusal->text;
  const BundleHandle opened = open_small();
  const std::vector<float> sound = sound_of(20000);
  for (const std::uint64_t seed : {std::uint64_t{0}, ~std::uint64_t{0}}) {
    dt::Runtime runtime(model, seed, dt::kAutoIdentity);
    const std::vector<float> expected = run(runtime, 52, sound);
    const RuntimeHandle handle = create(opened, options_at(16000, seed));
    for (const std::int64_t longest : {0, 700}) {
      EXPECT_EQ(frames_of(handle.get(), sound, longest), expected) << longest;
      ASSERT_EQ(dt_reset(handle.get(), DT_ALL_STREAMS, nullptr), DT_OK);
    }
  }
}

TEST(CInterface, AnyChunkingGivesTheSameBitsAtAnyRate) {
  const BundleHandle bundle = open_small();
  for (const std::int32_t rate : {8000, 11025, 22050, 44100, 44101, 48000, 192000}) {
    SCOPED_TRACE(rate);
    dt_options options = options_at(rate, 5);
    options.head = 1;
    const RuntimeHandle runtime = create(bundle, options);
    const std::vector<float> sound = sound_of(rate / 2 + 11);
    const std::vector<float> whole = frames_of(runtime.get(), sound, 0);
    EXPECT_EQ(whole.size() / 55,
              static_cast<std::size_t>(std::ceil(static_cast<double>(sound.size()) * 60.0 / rate)));
    for (const std::int64_t longest : {rate / 400, rate / 5}) {
      ASSERT_EQ(dt_reset(runtime.get(), 0, nullptr), DT_OK);
      EXPECT_EQ(frames_of(runtime.get(), sound, longest, 7), whole) << longest;
    }
    const RuntimeHandle fresh = create(bundle, options);
    EXPECT_EQ(frames_of(fresh.get(), sound, 333), whole);
  }
}

TEST(CInterface, ManyVoicesAreRuntimesOfTheirOwn) {
  const BundleHandle bundle = open_small();
  const std::uint64_t seeds[] = {4, 4, 9};
  const char* identities[] = {"auto", "cat", nullptr};
  for (const std::int32_t rate : {16000, 48000}) {
    SCOPED_TRACE(rate);
    dt_options options = options_at(rate);
    options.streams = 3;
    options.threads = 2;
    options.seeds = seeds;
    options.identities = identities;
    const RuntimeHandle runtime = create(bundle, options);
    EXPECT_EQ(dt_streams(runtime.get()), 3);
    std::vector<std::vector<float>> sounds, frames(3);
    for (std::uint32_t v = 0; v < 3; ++v) {
      sounds.push_back(speech_like(rate / 3 + 1000 * v, v));
    }
    std::vector<std::size_t> at(3, 0);
    Random random(2);
    while (at[0] < sounds[0].size() || at[1] < sounds[1].size() || at[2] < sounds[2].size()) {
      dt_chunk chunks[3];
      std::vector<std::vector<float>> out(3);
      for (std::size_t v = 0; v < 3; ++v) {
        const auto count =
            std::min(static_cast<std::size_t>(random.below(rate / 10)), sounds[v].size() - at[v]);
        std::size_t due = 0;
        dt_frames_due(runtime.get(), static_cast<std::int32_t>(v), count, &due, nullptr);
        out[v].resize(due * 52);
        chunks[v] = {sounds[v].data() + at[v], count, out[v].data(), due, 0};
        at[v] += count;
      }
      ASSERT_EQ(dt_step_streams(runtime.get(), chunks, 3, nullptr), DT_OK);
      for (std::size_t v = 0; v < 3; ++v) {
        ASSERT_EQ(chunks[v].written * 52, out[v].size());
        frames[v].insert(frames[v].end(), out[v].begin(), out[v].end());
      }
    }
    for (std::int32_t v = 2; v >= 0; --v) {
      const auto i = static_cast<std::size_t>(v);
      std::size_t owed = 0;
      dt_frames_owed(runtime.get(), v, &owed, nullptr);
      std::vector<float> out(owed * 52);
      ASSERT_EQ(dt_flush_stream(runtime.get(), v, out.data(), owed, nullptr, nullptr), DT_OK);
      frames[i].insert(frames[i].end(), out.begin(), out.end());
      dt_options alone = options_at(rate, seeds[i]);
      alone.identity = identities[i];
      EXPECT_EQ(frames_of(create(bundle, alone).get(), sounds[i], 0), frames[i]) << v;
    }
  }
}

TEST(CInterface, AnotherSharesTheWeightsAndNothingElse) {
  const BundleHandle bundle = open_small();
  const RuntimeHandle one = create(bundle, options_at(16000, 1));
  const dt_options options = options_at(48000, 2);
  dt_runtime* made = nullptr;
  ASSERT_EQ(dt_another(one.get(), &options, &made, nullptr), DT_OK);
  const RuntimeHandle other(made);
  const std::vector<float> sound = sound_of(9000);
  EXPECT_EQ(frames_of(other.get(), sound, 100), frames_of(create(bundle, options).get(), sound, 0));
  EXPECT_EQ(frames_of(one.get(), sound, 100),
            frames_of(create(bundle, options_at(16000, 1)).get(), sound, 0));
}

TEST(CInterface, KnobsTurnWhatTheyNameFromTheNextFrameOn) {
  const BundleHandle bundle = open_small();
  const std::vector<float> sound = sound_of(16000);
  const RuntimeHandle runtime = create(bundle, options_at(16000));
  const std::vector<float> plain = frames_of(runtime.get(), sound, 0);
  ASSERT_EQ(dt_reset(runtime.get(), DT_ALL_STREAMS, nullptr), DT_OK);
  const dt_entry gains[] = {{"jawOpen", 0.25}, {"lower", 0.5}, {"jaw*", 0.125}};
  dt_settings settings;
  dt_settings_init(&settings);
  settings.given = DT_SET_GAIN | DT_SET_STRENGTH_UPPER;
  settings.gain = gains;
  settings.gains = 3;
  settings.strength_upper = 0.0;
  std::vector<float> turned;
  step(runtime.get(), sound.data(), 8000, &turned);
  const std::size_t before = turned.size();
  ASSERT_EQ(dt_set(runtime.get(), DT_ALL_STREAMS, &settings, nullptr), DT_OK);
  step(runtime.get(), sound.data() + 8000, 8000, &turned);
  flush(runtime.get(), &turned);
  ASSERT_EQ(turned.size(), plain.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const std::string name = dt_value_name(runtime.get(), static_cast<std::int32_t>(i % 52));
    const bool upper =
        name.rfind("eye", 0) == 0 || name.rfind("nose", 0) == 0 || name.rfind("brow", 0) == 0;
    const float gain = i < before                  ? 1.0F
                       : upper                     ? 0.0F
                       : name == "jawOpen"         ? 0.25F
                       : name.rfind("jaw", 0) == 0 ? 0.125F
                                                   : 0.5F;
    const float value = gain * plain[i];
    ASSERT_EQ(turned[i], gain == 1.0F ? plain[i] : std::min(std::max(value, 0.0F), 1.0F)) << name;
  }
  // What is not given stays; a name that is none changes nothing.
  const dt_entry wrong[] = {{"mouth", 2.0}, {"month", 1.0}};
  settings.given = DT_SET_GAIN;
  settings.gain = wrong;
  settings.gains = 2;
  dt_error error;
  ASSERT_EQ(dt_set(runtime.get(), 0, &settings, &error), DT_INVALID_ARGUMENT);
  EXPECT_NE(std::string(error.text).find("'month' is no group"), std::string::npos) << error.text;
}

TEST(CInterface, TellsWhatItIs) {
  const BundleHandle bundle = open_small();
  dt_bundle_info about;
  dt_bundle_info_init(&about);
  ASSERT_EQ(dt_bundle_get_info(bundle.get(), &about, nullptr), DT_OK);
  EXPECT_EQ(about.curves, 52);
  EXPECT_EQ(about.identities, 3);
  EXPECT_EQ(about.lookahead_samples, 947);
  EXPECT_EQ(about.default_identity, 1);
  EXPECT_STREQ(dt_bundle_name(bundle.get()), "small");
  EXPECT_STREQ(dt_identity_name(bundle.get(), 2), "cat");
  EXPECT_EQ(dt_identity_name(bundle.get(), 3), nullptr);
  EXPECT_STREQ(dt_curve_name(bundle.get(), 17), "jawOpen");
  EXPECT_EQ(dt_curve_name(bundle.get(), -1), nullptr);
  EXPECT_STREQ(dt_bundle_licences(bundle.get()), "noise: CC0 (not stated)\n");
  EXPECT_EQ(std::string(dt_bundle_sha256(bundle.get())).size(), 64U);
  EXPECT_STREQ(dt_version(), "0.1.0");
  const RuntimeHandle runtime = create(bundle, options_at(48000));
  dt_runtime_info info;
  dt_runtime_info_init(&info);
  ASSERT_EQ(dt_runtime_get_info(runtime.get(), &info, nullptr), DT_OK);
  EXPECT_EQ(info.lookahead_samples, 947 * 3 + 61);
  EXPECT_DOUBLE_EQ(info.lookahead_ms, (947 * 3 + 61) / 48.0);
  EXPECT_STREQ(info.precision, "int8");
  dt_state state;
  dt_state_init(&state);
  frames_of(runtime.get(), sound_of(30000), 0);
  ASSERT_EQ(dt_get_state(runtime.get(), 0, &state, nullptr), DT_OK);
  EXPECT_EQ(state.samples, 30000U);
  EXPECT_EQ(state.frames, 38U);
  EXPECT_EQ(state.ended, 1);
  std::vector<float> scores(3);
  EXPECT_EQ(dt_identity_scores(runtime.get(), 0, scores.data(), 3, nullptr), DT_OK);
}

TEST(CInterface, StepsAllocateNothing) {
  const BundleHandle bundle = open_small();
  const std::vector<float> sound = sound_of(48000);
  std::vector<float> frames(200 * 52);
  for (const std::int32_t rate : {16000, 44100}) {
    const RuntimeHandle runtime = create(bundle, options_at(rate));
    dt_step(runtime.get(), sound.data(), 4000, frames.data(), 200, nullptr, nullptr);
    const std::int64_t before = allocations();
    for (std::size_t at = 4000; at + 1000 <= sound.size(); at += 1000) {
      dt_step(runtime.get(), sound.data() + at, 1000, frames.data(), 200, nullptr, nullptr);
    }
    EXPECT_EQ(allocations(), before) << rate;
  }
}

// An older caller's struct ends earlier; a newer one's is refused.
TEST(CInterface, StructsOfOtherVersions) {
  const BundleHandle bundle = open_small();
  dt_options options = options_at(48000);
  options.streams = 70000;  // behind what the older caller knew
  options.struct_size = 16;
  dt_runtime* runtime = nullptr;
  ASSERT_EQ(dt_create(bundle.get(), &options, &runtime, nullptr), DT_OK);
  EXPECT_EQ(dt_streams(runtime), 1);
  dt_destroy(&runtime);
  options.struct_size = sizeof options + 8;
  dt_error error;
  EXPECT_EQ(dt_create(bundle.get(), &options, &runtime, &error), DT_NEWER_VERSION);
  EXPECT_NE(std::string(error.text).find("struct_size"), std::string::npos);
  options.struct_size = 0;
  EXPECT_EQ(dt_create(bundle.get(), &options, &runtime, &error), DT_INVALID_ARGUMENT);
  EXPECT_EQ(runtime, nullptr);
}

}  // namespace
}  // namespace dt_test
