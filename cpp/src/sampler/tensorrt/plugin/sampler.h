// The sampler on an NVIDIA GPU, by TensorRT 8.6 to 11 or TensorRT for RTX.
#pragma once

#include <NvInferRuntime.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sampler/tensorrt/plugin/cuda.h"
#include "sampler/tensorrt/plugin/engine_bindings.h"
#include "sampler/tensorrt/plugin/launch.h"
#include "sampler/tensorrt/plugin/library.h"
#include "sampler/tensorrt/tensorrt_abi.h"

// The border (tensorrt_abi.h) knows it by this name, and says what its functions do.
struct DtTensorRtSampler {
  DtTensorRtSampler(const DtTensorRtModel& model, const DtTensorRtOptions& options);

  std::string describe() const;
  void sample(std::int64_t frames, const std::uint8_t* active, const float* audio,
              const float* identity, const float* noise, float* x0);
  void reset(std::int64_t stream);
  void read_state(float* state);

 private:
  // The states as (steps x layers) rows of (streams, hidden): bytes of one voice's part of a row,
  // of a row, and the number of rows.
  std::size_t row() const { return static_cast<std::size_t>(sizes_.hidden) * sizeof(float); }
  std::size_t pitch() const { return static_cast<std::size_t>(streams_) * row(); }
  std::size_t rows() const { return static_cast<std::size_t>(sizes_.steps * sizes_.layers); }
  std::int64_t state_floats() const {
    return sizes_.steps * sizes_.layers * streams_ * sizes_.hidden;
  }

  // A voice that sat out keeps its state: it goes over to the buffer that is read next.
  void keep_state(std::int64_t stream);

  // Frames at .. at + count of (streams, frames, width) -> (streams, count, width).
  void gather(const std::uint8_t* active, const float* from, std::int64_t frames, std::int64_t at,
              std::int64_t count, std::int64_t width, float* to) const;
  // And back, the curves.
  void scatter(const std::uint8_t* active, const float* from, std::int64_t frames, std::int64_t at,
               std::int64_t count, float* to) const;

  // In the order of construction: the device is asked before TensorRT is touched, and buffers and
  // engines go before the runtime that they came from.
  dt::tensorrt::Sizes sizes_;
  std::int64_t streams_;
  dt::tensorrt::Log log_;
  dt::tensorrt::Device device_;
  dt::tensorrt::Library library_;
  std::unique_ptr<nvinfer1::IRuntime> runtime_;
  dt::tensorrt::Stream stream_;
  dt::tensorrt::DeviceFloats table_, state_[2];
  std::vector<std::unique_ptr<dt::tensorrt::Launch>> launches_;  // the longest first
  int role_ = 0;  // the buffer that holds the newest states
  bool failed_ = false;
};
