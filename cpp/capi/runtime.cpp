#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "border.h"

namespace {

using dt_c::done;
using dt_c::fail;
using dt_c::in_turn;
using dt_c::is_good;

// As much sound as a call may bring: what is more is a mistake.
constexpr std::size_t kMostSamples = std::size_t{1} << 31U;

dt_options defaults() {
  dt_options options;
  dt_options_init(&options);
  return options;
}

bool read_identity(const char* name, const dt::Bundle& bundle, std::int64_t* row,
                   dt::MaybeRefusal* refusal) {
  *row = dt::kAutoIdentity;
  if (name == nullptr || std::string(name) == DT_AUTO_IDENTITY) {
    return true;
  }
  const auto& known = bundle.identities();
  const auto found = std::find(known.begin(), known.end(), name);
  if (found != known.end()) {
    *row = found - known.begin();
    return true;
  }
  std::string names;
  for (const std::string& one : known) {
    names += (names.empty() ? "" : ", ") + one;
  }
  *refusal = dt::Refusal{dt::Refusal::Kind::kArgument, "identity: got '" +
                                                           std::string(name).substr(0, 64) +
                                                           "'; expected 'auto' or one of " + names};
  return false;
}

// What the core takes; false and a refusal for what cannot be.
bool streams_options(const dt_options& given, const dt::Bundle& bundle, dt::StreamsOptions* out,
                     dt::MaybeRefusal* refusal) {
  if (given.streams < 1 || given.streams > dt::Streams::kMostStreams) {
    *refusal = dt::Refusal{dt::Refusal::Kind::kArgument,
                           "streams: expected 1 to " + std::to_string(dt::Streams::kMostStreams) +
                               ", got " + std::to_string(given.streams)};
    return false;
  }
  if (given.head != 0 && given.head != 1) {
    *refusal = dt::Refusal{dt::Refusal::Kind::kArgument,
                           "head: expected 0 or 1, got " + std::to_string(given.head)};
    return false;
  }
  if (given.reserved != 0) {
    *refusal = dt::Refusal{dt::Refusal::Kind::kArgument,
                           "options.reserved: expected 0, got " + std::to_string(given.reserved)};
    return false;
  }
  out->sample_rate_hz = given.sample_rate_hz;
  out->motion = {given.idle, given.head == 1};
  out->threads = given.threads;
  for (std::int32_t v = 0; v < given.streams; ++v) {
    dt::VoiceOptions voice;
    voice.seed = given.seeds == nullptr ? given.seed : given.seeds[v];
    const char* name = given.identities == nullptr ? given.identity : given.identities[v];
    if (!read_identity(name, bundle, &voice.identity, refusal)) {
      return false;
    }
    out->voices.push_back(voice);
  }
  return true;
}

// Of a model that is there already, or of one that `make_model` makes.
template <typename MakeModel>
dt_code make_runtime(const std::shared_ptr<const dt::Bundle>& bundle, const dt_options* options,
                     MakeModel&& make_model, dt_runtime** runtime, dt_error* error) {
  if (runtime == nullptr) {
    return fail(error, DT_INVALID_ARGUMENT, "runtime: expected a place for the handle, got NULL");
  }
  *runtime = nullptr;
  dt_options own = defaults();
  if (options != nullptr) {
    const dt_code code = dt_c::read_struct("options", options, &own, error);
    if (code != DT_OK) {
      return code;
    }
  }
  dt::MaybeRefusal refusal;
  dt::StreamsOptions chosen;
  if (!streams_options(own, *bundle, &chosen, &refusal)) {
    return fail(error, *refusal);
  }
  const std::shared_ptr<const dt::Model> model = make_model(own, &refusal);
  if (model != nullptr) {
    refusal = dt::Streams::check(*model, chosen);
  }
  if (refusal) {
    return fail(error, *refusal);
  }
  auto made = std::make_unique<dt_runtime>();
  made->bundle = bundle;
  made->streams = std::make_unique<dt::Streams>(model, chosen);
  made->chunks.resize(chosen.voices.size());
  *runtime = made.release();
  return done(error);
}

dt_code check_stream(const dt_runtime* runtime, std::int32_t stream, dt_error* error) {
  const std::int64_t streams = runtime->streams->size();
  if (stream >= 0 && stream < streams) {
    return DT_OK;
  }
  return fail(
      error, DT_INVALID_ARGUMENT,
      "stream: expected 0 to " + std::to_string(streams - 1) + ", got " + std::to_string(stream));
}

dt_code check_alone(const char* call, const dt_runtime* runtime, const char* other,
                    dt_error* error) {
  if (runtime->streams->size() == 1) {
    return DT_OK;
  }
  return fail(error, DT_INVALID_ARGUMENT,
              std::string(call) + ": the runtime has " + std::to_string(runtime->streams->size()) +
                  " streams; call " + other);
}

dt_code check_room(const std::string& name, std::int64_t frames, const float* place,
                   std::size_t capacity, dt_error* error) {
  if (static_cast<std::size_t>(frames) > capacity) {
    return fail(error, DT_TOO_SMALL,
                name + "capacity_frames: expected at least " + std::to_string(frames) + ", got " +
                    std::to_string(capacity));
  }
  if (frames > 0 && place == nullptr) {
    return fail(error, DT_INVALID_ARGUMENT,
                name + "frames: expected room for " + std::to_string(frames) + " frames, got NULL");
  }
  return DT_OK;
}

std::string prefix(const dt_runtime* runtime, std::size_t stream) {
  return runtime->streams->size() == 1 ? "" : "stream " + std::to_string(stream) + ": ";
}

// What dt_step and dt_step_streams have in common.
dt_code step(dt_runtime* runtime, dt_chunk* chunks, dt::Voices::Chunk* plain, dt_error* error) {
  dt::Streams& streams = *runtime->streams;
  const auto count = static_cast<std::size_t>(streams.size());
  for (std::size_t v = 0; v < count; ++v) {
    const dt_chunk& chunk = chunks[v];
    if (chunk.count > kMostSamples) {
      return fail(error, DT_INVALID_ARGUMENT,
                  prefix(runtime, v) + "count: expected at most " + std::to_string(kMostSamples) +
                      " samples, got " + std::to_string(chunk.count));
    }
    if (chunk.count > 0 && chunk.samples == nullptr) {
      return fail(
          error, DT_INVALID_ARGUMENT,
          prefix(runtime, v) + "samples: expected " + std::to_string(chunk.count) + ", got NULL");
    }
    const auto samples = static_cast<std::int64_t>(chunk.count);
    const std::int64_t due = streams.frames_due(static_cast<std::int64_t>(v), samples);
    const dt_code code =
        check_room(prefix(runtime, v), due, chunk.frames, chunk.capacity_frames, error);
    if (code != DT_OK) {
      return code;
    }
    plain[v] = {chunk.samples, samples, chunk.frames};
    chunks[v].written = static_cast<std::size_t>(due);
  }
  if (const dt::MaybeRefusal refusal = streams.step(plain)) {
    for (std::size_t v = 0; v < count; ++v) {
      chunks[v].written = 0;
    }
    return fail(error, *refusal);
  }
  return done(error);
}

dt_code flush(dt_runtime* runtime, std::int32_t stream, float* frames, std::size_t capacity,
              std::size_t* written, dt_error* error) {
  dt::Streams& streams = *runtime->streams;
  const std::int64_t owed = streams.frames_owed(stream);
  const dt_code code =
      check_room(prefix(runtime, static_cast<std::size_t>(stream)), owed, frames, capacity, error);
  if (code != DT_OK) {
    return code;
  }
  if (const dt::MaybeRefusal refusal = streams.flush(stream, frames)) {
    return fail(error, *refusal);
  }
  if (written != nullptr) {
    *written = static_cast<std::size_t>(owed);
  }
  return done(error);
}

bool read_entries(const char* what, const dt_entry* entries, std::size_t count,
                  std::vector<dt::KnobEntry>* out, dt::MaybeRefusal* refusal) {
  // There are no more useful entries than that, and no more are read where the count is a mistake.
  constexpr std::size_t kMostEntries = 4096;
  std::string wrong;
  if (count > kMostEntries) {
    wrong = ": expected at most " + std::to_string(kMostEntries) + " entries, got " +
            std::to_string(count);
  } else if (count > 0 && entries == nullptr) {
    wrong = ": expected " + std::to_string(count) + " entries, got NULL";
  }
  out->clear();
  for (std::size_t i = 0; wrong.empty() && i < count; ++i) {
    if (entries[i].name == nullptr) {
      wrong = "[" + std::to_string(i) + "].name: expected a group, curve or pattern, got NULL";
    } else {
      out->push_back({entries[i].name, entries[i].value});
    }
  }
  if (!wrong.empty()) {
    *refusal = dt::Refusal{dt::Refusal::Kind::kArgument, what + wrong};
  }
  return wrong.empty();
}

// `knobs`, of a stream, with what the caller gives in their place.
bool read_settings(const dt_settings& given, dt::KnobSettings* knobs, dt::MaybeRefusal* refusal) {
  constexpr std::uint32_t kAll =
      DT_SET_GAIN | DT_SET_OFFSET | DT_SET_STRENGTH_LOWER | DT_SET_STRENGTH_UPPER | DT_SET_SMOOTH;
  if ((given.given & ~kAll) != 0) {
    *refusal = dt::Refusal{
        dt::Refusal::Kind::kArgument,
        "settings.given: expected DT_SET_... flags, got " + std::to_string(given.given)};
    return false;
  }
  if ((given.given & DT_SET_GAIN) != 0 &&
      !read_entries("gain", given.gain, given.gains, &knobs->gain, refusal)) {
    return false;
  }
  if ((given.given & DT_SET_OFFSET) != 0 &&
      !read_entries("offset", given.offset, given.offsets, &knobs->offset, refusal)) {
    return false;
  }
  if ((given.given & DT_SET_STRENGTH_LOWER) != 0) {
    knobs->strength_lower = given.strength_lower;
  }
  if ((given.given & DT_SET_STRENGTH_UPPER) != 0) {
    knobs->strength_upper = given.strength_upper;
  }
  if ((given.given & DT_SET_SMOOTH) != 0) {
    knobs->smooth_ms = given.smooth_ms;
  }
  return true;
}

template <typename Count>
dt_code write_count(std::size_t* frames, dt_error* error, Count&& count) {
  if (frames == nullptr) {
    return fail(error, DT_INVALID_ARGUMENT, "frames: expected a place for the number, got NULL");
  }
  *frames = static_cast<std::size_t>(count());
  return done(error);
}

}  // namespace

extern "C" {

void dt_options_init(dt_options* options) {
  if (options != nullptr) {
    *options = dt_options{};
    options->struct_size = sizeof *options;
    options->sample_rate_hz = 16000;
    options->idle = 1.0;
    options->streams = 1;
    options->threads = 1;
  }
}

dt_code dt_create(const dt_bundle* bundle, const dt_options* options, dt_runtime** runtime,
                  dt_error* error) {
  if (runtime != nullptr) {
    *runtime = nullptr;
  }
  if (!is_good(bundle)) {
    return dt_c::bad_handle(error, "bundle", bundle == nullptr);
  }
  return dt_c::guarded(error, [&] {
    return make_runtime(
        bundle->bundle, options,
        [&](const dt_options& own, dt::MaybeRefusal* refusal) {
          return bundle->bundle->model(own.kernels == nullptr ? "" : own.kernels,
                                       own.precision == nullptr ? "int8" : own.precision, refusal);
        },
        runtime, error);
  });
}

dt_code dt_another(const dt_runtime* runtime, const dt_options* options, dt_runtime** another,
                   dt_error* error) {
  if (another != nullptr) {
    *another = nullptr;
  }
  // Of `runtime` only what never changes is read, so that it need not be this thread's turn.
  if (!is_good(runtime)) {
    return dt_c::bad_handle(error, "runtime", runtime == nullptr);
  }
  return dt_c::guarded(error, [&] {
    return make_runtime(
        runtime->bundle, options,
        [&](const dt_options&, dt::MaybeRefusal*) { return runtime->streams->shared_model(); },
        another, error);
  });
}

void dt_destroy(dt_runtime** runtime) {
  if (runtime == nullptr || !is_good(*runtime)) {
    return;
  }
  (*runtime)->magic = 0;
  delete *runtime;
  *runtime = nullptr;
}

void dt_runtime_info_init(dt_runtime_info* info) {
  if (info != nullptr) {
    *info = dt_runtime_info{};
    info->struct_size = sizeof *info;
  }
}

dt_code dt_runtime_get_info(const dt_runtime* runtime, dt_runtime_info* info, dt_error* error) {
  return in_turn(runtime, error, [&]() -> dt_code {
    const dt::Streams& streams = *runtime->streams;
    const dt::ModelConfig& config = streams.model().config();
    dt_runtime_info own{};
    own.sample_rate_hz = static_cast<std::int32_t>(streams.sample_rate_hz());
    own.width = static_cast<std::int32_t>(streams.width());
    own.streams = static_cast<std::int32_t>(streams.size());
    own.frame_rate_num = static_cast<std::int32_t>(config.frame_rate_num);
    own.frame_rate_den = static_cast<std::int32_t>(config.frame_rate_den);
    own.lookahead_samples = static_cast<std::int32_t>(streams.lookahead_samples());
    own.threads = static_cast<std::int32_t>(streams.threads());
    own.lookahead_ms = 1000.0 * static_cast<double>(streams.lookahead_samples()) /
                       static_cast<double>(streams.sample_rate_hz());
    own.kernels = streams.model().kernel();
    own.precision = streams.model().precision().c_str();
    const dt_code code = dt_c::write_struct("info", own, info, error);
    return code == DT_OK ? done(error) : code;
  });
}

const char* dt_value_name(const dt_runtime* runtime, int32_t value) {
  if (!is_good(runtime) || value < 0 || value >= runtime->streams->width()) {
    return nullptr;
  }
  return runtime->streams->values().names[static_cast<std::size_t>(value)].c_str();
}

int32_t dt_streams(const dt_runtime* runtime) {
  return is_good(runtime) ? static_cast<std::int32_t>(runtime->streams->size()) : 0;
}

dt_code dt_frames_due(const dt_runtime* runtime, int32_t stream, size_t more_samples,
                      size_t* frames, dt_error* error) {
  return in_turn(runtime, error, [&]() -> dt_code {
    if (more_samples > kMostSamples) {
      return fail(error, DT_INVALID_ARGUMENT,
                  "more_samples: expected at most " + std::to_string(kMostSamples) + ", got " +
                      std::to_string(more_samples));
    }
    const dt_code code = check_stream(runtime, stream, error);
    return code != DT_OK ? code : write_count(frames, error, [&] {
      return runtime->streams->frames_due(stream, static_cast<std::int64_t>(more_samples));
    });
  });
}

dt_code dt_frames_owed(const dt_runtime* runtime, int32_t stream, size_t* frames, dt_error* error) {
  return in_turn(runtime, error, [&]() -> dt_code {
    const dt_code code = check_stream(runtime, stream, error);
    return code != DT_OK
               ? code
               : write_count(frames, error, [&] { return runtime->streams->frames_owed(stream); });
  });
}

dt_code dt_step(dt_runtime* runtime, const float* samples, size_t count, float* frames,
                size_t capacity_frames, size_t* written, dt_error* error) {
  if (written != nullptr) {
    *written = 0;
  }
  return in_turn(runtime, error, [&]() -> dt_code {
    dt_code code = check_alone("dt_step", runtime, "dt_step_streams", error);
    if (code != DT_OK) {
      return code;
    }
    dt_chunk chunk = {samples, count, frames, capacity_frames, 0};
    dt::Voices::Chunk plain;
    code = step(runtime, &chunk, &plain, error);
    if (written != nullptr) {
      *written = code == DT_OK ? chunk.written : 0;
    }
    return code;
  });
}

dt_code dt_flush(dt_runtime* runtime, float* frames, size_t capacity_frames, size_t* written,
                 dt_error* error) {
  if (written != nullptr) {
    *written = 0;
  }
  return in_turn(runtime, error, [&]() -> dt_code {
    const dt_code code = check_alone("dt_flush", runtime, "dt_flush_stream", error);
    return code != DT_OK ? code : flush(runtime, 0, frames, capacity_frames, written, error);
  });
}

dt_code dt_step_streams(dt_runtime* runtime, dt_chunk* chunks, size_t count, dt_error* error) {
  return in_turn(runtime, error, [&]() -> dt_code {
    if (chunks == nullptr || count != static_cast<std::size_t>(runtime->streams->size())) {
      return fail(error, DT_INVALID_ARGUMENT,
                  "chunks: expected " + std::to_string(runtime->streams->size()) +
                      ", one a stream, got " +
                      (chunks == nullptr ? "NULL" : std::to_string(count)));
    }
    return step(runtime, chunks, runtime->chunks.data(), error);
  });
}

dt_code dt_flush_stream(dt_runtime* runtime, int32_t stream, float* frames, size_t capacity_frames,
                        size_t* written, dt_error* error) {
  if (written != nullptr) {
    *written = 0;
  }
  return in_turn(runtime, error, [&]() -> dt_code {
    const dt_code code = check_stream(runtime, stream, error);
    return code != DT_OK ? code : flush(runtime, stream, frames, capacity_frames, written, error);
  });
}

dt_code dt_reset(dt_runtime* runtime, int32_t stream, dt_error* error) {
  return in_turn(runtime, error, [&]() -> dt_code {
    if (stream == DT_ALL_STREAMS) {
      runtime->streams->reset();
      return done(error);
    }
    const dt_code code = check_stream(runtime, stream, error);
    if (code != DT_OK) {
      return code;
    }
    runtime->streams->reset(stream);
    return done(error);
  });
}

void dt_settings_init(dt_settings* settings) {
  if (settings != nullptr) {
    *settings = dt_settings{};
    settings->struct_size = sizeof *settings;
    settings->strength_lower = settings->strength_upper = 1.0;
  }
}

dt_code dt_set(dt_runtime* runtime, int32_t stream, const dt_settings* settings, dt_error* error) {
  return in_turn(runtime, error, [&]() -> dt_code {
    dt_settings own;
    dt_settings_init(&own);
    dt_code code = dt_c::read_struct("settings", settings, &own, error);
    if (code == DT_OK && stream != DT_ALL_STREAMS) {
      code = check_stream(runtime, stream, error);
    }
    if (code != DT_OK) {
      return code;
    }
    dt::Streams& streams = *runtime->streams;
    const std::int64_t first = stream == DT_ALL_STREAMS ? 0 : stream;
    const std::int64_t end = stream == DT_ALL_STREAMS ? streams.size() : first + 1;
    std::vector<dt::KnobSettings> knobs;
    for (std::int64_t v = first; v < end; ++v) {
      knobs.push_back(streams.settings(v));
      dt::MaybeRefusal refusal;
      if (!read_settings(own, &knobs.back(), &refusal)) {
        return fail(error, *refusal);
      }
    }
    const dt::MaybeRefusal refusal = streams.set(first, std::move(knobs));
    return refusal ? fail(error, *refusal) : done(error);
  });
}

void dt_state_init(dt_state* state) {
  if (state != nullptr) {
    *state = dt_state{};
    state->struct_size = sizeof *state;
  }
}

dt_code dt_get_state(const dt_runtime* runtime, int32_t stream, dt_state* state, dt_error* error) {
  return in_turn(runtime, error, [&]() -> dt_code {
    dt_code code = check_stream(runtime, stream, error);
    if (code != DT_OK) {
      return code;
    }
    const dt::Streams& streams = *runtime->streams;
    dt_state own{};
    own.identity = static_cast<std::int32_t>(streams.voices().identity(stream));
    own.samples = static_cast<std::uint64_t>(streams.samples(stream));
    own.frames = static_cast<std::uint64_t>(streams.frames(stream));
    own.level_db = streams.voices().level_db(stream);
    own.ended = streams.flushed(stream) ? 1 : 0;
    own.compute_seconds = streams.voices().compute_seconds();
    code = dt_c::write_struct("state", own, state, error);
    return code == DT_OK ? done(error) : code;
  });
}

dt_code dt_identity_scores(const dt_runtime* runtime, int32_t stream, float* scores, size_t count,
                           dt_error* error) {
  return in_turn(runtime, error, [&]() -> dt_code {
    const dt_code code = check_stream(runtime, stream, error);
    if (code != DT_OK) {
      return code;
    }
    const std::vector<float>& all = runtime->streams->voices().identity_scores(stream);
    if (scores == nullptr || count != all.size()) {
      return fail(error, DT_INVALID_ARGUMENT,
                  "scores: expected room for " + std::to_string(all.size()) + ", got " +
                      (scores == nullptr ? "NULL" : std::to_string(count)));
    }
    std::copy(all.begin(), all.end(), scores);
    return done(error);
  });
}

}  // extern "C"
