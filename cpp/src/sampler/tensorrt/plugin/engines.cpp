#include "sampler/tensorrt/plugin/engines.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "sampler/tensorrt/plugin/library.h"
#include "sampler/tensorrt/plugin/refuse.h"

namespace dt::tensorrt {
namespace {

// Why an engine cannot run here, or "".
std::string misfit(const DtTensorRtEngine& engine, const Device& device,
                   const std::string& library_version) {
  const std::string where = "engine " + std::string(engine.path);
  const std::int32_t* end = engine.capabilities + engine.capability_count;
  if (std::find(engine.capabilities, end, device.capability) == end) {
    std::string made_for;
    for (const std::int32_t* c = engine.capabilities; c != end; ++c) {
      made_for += (made_for.empty() ? "" : ", ") + capability_text(*c);
    }
    return where + ": made for compute capability " + made_for + ", and " + device.name + " has " +
           capability_text(device.capability) +
           "; run dt-train export --tensorrt on this machine, or with --capability " +
           capability_text(device.capability);
  }
  if (short_version(engine.library_version) != library_version) {
    return where + ": built by version " + engine.library_version + " of " + kLibraryTitle +
           ", and the library here is " + library_version +
           "; run dt-train export --tensorrt again";
  }
  return "";
}

}  // namespace

std::vector<DtTensorRtEngine> fitting_engines(const DtTensorRtOptions& options,
                                              const Device& device,
                                              const std::string& library_version) {
  std::vector<DtTensorRtEngine> fitting;
  std::string first_misfit =
      "no engine for single frames was given; run dt-train export --tensorrt";
  bool any_misfit = false;
  for (std::int64_t i = 0; i < options.engine_count; ++i) {
    const DtTensorRtEngine& engine = options.engines[i];
    const std::string reason = misfit(engine, device, library_version);
    if (!reason.empty()) {
      first_misfit = any_misfit ? first_misfit : reason;
      any_misfit = true;
    } else if (std::none_of(fitting.begin(), fitting.end(), [&](const DtTensorRtEngine& other) {
                 return other.frames == engine.frames;
               })) {
      fitting.push_back(engine);
    }
  }
  std::sort(fitting.begin(), fitting.end(),
            [](const auto& x, const auto& y) { return x.frames > y.frames; });
  if (fitting.empty() || fitting.back().frames != 1) {
    refuse(first_misfit);
  }
  return fitting;
}

}  // namespace dt::tensorrt
