#include "sampler/backend.h"

#include <stdexcept>
#include <utility>

#include "sampler/cpu/backend_cpu.h"
#include "sampler/tensorrt/tensorrt_sampler.h"

namespace dt {

std::unique_ptr<Backend> make_backend(const BackendOptions& options,
                                      std::shared_ptr<const Model> model, std::int64_t voices) {
  if (options.name == "cpu") {
    return std::make_unique<CpuBackend>(std::move(model), voices);
  }
  if (options.name == "tensorrt") {
    return std::make_unique<TensorRtBackend>(std::move(model), options, voices);
  }
  throw std::invalid_argument("backend: expected cpu or tensorrt, got '" + options.name + "'");
}

}  // namespace dt
