// The C library for a page: what JavaScript calls, with numbers and addresses alone.
//
// A function that can fail returns a dt_code, or one of them negated where it returns a count;
// dtw_error() has the sentence.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "dt.h"

#define EXPORT(name) __attribute__((export_name(#name)))

namespace {

// A module is one instance in one thread of one page: what it hands out lies here until the next
// call.
dt_error error;
std::vector<float> frames;
std::vector<dt_entry> gains, offsets;

float* room_for(const dt_runtime* runtime, std::size_t count) {
  dt_runtime_info info;
  dt_runtime_info_init(&info);
  if (dt_runtime_get_info(runtime, &info, nullptr) == DT_OK) {
    const std::size_t needed = count * static_cast<std::size_t>(info.width);
    frames.resize(needed > frames.size() ? needed : frames.size());
  }
  return frames.data();
}

}  // namespace

extern "C" {

EXPORT(dtw_allocate) void* dtw_allocate(std::size_t bytes) { return std::malloc(bytes); }
EXPORT(dtw_free) void dtw_free(void* at) { std::free(at); }
EXPORT(dtw_error) const char* dtw_error() { return error.text; }
EXPORT(dtw_version) const char* dtw_version() { return dt_version(); }
EXPORT(dtw_frames) const float* dtw_frames() { return frames.data(); }

// The bundle packed in `count` bytes; null where it is refused. The bytes may be freed.
EXPORT(dtw_open) dt_bundle* dtw_open(const void* bytes, std::size_t count) {
  dt_bundle* bundle = nullptr;
  dt_bundle_open_memory(bytes, count, &bundle, &error);
  return bundle;
}
EXPORT(dtw_close) void dtw_close(dt_bundle* bundle) { dt_bundle_close(&bundle); }
EXPORT(dtw_identity_name) const char* dtw_identity_name(const dt_bundle* bundle, std::int32_t i) {
  return dt_identity_name(bundle, i);
}
EXPORT(dtw_manifest) const char* dtw_manifest(const dt_bundle* bundle) {
  return dt_bundle_manifest(bundle);
}

// A voice; with `sibling`, one that shares its weights. Null where it is refused.
EXPORT(dtw_create)
dt_runtime* dtw_create(const dt_bundle* bundle, const dt_runtime* sibling,
                       std::int32_t sample_rate_hz, std::uint64_t seed, const char* identity,
                       double idle, std::int32_t head) {
  dt_options options;
  dt_options_init(&options);
  options.sample_rate_hz = sample_rate_hz;
  options.seed = seed;
  options.identity = identity;
  options.idle = idle;
  options.head = head;
  dt_runtime* runtime = nullptr;
  if (sibling != nullptr) {
    dt_another(sibling, &options, &runtime, &error);
  } else {
    dt_create(bundle, &options, &runtime, &error);
  }
  return runtime;
}
EXPORT(dtw_destroy) void dtw_destroy(dt_runtime* runtime) { dt_destroy(&runtime); }
EXPORT(dtw_value_name) const char* dtw_value_name(const dt_runtime* runtime, std::int32_t value) {
  return dt_value_name(runtime, value);
}

// A whole number of dt_runtime_info or dt_state by its place in `what`; -1 where there is none.
EXPORT(dtw_info) double dtw_info(const dt_runtime* runtime, std::int32_t what) {
  dt_runtime_info info;
  dt_runtime_info_init(&info);
  dt_state state;
  dt_state_init(&state);
  if (dt_runtime_get_info(runtime, &info, &error) != DT_OK ||
      dt_get_state(runtime, 0, &state, &error) != DT_OK) {
    return -1.0;
  }
  const double values[] = {static_cast<double>(info.width),
                           static_cast<double>(info.frame_rate_num),
                           static_cast<double>(info.frame_rate_den),
                           info.lookahead_ms,
                           static_cast<double>(state.identity),
                           static_cast<double>(state.samples),
                           static_cast<double>(state.frames),
                           static_cast<double>(state.level_db),
                           state.compute_seconds};
  constexpr std::int32_t kCount = sizeof values / sizeof *values;
  return what >= 0 && what < kCount ? values[what] : -1.0;
}
EXPORT(dtw_kernels) const char* dtw_kernels(const dt_runtime* runtime) {
  dt_runtime_info info;
  dt_runtime_info_init(&info);
  return dt_runtime_get_info(runtime, &info, &error) == DT_OK ? info.kernels : "";
}

// Frames that came, at dtw_frames(); below 0: a code.
EXPORT(dtw_step)
std::int32_t dtw_step(dt_runtime* runtime, const float* samples, std::size_t count) {
  std::size_t due = 0, written = 0;
  dt_code code = dt_frames_due(runtime, 0, count, &due, &error);
  if (code == DT_OK) {
    code = dt_step(runtime, samples, count, room_for(runtime, due), due, &written, &error);
  }
  return code == DT_OK ? static_cast<std::int32_t>(written) : -code;
}
EXPORT(dtw_flush) std::int32_t dtw_flush(dt_runtime* runtime) {
  std::size_t owed = 0, written = 0;
  dt_code code = dt_frames_owed(runtime, 0, &owed, &error);
  if (code == DT_OK) {
    code = dt_flush(runtime, room_for(runtime, owed), owed, &written, &error);
  }
  return code == DT_OK ? static_cast<std::int32_t>(written) : -code;
}
EXPORT(dtw_reset) dt_code dtw_reset(dt_runtime* runtime) { return dt_reset(runtime, 0, &error); }

// Entries are gathered, then set; their names must stay where they are until then.
EXPORT(dtw_gain) void dtw_gain(const char* name, double value) { gains.push_back({name, value}); }
EXPORT(dtw_offset) void dtw_offset(const char* name, double value) {
  offsets.push_back({name, value});
}
EXPORT(dtw_set)
dt_code dtw_set(dt_runtime* runtime, std::uint32_t given, double strength_lower,
                double strength_upper, double smooth_ms) {
  dt_settings settings;
  dt_settings_init(&settings);
  settings.given = given;
  settings.gain = gains.data();
  settings.gains = gains.size();
  settings.offset = offsets.data();
  settings.offsets = offsets.size();
  settings.strength_lower = strength_lower;
  settings.strength_upper = strength_upper;
  settings.smooth_ms = smooth_ms;
  const dt_code code = dt_set(runtime, 0, &settings, &error);
  gains.clear();
  offsets.clear();
  return code;
}

}  // extern "C"
