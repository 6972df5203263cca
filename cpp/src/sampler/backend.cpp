#include "sampler/backend.h"

#include <utility>

#include "dt/refusal.h"
#include "sampler/cpu/backend_cpu.h"
#if !defined(DT_WITHOUT_TENSORRT)
#include "sampler/tensorrt/tensorrt_sampler.h"
#include "sampler/tensorrt/tensorrt_talker.h"
#endif

namespace dt {

std::unique_ptr<Backend> make_backend(const BackendOptions& options,
                                      std::shared_ptr<const Model> model, std::int64_t voices) {
  if (options.name == "cpu") {
    return std::make_unique<CpuBackend>(std::move(model), voices);
  }
#if !defined(DT_WITHOUT_TENSORRT)
  if (options.name == "tensorrt") {
    if (TensorRtTalker::has_engine(options)) {
      return std::make_unique<TensorRtTalker>(std::move(model), options, voices);
    }
    return std::make_unique<TensorRtBackend>(std::move(model), options, voices);
  }
#endif
  raise(
      {Refusal::Kind::kArgument, "backend: expected cpu or tensorrt, got '" + options.name + "'"});
}

}  // namespace dt
