// Handles and sound for the tests of the C interface.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "capi/bundle_file.h"
#include "dt.h"

namespace dt_test {

struct CloseHandle {
  void operator()(dt_bundle* bundle) const { dt_bundle_close(&bundle); }
  void operator()(dt_runtime* runtime) const { dt_destroy(&runtime); }
};
using BundleHandle = std::unique_ptr<dt_bundle, CloseHandle>;
using RuntimeHandle = std::unique_ptr<dt_runtime, CloseHandle>;

inline BundleHandle open_small() {
  const std::string file = small_bundle().packed();
  dt_bundle* bundle = nullptr;
  dt_error error;
  EXPECT_EQ(dt_bundle_open_memory(file.data(), file.size(), &bundle, &error), DT_OK) << error.text;
  return BundleHandle(bundle);
}

inline dt_options options_at(std::int32_t rate_hz, std::uint64_t seed = 0) {
  dt_options options;
  dt_options_init(&options);
  options.sample_rate_hz = rate_hz;
  options.seed = seed;
  return options;
}

inline RuntimeHandle create(const BundleHandle& bundle, const dt_options& options) {
  dt_runtime* runtime = nullptr;
  dt_error error;
  EXPECT_EQ(dt_create(bundle.get(), &options, &runtime, &error), DT_OK) << error.text;
  return RuntimeHandle(runtime);
}

inline std::size_t width_of(const dt_runtime* runtime) {
  dt_runtime_info info;
  dt_runtime_info_init(&info);
  EXPECT_EQ(dt_runtime_get_info(runtime, &info, nullptr), DT_OK);
  return static_cast<std::size_t>(info.width);
}

// Appends a step's frames.
inline void step(dt_runtime* runtime, const float* samples, std::size_t count,
                 std::vector<float>* frames) {
  const std::size_t width = width_of(runtime);
  std::size_t due = 0, written = 99;
  dt_error error;
  ASSERT_EQ(dt_frames_due(runtime, 0, count, &due, &error), DT_OK) << error.text;
  std::vector<float> out(due * width + 1, -99.0F);
  ASSERT_EQ(dt_step(runtime, samples, count, out.data(), due, &written, &error), DT_OK)
      << error.text;
  ASSERT_EQ(written, due);
  ASSERT_EQ(out.back(), -99.0F) << "written beyond the frames that are due";
  frames->insert(frames->end(), out.begin(), out.end() - 1);
}

inline void flush(dt_runtime* runtime, std::vector<float>* frames) {
  const std::size_t width = width_of(runtime);
  std::size_t owed = 0, written = 99;
  ASSERT_EQ(dt_frames_owed(runtime, 0, &owed, nullptr), DT_OK);
  std::vector<float> out(owed * width + 1, -99.0F);
  ASSERT_EQ(dt_flush(runtime, out.data(), owed, &written, nullptr), DT_OK);
  ASSERT_EQ(written, owed);
  ASSERT_EQ(out.back(), -99.0F) << "written beyond the frames that are owed";
  frames->insert(frames->end(), out.begin(), out.end() - 1);
}

// All of a sound's frames, in steps of up to `longest` samples.
inline std::vector<float> frames_of(dt_runtime* runtime, const std::vector<float>& sound,
                                    std::int64_t longest, std::uint32_t seed = 1) {
  Random random(seed);
  std::vector<float> frames;
  for (std::size_t at = 0; at < sound.size();) {
    const auto wanted = static_cast<std::size_t>(longest > 0 ? random.below(longest + 1) : 1 << 30);
    const std::size_t count = std::min(wanted, sound.size() - at);
    step(runtime, sound.data() + at, count, &frames);
    at += count;
  }
  flush(runtime, &frames);
  return frames;
}

}  // namespace dt_test
