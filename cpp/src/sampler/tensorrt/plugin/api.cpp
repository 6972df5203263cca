// The TensorRT backend's border (tensorrt_abi.h). The plugin is the one place that knows TensorRT
// and CUDA, and a shared library of its own. TensorRT's library is opened at run time as well, so
// that a missing one is a sentence, and only after CUDA has named a device: without a driver
// TensorRT's entry points crash.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <string>

#include "sampler/tensorrt/plugin/cuda.h"
#include "sampler/tensorrt/plugin/library.h"
#include "sampler/tensorrt/plugin/sampler.h"
#include "sampler/tensorrt/plugin/talker.h"
#include "sampler/tensorrt/tensorrt_abi.h"

#ifdef _WIN32
#define DT_EXPORT __declspec(dllexport)
#else
#define DT_EXPORT __attribute__((visibility("default")))
#endif

namespace {

using dt::tensorrt::capability_text;
using dt::tensorrt::Device;
using dt::tensorrt::find_device;
using dt::tensorrt::kLibrary;
using dt::tensorrt::kLibraryTitle;
using dt::tensorrt::Library;

void put_text(const std::string& from, char* text, std::size_t size) {
  if (size > 0) {
    const std::size_t count = std::min(from.size(), size - 1);
    std::memcpy(text, from.data(), count);
    text[count] = '\0';
  }
}

// No exception crosses the border.
template <typename Work>
std::int32_t guarded(char* text, std::size_t size, const Work& work) noexcept {
  try {
    work();
    return 0;
  } catch (const std::exception& error) {
    put_text(error.what(), text, size);
  } catch (...) {
    put_text("an unknown error", text, size);
  }
  return 1;
}

std::int32_t probe(const char* library, char* text, std::size_t size) {
  return guarded(text, size, [&] {
    const Device device = find_device();
    put_text(std::string(kLibraryTitle) + " " + Library(library).version() + " on " + device.name +
                 " (compute capability " + capability_text(device.capability) + ")",
             text, size);
  });
}

DtTensorRtSampler* create(const DtTensorRtModel* model, const DtTensorRtOptions* options,
                          char* text, std::size_t size) {
  DtTensorRtSampler* sampler = nullptr;
  guarded(text, size, [&] { sampler = new DtTensorRtSampler(*model, *options); });
  return sampler;
}

void destroy(DtTensorRtSampler* sampler) { delete sampler; }

void describe(const DtTensorRtSampler* sampler, char* text, std::size_t size) {
  guarded(text, size, [&] { put_text(sampler->describe(), text, size); });
}

std::int32_t sample(DtTensorRtSampler* sampler, std::int64_t frames, const std::uint8_t* active,
                    const float* audio, const float* identity, const float* noise, float* x0,
                    char* text, std::size_t size) {
  return guarded(text, size, [&] { sampler->sample(frames, active, audio, identity, noise, x0); });
}

std::int32_t reset(DtTensorRtSampler* sampler, std::int64_t stream, char* text, std::size_t size) {
  return guarded(text, size, [&] { sampler->reset(stream); });
}

std::int32_t read_state(DtTensorRtSampler* sampler, float* state, char* text, std::size_t size) {
  return guarded(text, size, [&] { sampler->read_state(state); });
}

DtTensorRtTalker* open(const DtTensorRtOptions* options, const DtTensorRtBinding* bindings,
                       std::int64_t binding_count, char* text, std::size_t size) {
  DtTensorRtTalker* talker = nullptr;
  guarded(text, size, [&] { talker = new DtTensorRtTalker(*options, bindings, binding_count); });
  return talker;
}

void close(DtTensorRtTalker* talker) { delete talker; }

void describe_talker(const DtTensorRtTalker* talker, char* text, std::size_t size) {
  guarded(text, size, [&] { put_text(talker->describe(), text, size); });
}

float* input(DtTensorRtTalker* talker, std::int64_t binding) { return talker->input(binding); }

std::int32_t launch(DtTensorRtTalker* talker, char* text, std::size_t size) {
  return guarded(text, size, [&] { talker->launch(); });
}

std::int32_t wait(DtTensorRtTalker* talker, char* text, std::size_t size) {
  return guarded(text, size, [&] { talker->wait(); });
}

const float* output(const DtTensorRtTalker* talker, std::int64_t binding) {
  return talker->output(binding);
}

std::int32_t forget(DtTensorRtTalker* talker, std::int64_t stream, char* text, std::size_t size) {
  return guarded(text, size, [&] { talker->forget(stream); });
}

std::int32_t read(DtTensorRtTalker* talker, std::int64_t binding, std::int64_t stream, void* state,
                  char* text, std::size_t size) {
  return guarded(text, size, [&] { talker->read(binding, stream, state); });
}

constexpr DtTensorRtApi kApi = {kDtTensorRtAbi, kLibrary,        probe, create,     destroy,
                                describe,       sample,          reset, read_state, open,
                                close,          describe_talker, input, launch,     wait,
                                output,         forget,          read};

}  // namespace

extern "C" DT_EXPORT const DtTensorRtApi* dt_tensorrt_api() { return &kApi; }
