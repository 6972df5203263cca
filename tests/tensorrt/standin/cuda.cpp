// The CUDA runtime's stand-in. Work on a stream is done only when the stream is waited for, so that
// a missing wait shows as a wrong value; device memory is the heap, so that ASan watches it.
#include <cstdlib>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#include "standin.h"

struct CUstream_st {
  std::vector<std::function<void()>> work;
  std::size_t done = 0;  // ever, of the work
  bool capturing = false;
  std::vector<std::function<void()>> captured;
};
struct CUevent_st {
  CUstream_st* stream = nullptr;
  std::size_t place = 0;  // behind so much of the stream's work
};
struct CUgraph_st {
  std::vector<std::function<void()>> work;
};
struct CUgraphExec_st {
  std::vector<std::function<void()>> work;
};

namespace standin {

Control& control() {
  static Control control;
  return control;
}

void put(cudaStream_t stream, std::function<void()> work) {
  (stream->capturing ? stream->captured : stream->work).push_back(std::move(work));
}

namespace {

bool fails(const char* call) {
  Control& c = control();
  return c.failing_call == call && c.working_calls-- <= 0 && c.failures-- > 0;
}

void run(const std::vector<std::function<void()>>& work) {
  for (const auto& item : work) {
    item();
  }
}

// The stream's work up to a place, and no further.
void run_to(cudaStream_t stream, std::size_t place) {
  while (stream->done < place) {
    const auto item = std::move(stream->work.front());
    stream->work.erase(stream->work.begin());
    ++stream->done;
    item();
  }
}

}  // namespace
}  // namespace standin

#define MAY_FAIL(error)           \
  if (standin::fails(__func__)) { \
    return error;                 \
  }                               \
  static_assert(true, "")

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    default:
      return "unknown error";
  }
}
cudaError_t cudaGetLastError() { return cudaSuccess; }

cudaError_t cudaGetDeviceCount(int* count) {
  ++standin::control().device_questions;
  *count = standin::control().device_status == cudaSuccess ? standin::control().devices : 0;
  return standin::control().device_status;
}
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  MAY_FAIL(cudaErrorUnknown);
  return device == 0 ? cudaSuccess : cudaErrorInvalidValue;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  std::strcpy(properties->name, "Stand-in");
  properties->major = standin::control().major;
  properties->minor = standin::control().minor;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** address, std::size_t bytes) {
  MAY_FAIL(cudaErrorMemoryAllocation);
  *address = std::malloc(bytes);
  return cudaSuccess;
}
cudaError_t cudaFree(void* address) {
  std::free(address);
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** address, std::size_t bytes, unsigned) {
  MAY_FAIL(cudaErrorMemoryAllocation);
  *address = std::malloc(bytes);
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* address) {
  std::free(address);
  return cudaSuccess;
}
cudaError_t cudaMemset(void* address, int value, std::size_t bytes) {
  std::memset(address, value, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* address, int value, std::size_t bytes, cudaStream_t stream) {
  MAY_FAIL(cudaErrorUnknown);
  standin::put(stream, [=] { std::memset(address, value, bytes); });
  return cudaSuccess;
}
cudaError_t cudaMemset2DAsync(void* address, std::size_t pitch, int value, std::size_t width,
                              std::size_t height, cudaStream_t stream) {
  MAY_FAIL(cudaErrorUnknown);
  standin::put(stream, [=] {
    for (std::size_t row = 0; row < height; ++row) {
      std::memset(static_cast<char*>(address) + row * pitch, value, width);
    }
  });
  return cudaSuccess;
}
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind) {
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  MAY_FAIL(cudaErrorUnknown);
  standin::put(stream, [=] { std::memcpy(to, from, bytes); });
  return cudaSuccess;
}
cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from,
                              std::size_t from_pitch, std::size_t width, std::size_t height,
                              cudaMemcpyKind, cudaStream_t stream) {
  MAY_FAIL(cudaErrorUnknown);
  standin::put(stream, [=] {
    for (std::size_t row = 0; row < height; ++row) {
      std::memcpy(static_cast<char*>(to) + row * to_pitch,
                  static_cast<const char*>(from) + row * from_pitch, width);
    }
  });
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  MAY_FAIL(cudaErrorUnknown);
  *stream = new CUstream_st;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  MAY_FAIL(cudaErrorUnknown);
  if (stream->capturing) {
    return cudaErrorStreamCaptureUnsupported;
  }
  standin::run_to(stream, stream->done + stream->work.size());
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  MAY_FAIL(cudaErrorMemoryAllocation);
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  MAY_FAIL(cudaErrorUnknown);
  *event = {stream, stream->done + stream->work.size()};
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  MAY_FAIL(cudaErrorUnknown);
  standin::run_to(event->stream, event->place);
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  MAY_FAIL(cudaErrorStreamCaptureUnsupported);
  stream->capturing = true;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  stream->capturing = false;
  auto work = std::exchange(stream->captured, {});
  MAY_FAIL(cudaErrorStreamCaptureUnsupported);
  *graph = new CUgraph_st{std::move(work)};
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable, cudaGraph_t graph,
                                          unsigned long long) {
  MAY_FAIL(cudaErrorMemoryAllocation);
  *executable = new CUgraphExec_st{graph->work};
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  MAY_FAIL(cudaErrorUnknown);
  ++standin::control().graph_launches;
  standin::put(stream, [work = executable->work] { standin::run(work); });
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
