// The whole path on an NVIDIA GPU: one engine, one launch a tick for all voices.
//
// What an engine reads and leaves is in the list of bindings; nothing here knows what it computes.
#pragma once

#include <NvInferRuntime.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sampler/tensorrt/plugin/cuda.h"
#include "sampler/tensorrt/plugin/engine_file.h"
#include "sampler/tensorrt/plugin/library.h"
#include "sampler/tensorrt/tensorrt_abi.h"

// The border (tensorrt_abi.h) knows it by this name, and says what its functions do.
struct DtTensorRtTalker {
  DtTensorRtTalker(const DtTensorRtOptions& options, const DtTensorRtBinding* bindings,
                   std::int64_t binding_count);

  std::string describe() const;
  float* input(std::int64_t binding);
  void launch();
  void wait();
  const float* output(std::int64_t binding) const;
  void forget(std::int64_t stream);
  void read(std::int64_t binding, std::int64_t stream, void* state);

 private:
  struct Port {
    dt::tensorrt::Binding binding;
    std::int32_t role;
    std::size_t voice_bytes;  // of a voice
    std::int64_t at;          // floats into the block of inputs or of outputs
    dt::tensorrt::DeviceFloats state[2];
  };

  void add(const DtTensorRtBinding& binding);
  void prepare();
  void enqueue(int role);
  void abandon();
  void set_address(const std::string& name, float* address);

  // In the order of construction: the device is asked before TensorRT is touched, and buffers and
  // engine go before the runtime that they came from.
  std::int64_t streams_;
  std::string path_;
  dt::tensorrt::Log log_;
  dt::tensorrt::Device device_;
  dt::tensorrt::Library library_;
  std::unique_ptr<nvinfer1::IRuntime> runtime_;
  dt::tensorrt::Stream stream_;
  std::vector<Port> ports_;
  std::int64_t input_floats_ = 0, output_floats_ = 0;
  dt::tensorrt::DeviceFloats device_input_, device_output_;
  // A block each for the launches that may be on their way. A launch's role is its number's parity:
  // which block it uses, and which of the states' buffers it reads; it writes the other one.
  dt::tensorrt::PinnedFloats host_input_[kDtTensorRtLaunches], host_output_[kDtTensorRtLaunches];
  std::unique_ptr<nvinfer1::ICudaEngine> engine_;
  std::unique_ptr<nvinfer1::IExecutionContext> context_;
  dt::tensorrt::Event done_[kDtTensorRtLaunches];
  dt::tensorrt::Graph graphs_[kDtTensorRtLaunches];
  std::string graph_note_;
  std::int64_t launched_ = 0, waited_ = 0;
};
