// The TensorRT backend as the rest of the runtime sees it: a shared library that is opened when
// somebody asks for it (tensorrt_abi.h). Knows neither TensorRT nor CUDA.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dt/backend.h"
#include "dt/model.h"
#include "sampler/backend.h"
#include "sampler/tensorrt/tensorrt_abi.h"

namespace dt {

// The library that the backend was built for, "tensorrt" or "tensorrt_rtx". Throws
// std::runtime_error where there is no backend.
std::string tensorrt_library(const std::string& plugin);

// Which GPU and library the backend would use, as a sentence. Throws std::runtime_error, saying
// what is missing and how to get it.
std::string probe_tensorrt(const std::string& plugin, const std::string& library);

// N voices in one launch. Their results do not depend on which of the others take part: a launch
// always runs all N, and the state of those that sit out is kept.
class TensorRtSampler {
 public:
  // Throws std::runtime_error with a sentence and a remedy.
  TensorRtSampler(std::shared_ptr<const Model> model, const BackendOptions& options,
                  std::int64_t streams);

  // The next `frames` frames of the voices with active[s] != 0: audio, identity (streams, frames,
  // channels), noise (streams, frames, curves) -> x0 (streams, frames, curves), standardised; rows
  // of the other voices are left alone. Throws std::runtime_error; then reset() all voices.
  void sample(std::int64_t frames, const std::uint8_t* active, const float* audio,
              const float* identity, const float* noise, float* x0);
  void reset();
  void reset(std::int64_t stream);

  void read_state(float* state) const;  // (steps, layers, streams, hidden)
  std::string describe() const;         // GPU, library, engines, CUDA graphs
  std::int64_t streams() const { return streams_; }

 private:
  std::shared_ptr<const Model> model_;
  std::int64_t streams_;
  const DtTensorRtApi* api_;
  std::unique_ptr<DtTensorRtSampler, void (*)(DtTensorRtSampler*)> sampler_;
};

// A sampler of its own for each voice: frames are due voice by voice.
class TensorRtBackend final : public Backend {
 public:
  TensorRtBackend(std::shared_ptr<const Model> model, const BackendOptions& options,
                  std::int64_t voices = 1);

  void sample(const Job* jobs, std::int64_t count) override;
  void reset(std::int64_t voice) override;

 private:
  std::vector<std::unique_ptr<TensorRtSampler>> samplers_;
};

}  // namespace dt
