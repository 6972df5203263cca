// Which of the given engine files can run here.
#pragma once

#include <string>
#include <vector>

#include "sampler/tensorrt/plugin/cuda.h"
#include "sampler/tensorrt/tensorrt_abi.h"

namespace dt::tensorrt {

// The engines that fit this machine, one for each number of frames, the longest first. Refuses
// where none of them is for a single frame.
std::vector<DtTensorRtEngine> fitting_engines(const DtTensorRtOptions& options,
                                              const Device& device,
                                              const std::string& library_version);

}  // namespace dt::tensorrt
