// The border between the runtime and the TensorRT backend, which is a shared library of its own so
// that nothing else needs TensorRT or CUDA to be there: plain C structures, one exported function.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

// Goes up with every change of this file.
constexpr std::int32_t kDtTensorRtAbi = 2;

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
};

// The one exported name.
using DtTensorRtApiFunction = const DtTensorRtApi* (*)();
constexpr const char* kDtTensorRtApiName = "dt_tensorrt_api";

}  // extern "C"
