// The calls of the CUDA runtime: the device, memory, a stream, graphs.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>

namespace dt::tensorrt {

// Throws, naming `what`, for a status that is not success.
void check(cudaError_t status, const char* what);

struct Device {
  int index;
  std::string name;
  std::int32_t capability;  // 10 major + minor
};

std::string capability_text(std::int32_t capability);  // "8.9"

// The current device. The first CUDA call, and before any call of TensorRT.
Device find_device();

struct DeviceFree {
  void operator()(float* p) const { cudaFree(p); }
};
struct HostFree {
  void operator()(float* p) const { cudaFreeHost(p); }
};
using DeviceFloats = std::unique_ptr<float[], DeviceFree>;
using PinnedFloats = std::unique_ptr<float[], HostFree>;

// Zeros, both.
DeviceFloats device_floats(std::int64_t count);
PinnedFloats pinned_floats(std::int64_t count);

class Stream {
 public:
  Stream() {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  cudaStream_t get() const { return stream_; }
  void wait() const { check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

 private:
  cudaStream_t stream_ = nullptr;
};

// A place in a stream's work that can be waited for.
class Event {
 public:
  Event() {
    check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  // Behind all that is on the stream now.
  void record(const Stream& stream) const {
    check(cudaEventRecord(event_, stream.get()), "cudaEventRecord");
  }
  void wait() const { check(cudaEventSynchronize(event_), "cudaEventSynchronize"); }

 private:
  cudaEvent_t event_ = nullptr;
};

struct GraphDestroy {
  void operator()(cudaGraphExec_t graph) const { cudaGraphExecDestroy(graph); }
};
using Graph = std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, GraphDestroy>;

// Records what `work` puts on the stream. Null, with the reason, where that does not work.
Graph capture(const Stream& stream, const std::function<void()>& work, std::string* reason);

}  // namespace dt::tensorrt
