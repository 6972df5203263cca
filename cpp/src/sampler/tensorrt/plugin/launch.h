// A launch runs the graph of `diffusiontalker.tensorrt`: all sampling steps of a fixed number of
// frames, for a fixed number of voices. The recurrent states stay on the GPU, in two buffers that
// change roles from launch to launch. Copies and network of a launch are captured in a CUDA graph,
// one for each role; where that fails the same calls are made one by one.
#pragma once

#include <NvInferRuntime.h>

#include <cstdint>
#include <memory>
#include <string>

#include "sampler/tensorrt/plugin/cuda.h"
#include "sampler/tensorrt/plugin/engine_bindings.h"
#include "sampler/tensorrt/plugin/engine_file.h"
#include "sampler/tensorrt/plugin/library.h"
#include "sampler/tensorrt/tensorrt_abi.h"

namespace dt::tensorrt {

// One engine with its buffers: a launch of `frames` frames for all voices.
class Launch {
 public:
  Launch(nvinfer1::IRuntime* runtime, Log* log, const DtTensorRtEngine& file, const Sizes& sizes,
         std::int64_t streams);

  // Where a launch reads and leaves its values, in pinned memory.
  float* audio();
  float* identity();
  float* noise();
  const float* x0() const;

  // Of a binding that this launch has no buffer for.
  void set_address(const char* name, float* address);

  // Runs once for each role of the state's buffers, as TensorRT wants before a capture, and then
  // records both.
  void prepare(const Stream& stream, float* const state[2]);

  // Puts a launch on the stream: reads state[role], writes state[1 - role].
  void run(const Stream& stream, float* const state[2], int role);

  std::string describe() const;

  const std::int64_t frames;

 private:
  void enqueue(const Stream& stream, float* const state[2], int role);

  std::string where_;
  Log* log_;
  std::int64_t audio_floats_, curve_floats_, input_floats_;
  DeviceFloats device_input_, device_x0_;
  PinnedFloats host_input_, host_x0_;
  std::unique_ptr<nvinfer1::ICudaEngine> engine_;
  std::unique_ptr<nvinfer1::IExecutionContext> context_;
  Graph graphs_[2];
  std::string graph_note_;
};

}  // namespace dt::tensorrt
