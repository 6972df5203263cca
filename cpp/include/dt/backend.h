// What may run the denoising network.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace dt {

// An engine file (docs/tensorrt.md).
struct TensorRtEngine {
  std::string path;
  std::int64_t frames = 1;                 // frames a launch
  std::string library_version;             // of the TensorRT that built it: major.minor.patch
  std::vector<std::int32_t> capabilities;  // compute capabilities it is for: 10 major + minor
  std::string graph = "sampler";           // or "talker": the whole path
  std::string precision = "float32";       // or another, of the products with weights
};

// What runs the denoising network.
struct BackendOptions {
  BackendOptions() = default;
  BackendOptions(const char* backend) : name(backend) {}
  BackendOptions(std::string backend) : name(std::move(backend)) {}

  std::string name = "cpu";             // or "tensorrt", which wants the rest:
  std::string plugin;                   // file of the backend's own library; "" = not built
  std::string library;                  // file of TensorRT's library; "" = by its usual name
  std::vector<TensorRtEngine> engines;  // of the whole path, which is taken where there is one; or
                                        // of the sampler, one of them for single frames; longer
                                        // ones are used where as many frames are due at once
};

}  // namespace dt
