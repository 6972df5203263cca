#include "sampler/tensorrt/plugin/library.h"

#include <NvInferRuntime.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "sampler/tensorrt/plugin/refuse.h"

namespace dt::tensorrt {
namespace {

#ifdef TRT_MAJOR_RTX
constexpr const char* kInstall = "pip install tensorrt-rtx-cu13-libs";
#else
constexpr const char* kInstall = "pip install tensorrt";
#endif

// 8601 and 10 16 00 are how TensorRT writes 8.6.1 and 10.16.0 as a number.
std::string version_text(std::int32_t version) {
  const bool old = version < 10000;
  const std::int32_t major = old ? version / 1000 : version / 10000;
  const std::int32_t minor = old ? version / 100 % 10 : version / 100 % 100;
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(version % 100);
}

std::string major_of(const std::string& version) { return version.substr(0, version.find('.')); }

std::string usual_library_name() {
  const std::string headers = version_text(NV_TENSORRT_VERSION);
#ifdef TRT_MAJOR_RTX
  const std::string stem = "tensorrt_rtx";
#else
  const std::string stem = "nvinfer";
#endif
#ifdef _WIN32
  return stem + "_" + major_of(headers) + ".dll";
#else
  return "lib" + stem + ".so." + major_of(headers);
#endif
}

}  // namespace

Library::Library(const std::string& path) : library_(path.empty() ? usual_library_name() : path) {
  if (!library_) {
    refuse(std::string(kLibraryTitle) + "'s library cannot be opened: " + library_.error() + "; " +
           kInstall + ", or name the file in DT_TENSORRT_LIBRARY");
  }
  const auto get_version = library_.find<std::int32_t (*)()>("getInferLibVersion");
  create_ = library_.find<void* (*)(void*, std::int32_t)>("createInferRuntime_INTERNAL");
  if (get_version == nullptr || create_ == nullptr) {
    refuse((path.empty() ? usual_library_name() : path) + " is not " + kLibraryTitle +
           ": it has no getInferLibVersion or no createInferRuntime_INTERNAL");
  }
  version_ = version_text(get_version());
  const std::string headers = version_text(NV_TENSORRT_VERSION);
  if (major_of(version_) != major_of(headers)) {
    refuse(std::string(kLibraryTitle) + ": the backend was built with headers of version " +
           headers + " and the library is version " + version_ +
           "; rebuild with TENSORRT_ROOT at that version, or install the other library");
  }
}

std::unique_ptr<nvinfer1::IRuntime> Library::create_runtime(Log* log) const {
  auto* logger = static_cast<nvinfer1::ILogger*>(log);
  std::unique_ptr<nvinfer1::IRuntime> runtime(
      static_cast<nvinfer1::IRuntime*>(create_(logger, NV_TENSORRT_VERSION)));
  if (runtime == nullptr) {
    refuse(std::string(kLibraryTitle) + " " + version_ + " does not start" + log->take());
  }
  return runtime;
}

std::string short_version(const std::string& version) {
  std::size_t end = 0;
  for (int dots = 0; end < version.size() && (version[end] != '.' || ++dots < 3); ++end) {
  }
  return version.substr(0, end);
}

}  // namespace dt::tensorrt
