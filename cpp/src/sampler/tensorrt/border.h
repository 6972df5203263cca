// What both sides of the runtime's TensorRT use of the border: the plugin opened, its sentences
// thrown, and the engines as it takes them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "dt/backend.h"
#include "sampler/tensorrt/tensorrt_abi.h"

namespace dt::tensorrt {

using Text = std::array<char, 2048>;

// Throws std::runtime_error with the text, where the status is not 0.
void check(std::int32_t status, const Text& text);

const DtTensorRtApi* open_plugin(const std::string& plugin);

// Those of a graph; they borrow from `options`.
std::vector<DtTensorRtEngine> engines_of(const BackendOptions& options, const std::string& graph);

}  // namespace dt::tensorrt
