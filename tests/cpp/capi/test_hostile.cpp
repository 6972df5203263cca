// What nobody should hand to the C interface, and a damaged file does: a code each time, one
// sentence, and no step beyond a buffer (the sanitizers' build runs this too).
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "capi/voices_made.h"
#include "weights/bundle/tar.h"

namespace dt_test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr std::size_t kHuge = std::numeric_limits<std::size_t>::max();

// A failure says one sentence; success says nothing.
void expect_sentence(dt_code code, const dt_error& error) {
  EXPECT_EQ(error.code, code);
  const std::string text = error.text;
  EXPECT_EQ(text.empty(), code == DT_OK) << text;
  EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  EXPECT_LT(text.size(), static_cast<std::size_t>(DT_ERROR_BYTES));
  EXPECT_NE(code, DT_INTERNAL) << text;
}

// Opens the bytes, and if that goes well, drives a voice through them.
dt_code use(const std::string& file) {
  dt_bundle* opened = nullptr;
  dt_error error;
  dt_code code = dt_bundle_open_memory(file.data(), file.size(), &opened, &error);
  expect_sentence(code, error);
  EXPECT_EQ(opened != nullptr, code == DT_OK);
  const BundleHandle bundle(opened);
  if (code != DT_OK) {
    return code;
  }
  dt_runtime* created = nullptr;
  code = dt_create(bundle.get(), nullptr, &created, &error);
  expect_sentence(code, error);
  EXPECT_EQ(created != nullptr, code == DT_OK);
  const RuntimeHandle runtime(created);
  if (code == DT_OK) {
    frames_of(runtime.get(), speech_like(1500, 1), 0);
  }
  return code;
}

TEST(Hostile, HandlesThatAreNone) {
  const BundleHandle bundle = open_small();
  const RuntimeHandle runtime = create(bundle, options_at(16000));
  auto* as_bundle = reinterpret_cast<dt_bundle*>(runtime.get());
  auto* as_runtime = reinterpret_cast<dt_runtime*>(bundle.get());
  std::uint64_t zeros[16] = {};
  auto* of_zeros = reinterpret_cast<dt_runtime*>(zeros);
  dt_error error;
  std::size_t number = 0;
  float frames[64] = {};
  dt_runtime* made = nullptr;
  for (dt_runtime* wrong : {static_cast<dt_runtime*>(nullptr), as_runtime, of_zeros}) {
    dt_runtime_info info;
    dt_runtime_info_init(&info);
    dt_state state;
    dt_state_init(&state);
    dt_settings settings;
    dt_settings_init(&settings);
    dt_chunk chunk = {};
    for (const dt_code code :
         {dt_step(wrong, frames, 1, frames, 1, &number, &error),
          dt_flush(wrong, frames, 1, &number, &error), dt_reset(wrong, 0, &error),
          dt_step_streams(wrong, &chunk, 1, &error),
          dt_flush_stream(wrong, 0, frames, 1, &number, &error),
          dt_set(wrong, 0, &settings, &error), dt_frames_due(wrong, 0, 1, &number, &error),
          dt_frames_owed(wrong, 0, &number, &error), dt_get_state(wrong, 0, &state, &error),
          dt_identity_scores(wrong, 0, frames, 3, &error),
          dt_runtime_get_info(wrong, &info, &error), dt_another(wrong, nullptr, &made, &error)}) {
      EXPECT_EQ(code, DT_BAD_HANDLE);
    }
    expect_sentence(DT_BAD_HANDLE, error);
    EXPECT_EQ(dt_value_name(wrong, 0), nullptr);
    EXPECT_EQ(dt_streams(wrong), 0);
    dt_runtime* kept = wrong;
    dt_destroy(&kept);  // does nothing
    EXPECT_EQ(kept, wrong);
  }
  for (dt_bundle* wrong : {static_cast<dt_bundle*>(nullptr), as_bundle}) {
    dt_bundle_info info;
    dt_bundle_info_init(&info);
    EXPECT_EQ(dt_bundle_get_info(wrong, &info, &error), DT_BAD_HANDLE);
    EXPECT_EQ(dt_create(wrong, nullptr, &made, &error), DT_BAD_HANDLE);
    EXPECT_EQ(made, nullptr);
    EXPECT_EQ(dt_curve_name(wrong, 0), nullptr);
    EXPECT_EQ(dt_bundle_manifest(wrong), nullptr);
    dt_bundle* kept = wrong;
    dt_bundle_close(&kept);
    EXPECT_EQ(kept, wrong);
  }
  dt_destroy(nullptr);
  dt_bundle_close(nullptr);
  dt_options_init(nullptr);
  dt_bundle_info_init(nullptr);
  dt_settings_init(nullptr);
  dt_state_init(nullptr);
  dt_runtime_info_init(nullptr);
}

TEST(Hostile, OptionsThatCannotBe) {
  const BundleHandle bundle = open_small();
  const std::uint64_t seeds[] = {1, 2};
  const char* identities[] = {"ann", "nobody"};
  const std::pair<const char*, void (*)(dt_options*)> cases[] = {
      {"sample_rate", [](dt_options* o) { o->sample_rate_hz = 0; }},
      {"sample_rate", [](dt_options* o) { o->sample_rate_hz = 7999; }},
      {"sample_rate", [](dt_options* o) { o->sample_rate_hz = 2147483647; }},
      {"sample_rate", [](dt_options* o) { o->sample_rate_hz = -48000; }},
      {"identity", [](dt_options* o) { o->identity = "nobody"; }},
      {"identity", [](dt_options* o) { o->identity = ""; }},
      {"idle", [](dt_options* o) { o->idle = std::nan(""); }},
      {"idle", [](dt_options* o) { o->idle = 1.5; }},
      {"head", [](dt_options* o) { o->head = 2; }},
      {"streams", [](dt_options* o) { o->streams = 0; }},
      {"streams", [](dt_options* o) { o->streams = -1; }},
      {"streams", [](dt_options* o) { o->streams = 2147483647; }},
      {"threads", [](dt_options* o) { o->threads = 0; }},
      {"reserved", [](dt_options* o) { o->reserved = 1; }},
      {"precision", [](dt_options* o) { o->precision = "int4"; }},
      {"kernel", [](dt_options* o) { o->kernels = "abacus"; }},
  };
  for (const auto& [word, change] : cases) {
    dt_options options = options_at(16000);
    change(&options);
    dt_runtime* runtime = nullptr;
    dt_error error;
    const dt_code code = dt_create(bundle.get(), &options, &runtime, &error);
    EXPECT_EQ(code, DT_INVALID_ARGUMENT) << word;
    expect_sentence(code, error);
    EXPECT_NE(std::string(error.text).find(word), std::string::npos) << error.text;
    EXPECT_EQ(runtime, nullptr);
    EXPECT_EQ(dt_create(bundle.get(), &options, nullptr, nullptr), DT_INVALID_ARGUMENT);
  }
  dt_options options = options_at(16000);
  options.streams = 2;
  options.seeds = seeds;
  options.identities = identities;
  dt_runtime* runtime = nullptr;
  EXPECT_EQ(dt_create(bundle.get(), &options, &runtime, nullptr), DT_INVALID_ARGUMENT);
}

TEST(Hostile, SoundThatCannotBeLeavesTheStateAsItWas) {
  const BundleHandle bundle = open_small();
  const std::vector<float> sound = speech_like(9000, 1);
  for (const std::int32_t rate : {16000, 48000}) {
    const std::vector<float> expected = frames_of(create(bundle, options_at(rate)).get(), sound, 0);
    const RuntimeHandle runtime = create(bundle, options_at(rate));
    std::vector<float> frames;
    step(runtime.get(), sound.data(), 5000, &frames);
    std::vector<float> out(100 * 52);
    dt_error error;
    for (const float bad : {kNan, -std::numeric_limits<float>::infinity(), 16.5F, -32768.0F}) {
      std::vector<float> wrong(sound.begin() + 5000, sound.end());
      wrong[1234] = bad;
      std::size_t written = 7;
      const dt_code code =
          dt_step(runtime.get(), wrong.data(), wrong.size(), out.data(), 100, &written, &error);
      EXPECT_EQ(code, DT_INVALID_ARGUMENT);
      EXPECT_EQ(written, 0U);
      expect_sentence(code, error);
      EXPECT_NE(std::string(error.text).find("sample 1234 is "), std::string::npos) << error.text;
    }
    dt_runtime* r = runtime.get();
    EXPECT_EQ(dt_step(r, nullptr, 5, out.data(), 100, nullptr, &error), DT_INVALID_ARGUMENT);
    EXPECT_EQ(dt_step(r, sound.data(), kHuge, out.data(), 100, nullptr, &error),
              DT_INVALID_ARGUMENT);
    EXPECT_EQ(dt_step(r, sound.data() + 5000, 4000, out.data(), 0, nullptr, &error), DT_TOO_SMALL);
    EXPECT_EQ(dt_step(r, sound.data() + 5000, 4000, nullptr, 100, nullptr, &error),
              DT_INVALID_ARGUMENT);
    EXPECT_EQ(dt_flush(r, out.data(), 0, nullptr, &error), DT_TOO_SMALL);
    EXPECT_EQ(dt_step(r, nullptr, 0, nullptr, 0, nullptr, &error), DT_OK) << error.text;
    step(r, sound.data() + 5000, 4000, &frames);
    flush(r, &frames);
    EXPECT_EQ(frames, expected) << rate;
    EXPECT_EQ(dt_flush(r, out.data(), 100, nullptr, &error), DT_ENDED);
    expect_sentence(DT_ENDED, error);
    EXPECT_EQ(dt_step(r, sound.data(), 10, out.data(), 100, nullptr, &error), DT_ENDED);
  }
}

TEST(Hostile, ArgumentsThatCannotBe) {
  const BundleHandle bundle = open_small();
  dt_options options = options_at(16000);
  options.streams = 2;
  const RuntimeHandle runtime = create(bundle, options);
  dt_runtime* r = runtime.get();
  dt_error error;
  float values[8] = {};
  std::size_t number = 0;
  dt_chunk chunks[2] = {};
  dt_state state;
  dt_state_init(&state);
  for (const std::int32_t stream : {-2, 2, 2147483647}) {
    EXPECT_EQ(dt_reset(r, stream, &error), DT_INVALID_ARGUMENT);
    EXPECT_EQ(dt_flush_stream(r, stream, values, 1, &number, &error), DT_INVALID_ARGUMENT);
    EXPECT_EQ(dt_frames_due(r, stream, 1, &number, &error), DT_INVALID_ARGUMENT);
    EXPECT_EQ(dt_frames_owed(r, stream, &number, &error), DT_INVALID_ARGUMENT);
    EXPECT_EQ(dt_get_state(r, stream, &state, &error), DT_INVALID_ARGUMENT);
    EXPECT_EQ(dt_identity_scores(r, stream, values, 3, &error), DT_INVALID_ARGUMENT);
    expect_sentence(DT_INVALID_ARGUMENT, error);
  }
  EXPECT_EQ(dt_step(r, values, 1, values, 1, &number, &error), DT_INVALID_ARGUMENT);
  EXPECT_NE(std::string(error.text).find("dt_step_streams"), std::string::npos);
  EXPECT_EQ(dt_step_streams(r, nullptr, 2, &error), DT_INVALID_ARGUMENT);
  EXPECT_EQ(dt_step_streams(r, chunks, 1, &error), DT_INVALID_ARGUMENT);
  EXPECT_EQ(dt_step_streams(r, chunks, kHuge, &error), DT_INVALID_ARGUMENT);
  EXPECT_EQ(dt_frames_due(r, 0, kHuge, &number, &error), DT_INVALID_ARGUMENT);
  EXPECT_EQ(dt_frames_due(r, 0, 1, nullptr, &error), DT_INVALID_ARGUMENT);
  EXPECT_EQ(dt_identity_scores(r, 0, values, 2, &error), DT_INVALID_ARGUMENT);
  EXPECT_EQ(dt_identity_scores(r, 0, nullptr, 3, &error), DT_INVALID_ARGUMENT);
  EXPECT_EQ(dt_get_state(r, 0, nullptr, &error), DT_INVALID_ARGUMENT);
  state.struct_size = 0xffffffffU;
  EXPECT_EQ(dt_get_state(r, 0, &state, &error), DT_NEWER_VERSION);
  EXPECT_EQ(dt_set(r, 0, nullptr, &error), DT_INVALID_ARGUMENT);
  const std::string stars = std::string(2000, '*') + "q";
  const std::string sets = "*[*[!a-*]*[]*";
  for (const dt_entry& entry :
       {dt_entry{nullptr, 1.0}, dt_entry{"", 1.0}, dt_entry{"mouth", std::nan("")},
        dt_entry{"mouth", 1e300}, dt_entry{"head", 1.0}, dt_entry{"headYaw", 1.0},
        dt_entry{stars.c_str(), 1.0}, dt_entry{sets.c_str(), -1.0}, dt_entry{"[", 1.0},
        dt_entry{"\xff\xfe\n", 1.0}}) {
    dt_settings settings;
    dt_settings_init(&settings);
    settings.given = DT_SET_GAIN;
    settings.gain = &entry;
    settings.gains = 1;
    EXPECT_EQ(dt_set(r, DT_ALL_STREAMS, &settings, &error), DT_INVALID_ARGUMENT);
    settings.gains = kHuge;
    EXPECT_EQ(dt_set(r, DT_ALL_STREAMS, &settings, &error), DT_INVALID_ARGUMENT);
    settings.gain = nullptr;
    settings.gains = 3;
    EXPECT_EQ(dt_set(r, DT_ALL_STREAMS, &settings, &error), DT_INVALID_ARGUMENT);
    settings.given = 0x80000000U;
    EXPECT_EQ(dt_set(r, DT_ALL_STREAMS, &settings, &error), DT_INVALID_ARGUMENT);
  }
  dt_settings settings;
  dt_settings_init(&settings);
  settings.given = DT_SET_SMOOTH;
  settings.smooth_ms = -1.0;
  EXPECT_EQ(dt_set(r, 0, &settings, nullptr), DT_INVALID_ARGUMENT);
}

TEST(Hostile, BundlesThatAreCutOff) {
  const std::string whole = small_bundle().packed();
  EXPECT_EQ(use(whole), DT_OK);
  Random random(1);
  for (int i = 0; i < 60; ++i) {
    const auto size =
        static_cast<std::size_t>(random.below(static_cast<std::int64_t>(whole.size()) - 1100));
    EXPECT_EQ(use(whole.substr(0, size)), DT_BAD_BUNDLE) << size;
  }
  dt_bundle* bundle = nullptr;
  dt_error error;
  EXPECT_EQ(dt_bundle_open_memory(nullptr, 5, &bundle, &error), DT_INVALID_ARGUMENT);
  EXPECT_EQ(dt_bundle_open_memory("", 0, &bundle, &error), DT_BAD_BUNDLE);
  EXPECT_EQ(dt_bundle_open(nullptr, &bundle, &error), DT_INVALID_ARGUMENT);
  EXPECT_EQ(dt_bundle_open("/nowhere/at/all", &bundle, &error), DT_NOT_FOUND);
  EXPECT_EQ(dt_bundle_open("/", &bundle, &error), DT_NOT_FOUND);
  EXPECT_EQ(dt_bundle_open_memory(whole.data(), whole.size(), nullptr, &error),
            DT_INVALID_ARGUMENT);
}

TEST(Hostile, BundlesWithBitsFlipped) {
  const std::string whole = small_bundle().packed();
  Random random(2);
  for (int i = 0; i < 150; ++i) {
    std::string file = whole;
    // Half of them where the headers and the manifest are.
    const std::int64_t within = i % 2 == 0 ? 6000 : static_cast<std::int64_t>(file.size());
    for (std::int64_t flips = 1 + random.below(3); flips > 0; --flips) {
      file[static_cast<std::size_t>(random.below(within))] ^=
          static_cast<char>(1U << random.below(8));
    }
    use(file);
  }
}

// The digest fits here, so that what reads behind it meets the damage.
TEST(Hostile, WeightsWithBitsFlippedAndTheDigestOfThat) {
  const BundleFile whole = small_bundle();
  Random random(3);
  int refused = 0;
  for (int i = 0; i < 150; ++i) {
    BundleFile file = whole;
    const std::int64_t within = i % 3 == 0   ? 8
                                : i % 3 == 1 ? 5000
                                             : static_cast<std::int64_t>(file.weights.size());
    file.weights[static_cast<std::size_t>(random.below(within))] ^=
        static_cast<char>(1U << random.below(8));
    file.seal();
    refused += use(file.packed()) != DT_OK ? 1 : 0;
  }
  EXPECT_GT(refused, 50);
}

// Every entry of the manifest, each in turn something else.
TEST(Hostile, ManifestsWithForeignValues) {
  const BundleFile whole = small_bundle();
  const dt::Json flat = whole.manifest.flatten();
  std::vector<std::string> places = {
      "/encoder",    "/encoder/context",  "/curves",      "/diffusion",
      "/training",   "/training/sources", "/weights",     "/gate",
      "/identities", "/identities/names", "/postprocess", "",
      "/frame_rate"};
  int number = 0;
  for (const auto& [place, value] : flat.items()) {
    if (place.rfind("/curves/", 0) != 0 || number++ % 17 == 0) {
      places.push_back(place);
    }
  }
  std::string deep(200000, '[');
  const dt::Json values[] = {nullptr,
                             true,
                             -1,
                             0,
                             4096,
                             1e308,
                             -0.5,
                             "x",
                             9223372036854775807LL,
                             dt::Json::array(),
                             dt::Json::object(),
                             dt::Json::array({1, 1}),
                             "auto\n\xc3\xa9"};
  for (std::size_t p = 0; p < places.size(); ++p) {
    for (std::size_t v = p % 3; v < std::size(values); v += 3) {
      BundleFile file = whole;
      file.manifest[dt::Json::json_pointer(places[p])] = values[v];
      SCOPED_TRACE(places[p] + " " + values[v].dump());
      use(file.packed());
    }
  }
  const std::string end(1024, '\0');
  for (const std::string& text :
       {deep, deep + std::string(200000, ']'), std::string("{\"format\": "),
        std::string("\xff\xfe"), std::string("{\"curves\": ") + deep}) {
    EXPECT_EQ(use(BundleFile::entry("manifest.json", text) +
                  BundleFile::entry("weights.safetensors", whole.weights) + end),
              DT_BAD_BUNDLE);
  }
  BundleFile file = whole;
  file.manifest["format_version"] = 4;
  EXPECT_EQ(use(file.packed()), DT_NEWER_VERSION);
}

TEST(Tar, FindsFilesBehindOthersAndRefusesWhatIsNone) {
  std::string_view found;
  std::string fault;
  const std::string end(1024, '\0');
  const std::string archive = BundleFile::entry("model/NOTICE", "words") +
                              BundleFile::entry("model/manifest.json", std::string(600, 'm')) + end;
  ASSERT_TRUE(dt::find_in_tar(archive, "manifest.json", &found, &fault)) << fault;
  EXPECT_EQ(found, std::string(600, 'm'));
  EXPECT_FALSE(dt::find_in_tar(archive, "weights.safetensors", &found, &fault));
  EXPECT_EQ(fault, "weights.safetensors is missing");
  std::string huge = archive;
  std::memcpy(&huge[124], "77777777777", 11);  // and the sum of the header no longer holds
  EXPECT_FALSE(dt::find_in_tar(huge, "manifest.json", &found, &fault));
}

}  // namespace
}  // namespace dt_test
