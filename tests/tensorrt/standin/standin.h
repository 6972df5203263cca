// What a test tells the stand-ins, and what it learns from them.
#pragma once

#include <cuda_runtime_api.h>

#include <atomic>
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

// Of what several threads do.
class Counter {
 public:
  Counter(int count = 0) : count_(count) {}
  Counter(const Counter& other) : count_(other) {}
  Counter& operator=(const Counter& other) {
    count_ = static_cast<int>(other);
    return *this;
  }
  void operator++() { ++count_; }
  operator int() const { return count_; }

 private:
  std::atomic<int> count_;
};

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
  Counter device_questions;  // cudaGetDeviceCount
  Counter runtimes;          // createInferRuntime
  Counter launches;          // enqueueV3
  Counter graph_launches;
  Counter computed;  // engine runs, from launches and graphs
};

STANDIN_API Control& control();

// Puts work on the stream: done when the stream is waited for, or recorded during a capture.
STANDIN_API void put(cudaStream_t stream, std::function<void()> work);

}  // namespace standin
