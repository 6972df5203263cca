// An engine's file: read, checked against the bindings that are expected, ready to launch.
#pragma once

#include <NvInferRuntime.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sampler/tensorrt/plugin/engine_bindings.h"
#include "sampler/tensorrt/plugin/library.h"

namespace dt::tensorrt {

// TensorRT wants addresses on 256 bytes.
constexpr std::int64_t aligned(std::int64_t floats) { return (floats + 63) / 64 * 64; }

// How a sentence about it begins.
std::string engine_name(const std::string& path);

std::unique_ptr<nvinfer1::ICudaEngine> read_engine(nvinfer1::IRuntime* runtime, Log* log,
                                                   const std::string& path);

// With the shapes for `streams` voices set, and no address.
std::unique_ptr<nvinfer1::IExecutionContext> open_engine(Log* log, const std::string& path,
                                                         nvinfer1::ICudaEngine& engine,
                                                         const std::vector<Binding>& expected,
                                                         std::int64_t streams);

}  // namespace dt::tensorrt
