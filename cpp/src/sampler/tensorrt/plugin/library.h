// TensorRT's own library, or TensorRT for RTX's: opened at run time, so that a missing one is a
// sentence.
#pragma once

#include <NvInferRuntime.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "sampler/tensorrt/shared_library.h"

namespace dt::tensorrt {

// Which library the headers are of, by its name in bundles and to people.
#ifdef TRT_MAJOR_RTX
constexpr const char* kLibrary = "tensorrt_rtx";
constexpr const char* kLibraryTitle = "TensorRT for RTX";
#else
constexpr const char* kLibrary = "tensorrt";
constexpr const char* kLibraryTitle = "TensorRT";
#endif

// Keeps the newest complaint, for the sentence that the caller makes of it.
class Log final : public nvinfer1::ILogger {
 public:
  void log(Severity severity, const char* message) noexcept override {
    if (severity == Severity::kERROR || severity == Severity::kINTERNAL_ERROR) {
      try {
        const std::lock_guard<std::mutex> lock(mutex_);
        newest_ = message;
      } catch (...) {  // Out of memory: the complaint is lost, the program is not.
      }
    }
  }

  // " (what TensorRT said)", or nothing.
  std::string take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    const std::string text = newest_.empty() ? "" : " (" + newest_ + ")";
    newest_.clear();
    return text;
  }

 private:
  std::mutex mutex_;
  std::string newest_;
};

// TensorRT's runtime object and the two functions that make it; everything else of TensorRT is
// reached through the objects' own methods.
class Library {
 public:
  // `path`: its file; "" = by its usual name. Refuses one that cannot be opened, is not TensorRT,
  // or is of another major version than the headers.
  explicit Library(const std::string& path);

  const std::string& version() const { return version_; }

  std::unique_ptr<nvinfer1::IRuntime> create_runtime(Log* log) const;

 private:
  SharedLibrary library_;
  void* (*create_)(void*, std::int32_t) = nullptr;
  std::string version_;
};

// Of a version: major.minor.patch.
std::string short_version(const std::string& version);

}  // namespace dt::tensorrt
