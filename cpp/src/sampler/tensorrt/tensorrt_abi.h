// The border between the runtime and the TensorRT backend, which is a shared library of its own so
// that nothing else needs TensorRT or CUDA to be there: plain C structures, one exported function.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

// Goes up with every change of this file.
constexpr std::int32_t kDtTensorRtAbi = 3;

// Sizes of the model, and the rows of the step table that its steps look up, in the order of
// sampling: (steps, step_dim). Borrowed during create().
struct DtTensorRtModel {
  std::int64_t steps, layers, hidden, channels, curves, step_dim;
  const float* step_table;
};

struct DtTensorRtEngine {
  const char* path;
  std::int64_t frames;               // frames a launch
  const char* library_version;       // that built it, "major.minor.patch" and perhaps more
  const std::int32_t* capabilities;  // compute capabilities it is for: 10 major + minor
  std::int64_t capability_count;
};

struct DtTensorRtOptions {
  const char* library;              // file of TensorRT's runtime library; "" = by its usual name
  std::int64_t streams;             // voices a launch, always this many
  const DtTensorRtEngine* engines;  // one of them for a single frame
  std::int64_t engine_count;
};

struct DtTensorRtSampler;

// The whole path: an engine whose every binding begins with the voices.
enum DtTensorRtRole : std::int32_t {
  kDtTensorRtInput,   // comes from the host at each launch
  kDtTensorRtOutput,  // goes to the host at each launch
  kDtTensorRtState,   // stays on the device: an input, and the output "next_" + name
};

struct DtTensorRtBinding {
  const char* name;
  std::int32_t role;
  std::int32_t half;          // float16: of states alone
  const std::int64_t* shape;  // behind the voices
  std::int64_t rank;
};

struct DtTensorRtTalker;

// Launches of a talker that may be on their way at once: each has pinned memory of its own.
constexpr std::int64_t kDtTensorRtLaunches = 2;

// Functions return 0, or 1 with a sentence in `text` (of `size` bytes); create() returns null then.
struct DtTensorRtApi {
  std::int32_t abi;
  // Which library it was built for: "tensorrt" or "tensorrt_rtx".
  const char* library;
  // Says which GPU and library would be used.
  std::int32_t (*probe)(const char* library, char* text, std::size_t size);
  DtTensorRtSampler* (*create)(const DtTensorRtModel* model, const DtTensorRtOptions* options,
                               char* text, std::size_t size);
  void (*destroy)(DtTensorRtSampler* sampler);
  void (*describe)(const DtTensorRtSampler* sampler, char* text, std::size_t size);
  // The next `frames` frames of the voices with active[s] != 0; the others keep their state, and
  // their part of the arrays is neither read nor written. audio, identity (streams, frames,
  // channels), noise, x0 (streams, frames, curves). After an error only reset() of all is taken.
  std::int32_t (*sample)(DtTensorRtSampler* sampler, std::int64_t frames,
                         const std::uint8_t* active, const float* audio, const float* identity,
                         const float* noise, float* x0, char* text, std::size_t size);
  // Begins voice `stream` anew, or all of them (-1).
  std::int32_t (*reset)(DtTensorRtSampler* sampler, std::int64_t stream, char* text,
                        std::size_t size);
  // Reads the recurrent states: (steps, layers, streams, hidden).
  std::int32_t (*read_state)(DtTensorRtSampler* sampler, float* state, char* text,
                             std::size_t size);

  // The whole path. `bindings` are known by their place in the array.
  DtTensorRtTalker* (*open)(const DtTensorRtOptions* options, const DtTensorRtBinding* bindings,
                            std::int64_t binding_count, char* text, std::size_t size);
  void (*close)(DtTensorRtTalker* talker);
  void (*describe_talker)(const DtTensorRtTalker* talker, char* text, std::size_t size);
  // Where the next launch reads an input, in pinned memory; null while kDtTensorRtLaunches launches
  // are on their way. It holds what an earlier launch was given.
  float* (*input)(DtTensorRtTalker* talker, std::int64_t binding);
  // Puts a launch on its way. After an error of this and of wait() none is on its way.
  std::int32_t (*launch)(DtTensorRtTalker* talker, char* text, std::size_t size);
  // Waits for the oldest launch that is on its way.
  std::int32_t (*wait)(DtTensorRtTalker* talker, char* text, std::size_t size);
  // Where the launch that was waited for left an output, in pinned memory, until the next launch.
  const float* (*output)(const DtTensorRtTalker* talker, std::int64_t binding);
  // Zeros a voice's states; behind the launches on their way.
  std::int32_t (*forget)(DtTensorRtTalker* talker, std::int64_t stream, char* text,
                         std::size_t size);
  // Reads a voice's newest state, as it lies.
  std::int32_t (*read)(DtTensorRtTalker* talker, std::int64_t binding, std::int64_t stream,
                       void* state, char* text, std::size_t size);
};

// The one exported name.
using DtTensorRtApiFunction = const DtTensorRtApi* (*)();
constexpr const char* kDtTensorRtApiName = "dt_tensorrt_api";

}  // extern "C"
