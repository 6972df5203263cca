// An engine's inputs and outputs: what the export makes (diffusiontalker.tensorrt), and the check
// that an engine has them.
#pragma once

#include <NvInferRuntime.h>

#include <cstdint>
#include <string>
#include <vector>

namespace dt::tensorrt {

// Of the model.
struct Sizes {
  std::int64_t steps, layers, hidden, channels, curves, step_dim;
};

// An input or output of the engine, as the export makes it; -1 stands for the voices.
struct Binding {
  std::string name;
  bool input;
  std::vector<std::int64_t> shape;
  bool half = false;  // float16 in place of float32
};

// Of a sampler's engine for `frames` frames a launch.
std::vector<Binding> expected_bindings(const Sizes& sizes, std::int64_t frames);

// The shape for `streams` voices.
nvinfer1::Dims dims_of(const std::vector<std::int64_t>& shape, std::int64_t streams);

// Refuses, beginning with `where`, an engine with other bindings than `expected`, or that is not
// for `streams` voices.
void check_bindings(const std::string& where, const nvinfer1::ICudaEngine& engine,
                    const std::vector<Binding>& expected, std::int64_t streams);

}  // namespace dt::tensorrt
