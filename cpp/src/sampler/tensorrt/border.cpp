#include "sampler/tensorrt/border.h"

#include <stdexcept>
#include <string>
#include <vector>

#include "sampler/tensorrt/shared_library.h"

namespace dt::tensorrt {
namespace {

[[noreturn]] void fail(const std::string& text) {
  throw std::runtime_error("TensorRT backend: " + text);
}

}  // namespace

void check(std::int32_t status, const Text& text) {
  if (status != 0) {
    fail(text.data());
  }
}

const DtTensorRtApi* open_plugin(const std::string& plugin) {
  if (plugin.empty()) {
    fail(
        "not built; build the package again with TENSORRT_ROOT at TensorRT's headers and the CUDA "
        "toolkit installed (docs/tensorrt.md)");
  }
  const SharedLibrary library(plugin);
  if (!library) {
    fail("its library cannot be opened: " + library.error() + "; build the package again");
  }
  const auto get_api = library.find<DtTensorRtApiFunction>(kDtTensorRtApiName);
  if (get_api == nullptr) {
    fail(plugin + " is not the backend's library: it has no " + kDtTensorRtApiName);
  }
  const DtTensorRtApi* api = get_api();
  if (api->abi != kDtTensorRtAbi) {
    fail(plugin + ": expected version " + std::to_string(kDtTensorRtAbi) + " of the border, got " +
         std::to_string(api->abi) + "; build the package again");
  }
  return api;
}

std::vector<DtTensorRtEngine> engines_of(const BackendOptions& options, const std::string& graph) {
  std::vector<DtTensorRtEngine> engines;
  for (const TensorRtEngine& engine : options.engines) {
    if (engine.graph == graph) {
      engines.push_back({engine.path.c_str(), engine.frames, engine.library_version.c_str(),
                         engine.capabilities.data(),
                         static_cast<std::int64_t>(engine.capabilities.size())});
    }
  }
  return engines;
}

}  // namespace dt::tensorrt
