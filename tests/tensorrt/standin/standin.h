// What a test tells the stand-ins, and what it learns from them.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace standin {

struct Tensor {
  std::vector<std::int64_t> shape;
  float* data;
};
using Tensors = std::map<std::string, Tensor>;

struct Control {
  // The machine.
  int devices = 1;
  cudaError_t device_status = cudaSuccess;  // what cudaGetDeviceCount returns
  int major = 8, minor = 9;
  std::string failing_call;  // this CUDA call fails, after so many that work, so many times
  int working_calls = 0;
  int failures = 1 << 30;
  // TensorRT.
  std::int32_t version = 101600;
  bool runtime_starts = true;
  bool context_fits = true;
  std::string refused_shape, refused_address;   // names of bindings
  int working_launches = 1 << 30;               // enqueueV3 fails after so many
  std::function<void(const Tensors&)> compute;  // the engine's work, when the stream gets to it

  // Counted.
  int device_questions = 0;  // cudaGetDeviceCount
  int runtimes = 0;          // createInferRuntime
  int launches = 0;          // enqueueV3
  int graph_launches = 0;
  int computed = 0;  // engine runs, from launches and graphs
};

STANDIN_API Control& control();

// Puts work on the stream: done when the stream is waited for, or recorded during a capture.
STANDIN_API void put(cudaStream_t stream, std::function<void()> work);

}  // namespace standin
