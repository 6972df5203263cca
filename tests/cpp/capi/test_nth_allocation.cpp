// Allocation n fails while a bundle is read and a voice is made of it, for every n, it alone or all
// behind it too: a refusal or std::bad_alloc inside, at the C border a code and never an exception.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "capi/voices_made.h"
#include "dt/bundle.h"
#include "fail_each.h"

namespace dt_test {
namespace {

void write_file(const std::string& path, const std::string& bytes) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  ASSERT_NE(file, nullptr) << path;
  ASSERT_EQ(std::fwrite(bytes.data(), 1, bytes.size(), file), bytes.size());
  ASSERT_EQ(std::fclose(file), 0);
}

class NthAllocation : public testing::TestWithParam<Failing> {
 protected:
  // Of a call into C. Whoever is out of memory is told that and nothing else.
  std::int64_t fail_each_call(const std::function<dt_code(dt_error*)>& call,
                              dt_code otherwise = DT_OK) {
    return fail_each(
        [&] {
          dt_error error;
          const dt_code code = call(&error);
          strays_ += code != otherwise && code != DT_OUT_OF_MEMORY ? 1 : 0;
          strays_ += error.code != code ? 1 : 0;
          return code == otherwise;
        },
        GetParam());
  }
  void TearDown() override { EXPECT_EQ(strays_, 0) << "codes that say something else"; }

  // As small as one can be: it is read as often as memory is asked for.
  const BundleFile file_ = bundle_of(RandomModel(4, 4, {1}, 2).with_context({4, 1, 1, 4, 2}));
  const std::string packed_ = file_.packed();

 private:
  int strays_ = 0;
};

TEST_P(NthAllocation, OfTheReader) {
  EXPECT_GT(fail_each(
                [&] {
                  dt::MaybeRefusal refusal;
                  const auto bundle =
                      dt::Bundle::open_memory(packed_.data(), packed_.size(), &refusal);
                  return bundle != nullptr;
                },
                GetParam()),
            300);
}

TEST_P(NthAllocation, OfReadingAFolder) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / (GetParam() == Failing::kOne ? "nth" : "nth_all");
  std::filesystem::create_directories(folder);
  write_file((folder / "manifest.json").string(), file_.manifest.dump().substr(0, 500));
  write_file((folder / "weights.safetensors").string(), file_.weights);
  const std::string path = folder.string();
  const auto open = [&path](dt_error* error) {
    dt_bundle* bundle = nullptr;
    const dt_code code = dt_bundle_open(path.c_str(), &bundle, error);
    dt_bundle_close(&bundle);
    return code;
  };
  EXPECT_GT(fail_each_call(open, DT_BAD_BUNDLE), 10);  // both files are read before that
  std::filesystem::remove_all(folder);
  EXPECT_GT(fail_each_call(open, DT_NOT_FOUND), 0);
}

TEST_P(NthAllocation, OfRefusingABundle) {
  BundleFile newer = file_, damaged = file_, foreign = file_, deep = file_;
  newer.manifest["format_version"] = 4;
  damaged.weights.back() ^= 1;
  foreign.manifest["gate"] = {{"hold_ms", {1, {2, {{"three", dt::Json::array()}}}}}};
  const std::string cut = packed_.substr(0, 1500);
  const std::string open = BundleFile::entry("manifest.json", std::string(100, '[')) +
                           BundleFile::entry("weights.safetensors", "") + std::string(1024, '\0');
  for (const auto& [bytes, expected] :
       {std::pair<std::string, dt_code>{newer.packed(), DT_NEWER_VERSION},
        {damaged.packed(), DT_BAD_BUNDLE},
        {foreign.packed(), DT_BAD_BUNDLE},
        {cut, DT_BAD_BUNDLE},
        {open, DT_BAD_BUNDLE}}) {
    EXPECT_GT(fail_each_call(
                  [&, &given = bytes](dt_error* error) {
                    dt_bundle* bundle = nullptr;
                    return dt_bundle_open_memory(given.data(), given.size(), &bundle, error);
                  },
                  expected),
              0);
  }
}

TEST_P(NthAllocation, OfTheCInterface) {
  const BundleHandle bundle = open_small();
  dt_options options = options_at(48000, 3);
  options.streams = 2;
  EXPECT_GT(fail_each_call([&](dt_error* error) {
              dt_runtime* runtime = nullptr;
              const dt_code code = dt_create(bundle.get(), &options, &runtime, error);
              dt_destroy(&runtime);
              return code;
            }),
            100);
  const RuntimeHandle first = create(bundle, options_at(16000));
  EXPECT_GT(fail_each_call([&](dt_error* error) {
              dt_runtime* another = nullptr;
              const dt_code code = dt_another(first.get(), &options, &another, error);
              dt_destroy(&another);
              return code;
            }),
            30);
  options.identity = "nobody";
  EXPECT_GT(fail_each_call(
                [&](dt_error* error) {
                  dt_runtime* runtime = nullptr;
                  return dt_create(bundle.get(), &options, &runtime, error);
                },
                DT_INVALID_ARGUMENT),
            0);
  EXPECT_GT(
      fail_each_call([](dt_error* error) { return dt_reset(nullptr, 0, error); }, DT_BAD_HANDLE),
      0);
}

// What fails for want of memory changes nothing, of no stream.
TEST_P(NthAllocation, OfSettings) {
  const BundleHandle bundle = open_small();
  const std::vector<float> sound = speech_like(4000, 1);
  const dt_entry gain{"jawOpen", 0.5};
  dt_settings settings;
  dt_settings_init(&settings);
  settings.given = DT_SET_GAIN | DT_SET_SMOOTH;
  settings.gain = &gain;
  settings.gains = 1;
  settings.smooth_ms = 50.0;
  const std::vector<float> expected = frames_of(create(bundle, options_at(16000)).get(), sound, 0);
  for (std::int64_t n = 0;; ++n) {
    const RuntimeHandle runtime = create(bundle, options_at(16000));
    dt_code code = DT_OK;
    bool failed = false;
    {
      const FailingAllocation allocation(n, GetParam());
      code = dt_set(runtime.get(), DT_ALL_STREAMS, &settings, nullptr);
      failed = allocation.failed();
    }
    // What can do without memory, as a sort can, may go well all the same.
    ASSERT_TRUE(code == DT_OK || (failed && code == DT_OUT_OF_MEMORY)) << n;
    const std::vector<float> frames = frames_of(runtime.get(), sound, 700);
    ASSERT_EQ(frames == expected, code != DT_OK) << n;
    if (!failed) {
      EXPECT_GT(n, 5);
      return;
    }
  }
}

TEST_P(NthAllocation, OfAVoiceThatRuns) {
  const BundleHandle bundle = open_small();
  const std::vector<float> sound = speech_like(4000, 1);
  const RuntimeHandle expected = create(bundle, options_at(48000)),
                      runtime = create(bundle, options_at(48000));
  std::vector<float> out(200 * width_of(runtime.get())), again(out);
  std::size_t frames = 0, frames_again = 0;
  dt_step(expected.get(), sound.data(), sound.size(), out.data(), 200, nullptr, nullptr);
  ASSERT_EQ(dt_flush(expected.get(), out.data(), 200, &frames, nullptr), DT_OK);
  fail_each_call([&](dt_error* error) {
    dt_runtime* r = runtime.get();
    const dt_code code = dt_reset(r, 0, error);
    return code != DT_OK
               ? code
               : dt_step(r, sound.data(), sound.size(), again.data(), 200, nullptr, error);
  });
  {
    const FailingAllocation allocation(0, GetParam());
    const dt_code code = dt_flush(runtime.get(), again.data(), 200, &frames_again, nullptr);
    EXPECT_EQ(code, allocation.failed() ? DT_OUT_OF_MEMORY : DT_OK);
  }
  // Whoever has been told may try again.
  dt_flush(runtime.get(), again.data(), 200, &frames_again, nullptr);
  EXPECT_EQ(frames_again, frames);
  EXPECT_EQ(again, out);
}

INSTANTIATE_TEST_SUITE_P(, NthAllocation, testing::Values(Failing::kOne, Failing::kAllFromThere),
                         [](const auto& given) {
                           return given.param == Failing::kOne ? "One" : "AllFromThere";
                         });

}  // namespace
}  // namespace dt_test
