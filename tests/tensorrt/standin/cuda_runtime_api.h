// A stand-in for the few declarations of the CUDA runtime that the plugin uses, written from CUDA's
// public API documentation.
#pragma once

#include <cstddef>

#define CUDART_VERSION 13000

#ifdef _WIN32
#ifdef STANDIN_CUDA_BUILD
#define STANDIN_API __declspec(dllexport)
#else
#define STANDIN_API __declspec(dllimport)
#endif
#else
#define STANDIN_API
#endif

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorUnknown = 999
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum cudaStreamCaptureMode { cudaStreamCaptureModeGlobal, cudaStreamCaptureModeThreadLocal };

struct cudaDeviceProp {
  char name[256];
  int major;
  int minor;
};

using cudaStream_t = struct CUstream_st*;
using cudaEvent_t = struct CUevent_st*;
using cudaGraph_t = struct CUgraph_st*;
using cudaGraphExec_t = struct CUgraphExec_st*;

constexpr unsigned cudaHostAllocDefault = 0;
constexpr unsigned cudaStreamNonBlocking = 1;
constexpr unsigned cudaEventDisableTiming = 2;

extern "C" {
STANDIN_API const char* cudaGetErrorString(cudaError_t error);
STANDIN_API cudaError_t cudaGetLastError();
STANDIN_API cudaError_t cudaGetDeviceCount(int* count);
STANDIN_API cudaError_t cudaGetDevice(int* device);
STANDIN_API cudaError_t cudaSetDevice(int device);
STANDIN_API cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
STANDIN_API cudaError_t cudaMalloc(void** address, std::size_t bytes);
STANDIN_API cudaError_t cudaFree(void* address);
STANDIN_API cudaError_t cudaHostAlloc(void** address, std::size_t bytes, unsigned flags);
STANDIN_API cudaError_t cudaFreeHost(void* address);
STANDIN_API cudaError_t cudaMemset(void* address, int value, std::size_t bytes);
STANDIN_API cudaError_t cudaMemset2DAsync(void* address, std::size_t pitch, int value,
                                          std::size_t width, std::size_t height,
                                          cudaStream_t stream);
STANDIN_API cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes,
                                   cudaMemcpyKind kind);
STANDIN_API cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes,
                                        cudaMemcpyKind kind, cudaStream_t stream);
STANDIN_API cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from,
                                          std::size_t from_pitch, std::size_t width,
                                          std::size_t height, cudaMemcpyKind kind,
                                          cudaStream_t stream);
STANDIN_API cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
STANDIN_API cudaError_t cudaStreamDestroy(cudaStream_t stream);
STANDIN_API cudaError_t cudaStreamSynchronize(cudaStream_t stream);
STANDIN_API cudaError_t cudaMemsetAsync(void* address, int value, std::size_t bytes,
                                        cudaStream_t stream);
STANDIN_API cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
STANDIN_API cudaError_t cudaEventDestroy(cudaEvent_t event);
STANDIN_API cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
STANDIN_API cudaError_t cudaEventSynchronize(cudaEvent_t event);
STANDIN_API cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
STANDIN_API cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
STANDIN_API cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable,
                                                      cudaGraph_t graph, unsigned long long flags);
STANDIN_API cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream);
STANDIN_API cudaError_t cudaGraphDestroy(cudaGraph_t graph);
STANDIN_API cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable);
}
