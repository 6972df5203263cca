#include "sampler/tensorrt/plugin/cuda.h"

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstring>
#include <stdexcept>

#include "sampler/tensorrt/plugin/refuse.h"

namespace dt::tensorrt {

void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) {
    refuse(std::string("CUDA: ") + what + " failed: " + cudaGetErrorString(status));
  }
}

std::string capability_text(std::int32_t capability) {
  return std::to_string(capability / 10) + "." + std::to_string(capability % 10);
}

Device find_device() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaErrorInsufficientDriver) {
    refuse("no NVIDIA driver, or one older than CUDA " + std::to_string(CUDART_VERSION / 1000) +
           "." + std::to_string(CUDART_VERSION % 1000 / 10) +
           " wants; install the newest driver, or use the CPU backend");
  }
  if (status == cudaErrorNoDevice || (status == cudaSuccess && count == 0)) {
    refuse("no NVIDIA GPU is visible (is CUDA_VISIBLE_DEVICES set?); use the CPU backend");
  }
  check(status, "cudaGetDeviceCount");
  Device device{};
  check(cudaGetDevice(&device.index), "cudaGetDevice");
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device.index), "cudaGetDeviceProperties");
  device.name = properties.name;
  device.capability = 10 * properties.major + properties.minor;
  return device;
}

DeviceFloats device_floats(std::int64_t count) {
  const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(float);
  void* p = nullptr;
  check(cudaMalloc(&p, bytes), "cudaMalloc");
  DeviceFloats floats(static_cast<float*>(p));
  check(cudaMemset(p, 0, bytes), "cudaMemset");
  return floats;
}

PinnedFloats pinned_floats(std::int64_t count) {
  const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(float);
  void* p = nullptr;
  check(cudaHostAlloc(&p, bytes, cudaHostAllocDefault), "cudaHostAlloc");
  std::memset(p, 0, bytes);
  return PinnedFloats(static_cast<float*>(p));
}

Graph capture(const Stream& stream, const std::function<void()>& work, std::string* reason) {
  try {
    check(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal),
          "cudaStreamBeginCapture");
  } catch (const std::runtime_error& error) {
    *reason = error.what();
    cudaGetLastError();
    return nullptr;
  }
  try {
    work();
  } catch (const std::runtime_error& error) {
    *reason = error.what();
  }
  // Always ended, so that the stream is usable again.
  cudaGraph_t recorded = nullptr;
  cudaGraphExec_t graph = nullptr;
  try {
    check(cudaStreamEndCapture(stream.get(), &recorded), "cudaStreamEndCapture");
    if (reason->empty()) {
      check(cudaGraphInstantiateWithFlags(&graph, recorded, 0), "cudaGraphInstantiateWithFlags");
    }
  } catch (const std::runtime_error& error) {
    *reason = reason->empty() ? error.what() : *reason;
  }
  if (recorded != nullptr) {
    cudaGraphDestroy(recorded);
  }
  cudaGetLastError();  // A capture that failed must not show up in a later call.
  return Graph(graph);
}

}  // namespace dt::tensorrt
