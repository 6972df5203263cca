// The sampler on an NVIDIA GPU, by TensorRT 8.6 to 11 or TensorRT for RTX: the one place that knows
// TensorRT and CUDA. A shared library of its own (tensorrt_abi.h). TensorRT's library is opened at
// run time as well, so that a missing one is a sentence, and only after CUDA has named a device:
// without a driver TensorRT's entry points crash.
//
// A launch runs the graph of `diffusiontalker.train.onnx_export`: all sampling steps of a fixed
// number of frames, for a fixed number of voices. The recurrent states stay on the GPU, in two
// buffers that change roles from launch to launch. Copies and network of a launch are captured in a
// CUDA graph, one for each role; where that fails the same calls are made one by one.
#include <NvInferRuntime.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "sampler/tensorrt/shared_library.h"
#include "sampler/tensorrt/tensorrt_abi.h"

#ifdef _WIN32
#define DT_EXPORT __declspec(dllexport)
#else
#define DT_EXPORT __attribute__((visibility("default")))
#endif

namespace {

using dt::SharedLibrary;

#ifdef TRT_MAJOR_RTX
constexpr const char* kLibrary = "tensorrt_rtx";
constexpr const char* kLibraryTitle = "TensorRT for RTX";
constexpr const char* kInstall = "pip install tensorrt-rtx-cu13-libs";
#else
constexpr const char* kLibrary = "tensorrt";
constexpr const char* kLibraryTitle = "TensorRT";
constexpr const char* kInstall = "pip install tensorrt";
#endif

[[noreturn]] void refuse(const std::string& text) { throw std::runtime_error(text); }

// ---- CUDA --------------------------------------------------------------------------------------

void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) {
    refuse(std::string("CUDA: ") + what + " failed: " + cudaGetErrorString(status));
  }
}

struct Device {
  int index;
  std::string name;
  std::int32_t capability;  // 10 major + minor
};

std::string capability_text(std::int32_t capability) {
  return std::to_string(capability / 10) + "." + std::to_string(capability % 10);
}

// The current device. The first CUDA call, and before any call of TensorRT.
Device find_device() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaErrorInsufficientDriver) {
    refuse("no NVIDIA driver, or one older than CUDA " + std::to_string(CUDART_VERSION / 1000) +
           "." + std::to_string(CUDART_VERSION % 1000 / 10) +
           " wants; install the newest driver, or use the CPU backend");
  }
  if (status == cudaErrorNoDevice || (status == cudaSuccess && count == 0)) {
    refuse("no NVIDIA GPU is visible (is CUDA_VISIBLE_DEVICES set?); use the CPU backend");
  }
  check(status, "cudaGetDeviceCount");
  Device device{};
  check(cudaGetDevice(&device.index), "cudaGetDevice");
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device.index), "cudaGetDeviceProperties");
  device.name = properties.name;
  device.capability = 10 * properties.major + properties.minor;
  return device;
}

struct DeviceFree {
  void operator()(float* p) const { cudaFree(p); }
};
struct HostFree {
  void operator()(float* p) const { cudaFreeHost(p); }
};
using DeviceFloats = std::unique_ptr<float[], DeviceFree>;
using PinnedFloats = std::unique_ptr<float[], HostFree>;

// Zeros, both.
DeviceFloats device_floats(std::int64_t count) {
  const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(float);
  void* p = nullptr;
  check(cudaMalloc(&p, bytes), "cudaMalloc");
  DeviceFloats floats(static_cast<float*>(p));
  check(cudaMemset(p, 0, bytes), "cudaMemset");
  return floats;
}

PinnedFloats pinned_floats(std::int64_t count) {
  const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(float);
  void* p = nullptr;
  check(cudaHostAlloc(&p, bytes, cudaHostAllocDefault), "cudaHostAlloc");
  std::memset(p, 0, bytes);
  return PinnedFloats(static_cast<float*>(p));
}

class Stream {
 public:
  Stream() {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  cudaStream_t get() const { return stream_; }
  void wait() const { check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

 private:
  cudaStream_t stream_ = nullptr;
};

struct GraphDestroy {
  void operator()(cudaGraphExec_t graph) const { cudaGraphExecDestroy(graph); }
};
using Graph = std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, GraphDestroy>;

// Records what `work` puts on the stream. Null, with the reason, where that does not work.
Graph capture(const Stream& stream, const std::function<void()>& work, std::string* reason) {
  try {
    check(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal),
          "cudaStreamBeginCapture");
  } catch (const std::runtime_error& error) {
    *reason = error.what();
    cudaGetLastError();
    return nullptr;
  }
  try {
    work();
  } catch (const std::runtime_error& error) {
    *reason = error.what();
  }
  // Always ended, so that the stream is usable again.
  cudaGraph_t recorded = nullptr;
  cudaGraphExec_t graph = nullptr;
  try {
    check(cudaStreamEndCapture(stream.get(), &recorded), "cudaStreamEndCapture");
    if (reason->empty()) {
      check(cudaGraphInstantiateWithFlags(&graph, recorded, 0), "cudaGraphInstantiateWithFlags");
    }
  } catch (const std::runtime_error& error) {
    *reason = reason->empty() ? error.what() : *reason;
  }
  if (recorded != nullptr) {
    cudaGraphDestroy(recorded);
  }
  cudaGetLastError();  // A capture that failed must not show up in a later call.
  return Graph(graph);
}

// ---- TensorRT's library ------------------------------------------------------------------------

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

// TensorRT's runtime object and the two functions that make it; everything else of TensorRT is
// reached through the objects' own methods.
class Library {
 public:
  explicit Library(const std::string& path) : library_(path.empty() ? usual_library_name() : path) {
    if (!library_) {
      refuse(std::string(kLibraryTitle) + "'s library cannot be opened: " + library_.error() +
             "; " + kInstall + ", or name the file in DT_TENSORRT_LIBRARY");
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

  const std::string& version() const { return version_; }

  std::unique_ptr<nvinfer1::IRuntime> create_runtime(Log* log) const {
    auto* logger = static_cast<nvinfer1::ILogger*>(log);
    std::unique_ptr<nvinfer1::IRuntime> runtime(
        static_cast<nvinfer1::IRuntime*>(create_(logger, NV_TENSORRT_VERSION)));
    if (runtime == nullptr) {
      refuse(std::string(kLibraryTitle) + " " + version_ + " does not start" + log->take());
    }
    return runtime;
  }

 private:
  SharedLibrary library_;
  void* (*create_)(void*, std::int32_t) = nullptr;
  std::string version_;
};

std::string short_version(const std::string& version) {  // major.minor.patch
  std::size_t end = 0;
  for (int dots = 0; end < version.size() && (version[end] != '.' || ++dots < 3); ++end) {
  }
  return version.substr(0, end);
}

// ---- bindings ----------------------------------------------------------------------------------

struct Sizes {
  std::int64_t steps, layers, hidden, channels, curves, step_dim;
};

// An input or output of the engine, as the export makes it; -1 stands for the voices.
struct Binding {
  const char* name;
  bool input;
  std::vector<std::int64_t> shape;
};

std::vector<Binding> expected_bindings(const Sizes& s, std::int64_t frames) {
  const std::vector<std::int64_t> state = {s.steps, s.layers, -1, s.hidden};
  return {{"audio", true, {-1, frames, s.channels}},
          {"identity", true, {-1, frames, s.channels}},
          {"noise", true, {-1, frames, s.curves}},
          {"step_table", true, {s.steps, s.step_dim}},
          {"state", true, state},
          {"x0", false, {-1, frames, s.curves}},
          {"next_state", false, state}};
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::ostringstream text;
  text << "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text << (i == 0 ? "" : ", ");
    if (shape[i] < 0) {
      text << "voices";
    } else {
      text << shape[i];
    }
  }
  text << ")";
  return text.str();
}

std::vector<std::int64_t> sizes_of(const nvinfer1::Dims& dims) {
  return std::vector<std::int64_t>(dims.d, dims.d + std::max(dims.nbDims, 0));
}

nvinfer1::Dims dims_of(const std::vector<std::int64_t>& shape, std::int64_t streams) {
  nvinfer1::Dims dims{};
  dims.nbDims = static_cast<std::int32_t>(shape.size());
  for (std::size_t i = 0; i < shape.size(); ++i) {
    using Size = std::remove_reference_t<decltype(dims.d[0])>;
    dims.d[i] = static_cast<Size>(shape[i] < 0 ? streams : shape[i]);
  }
  return dims;
}

std::size_t voices_axis(const std::vector<std::int64_t>& shape) {
  return static_cast<std::size_t>(std::find(shape.begin(), shape.end(), -1) - shape.begin());
}

void check_bindings(const std::string& where, const nvinfer1::ICudaEngine& engine,
                    const std::vector<Binding>& expected, std::int64_t streams) {
  std::vector<std::string> names;
  for (std::int32_t i = 0; i < engine.getNbIOTensors(); ++i) {
    names.emplace_back(engine.getIOTensorName(i));
  }
  const std::string remedy = "; export the engine again with this version of dt-train";
  for (const std::string& name : names) {
    if (std::none_of(expected.begin(), expected.end(),
                     [&](const Binding& b) { return name == b.name; })) {
      refuse(where + ": binding " + name + ": expected no such binding" + remedy);
    }
  }
  for (const Binding& binding : expected) {
    const std::string what = where + ": binding " + binding.name + ": expected ";
    if (std::find(names.begin(), names.end(), binding.name) == names.end()) {
      refuse(what + "one, got none" + remedy);
    }
    const bool input = engine.getTensorIOMode(binding.name) == nvinfer1::TensorIOMode::kINPUT;
    if (input != binding.input) {
      refuse(what + (binding.input ? "an input, got an output" : "an output, got an input") +
             remedy);
    }
    if (engine.getTensorDataType(binding.name) != nvinfer1::DataType::kFLOAT) {
      refuse(what + "float32, got data type " +
             std::to_string(static_cast<int>(engine.getTensorDataType(binding.name))) + remedy);
    }
    const std::vector<std::int64_t> shape = sizes_of(engine.getTensorShape(binding.name));
    std::vector<std::int64_t> wanted = binding.shape;
    const std::size_t axis = voices_axis(wanted);
    if (axis < wanted.size() && shape.size() == wanted.size() && shape[axis] >= 0) {
      wanted[axis] = streams;  // an engine for one number of voices
    }
    if (shape != wanted) {
      refuse(what + "shape " + shape_text(wanted) + ", got " + shape_text(shape) +
             "; it belongs to another model or number of frames or voices" + remedy);
    }
    if (binding.input && axis < shape.size() && shape[axis] < 0) {
      const auto limit = [&](nvinfer1::OptProfileSelector which) {
        const nvinfer1::Dims dims = engine.getProfileShape(binding.name, 0, which);
        return static_cast<std::int64_t>(dims.d[axis]);
      };
      const std::int64_t low = limit(nvinfer1::OptProfileSelector::kMIN);
      const std::int64_t high = limit(nvinfer1::OptProfileSelector::kMAX);
      if (streams < low || streams > high) {
        refuse(where + ": made for " + std::to_string(low) + " to " + std::to_string(high) +
               " voices a launch, asked for " + std::to_string(streams) +
               "; export one with dt-train export --streams " + std::to_string(streams));
      }
    }
  }
}

// ---- engines -----------------------------------------------------------------------------------

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    refuse("engine " + path + ": the file cannot be read; run dt-train export --tensorrt");
  }
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

// TensorRT wants addresses on 256 bytes.
std::int64_t aligned(std::int64_t floats) { return (floats + 63) / 64 * 64; }

// One engine with its buffers: a launch of `frames` frames for all voices.
class Launch {
 public:
  Launch(nvinfer1::IRuntime* runtime, Log* log, const DtTensorRtEngine& file, const Sizes& sizes,
         std::int64_t streams)
      : frames(file.frames),
        where_("engine " + std::string(file.path)),
        log_(log),
        audio_floats_(streams * frames * sizes.channels),
        curve_floats_(streams * frames * sizes.curves),
        input_floats_(2 * aligned(audio_floats_) + curve_floats_) {
    const std::string blob = read_file(file.path);
    engine_.reset(runtime->deserializeCudaEngine(blob.data(), blob.size()));
    if (engine_ == nullptr) {
      refuse(where_ + ": TensorRT refuses it: the file is cut short, damaged, or of another " +
             "version or GPU" + log_->take() + "; run dt-train export --tensorrt again");
    }
    const std::vector<Binding> bindings = expected_bindings(sizes, frames);
    check_bindings(where_, *engine_, bindings, streams);
    context_.reset(engine_->createExecutionContext());
    if (context_ == nullptr) {
      refuse(where_ + ": no execution context: too little GPU memory?" + log_->take());
    }
    for (const Binding& binding : bindings) {
      if (binding.input &&
          !context_->setInputShape(binding.name, dims_of(binding.shape, streams))) {
        refuse(where_ + ": the shape of " + binding.name + " was refused" + log_->take());
      }
    }
    device_input_ = device_floats(input_floats_);
    device_x0_ = device_floats(curve_floats_);
    host_input_ = pinned_floats(input_floats_);
    host_x0_ = pinned_floats(curve_floats_);
    set_address("audio", device_input_.get());
    set_address("identity", device_input_.get() + aligned(audio_floats_));
    set_address("noise", device_input_.get() + 2 * aligned(audio_floats_));
    set_address("x0", device_x0_.get());
  }

  // Where a launch reads and leaves its values, in pinned memory.
  float* audio() { return host_input_.get(); }
  float* identity() { return host_input_.get() + aligned(audio_floats_); }
  float* noise() { return host_input_.get() + 2 * aligned(audio_floats_); }
  const float* x0() const { return host_x0_.get(); }

  void set_address(const char* name, float* address) {
    if (!context_->setTensorAddress(name, address)) {
      refuse(where_ + ": the address of " + name + " was refused" + log_->take());
    }
  }

  // Runs once for each role of the state's buffers, as TensorRT wants before a capture, and then
  // records both.
  void prepare(const Stream& stream, float* const state[2]) {
    for (int role = 0; role < 2; ++role) {
      enqueue(stream, state, role);
      stream.wait();
      if (graph_note_.empty()) {
        graphs_[role] = capture(stream, [&] { enqueue(stream, state, role); }, &graph_note_);
      }
    }
    if (!graph_note_.empty()) {
      graphs_[0].reset();
      graphs_[1].reset();
    }
  }

  // Puts a launch on the stream: reads state[role], writes state[1 - role].
  void run(const Stream& stream, float* const state[2], int role) {
    if (graphs_[role] != nullptr) {
      check(cudaGraphLaunch(graphs_[role].get(), stream.get()), "cudaGraphLaunch");
    } else {
      enqueue(stream, state, role);
    }
  }

  std::string describe() const {
    return std::to_string(frames) + "-frame engine " +
           (graph_note_.empty() ? "as a CUDA graph" : "without a CUDA graph: " + graph_note_);
  }

  const std::int64_t frames;

 private:
  void enqueue(const Stream& stream, float* const state[2], int role) {
    set_address("state", state[role]);
    set_address("next_state", state[1 - role]);
    check(cudaMemcpyAsync(device_input_.get(), host_input_.get(),
                          static_cast<std::size_t>(input_floats_) * sizeof(float),
                          cudaMemcpyHostToDevice, stream.get()),
          "copying to the GPU");
    if (!context_->enqueueV3(stream.get())) {
      refuse(where_ + ": the launch failed" + log_->take());
    }
    check(cudaMemcpyAsync(host_x0_.get(), device_x0_.get(),
                          static_cast<std::size_t>(curve_floats_) * sizeof(float),
                          cudaMemcpyDeviceToHost, stream.get()),
          "copying from the GPU");
  }

  std::string where_;
  Log* log_;
  std::int64_t audio_floats_, curve_floats_, input_floats_;
  DeviceFloats device_input_, device_x0_;
  PinnedFloats host_input_, host_x0_;
  std::unique_ptr<nvinfer1::ICudaEngine> engine_;
  std::unique_ptr<nvinfer1::IExecutionContext> context_;
  Graph graphs_[2];
  std::string graph_note_;
};

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

// The engines that fit this machine, one for each number of frames. Refuses where none of them is
// for a single frame.
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

}  // namespace

// ---- the sampler -------------------------------------------------------------------------------

struct DtTensorRtSampler {
  DtTensorRtSampler(const DtTensorRtModel& model, const DtTensorRtOptions& options)
      : sizes_{model.steps,    model.layers, model.hidden,
               model.channels, model.curves, model.step_dim},
        streams_(options.streams),
        device_(find_device()),
        library_(options.library) {
    const std::vector<DtTensorRtEngine> engines =
        fitting_engines(options, device_, library_.version());
    runtime_ = library_.create_runtime(&log_);
    table_ = device_floats(sizes_.steps * sizes_.step_dim);
    check(cudaMemcpy(table_.get(), model.step_table,
                     static_cast<std::size_t>(sizes_.steps * sizes_.step_dim) * sizeof(float),
                     cudaMemcpyHostToDevice),
          "copying the step table");
    for (DeviceFloats& state : state_) {
      state = device_floats(state_floats());
    }
    float* const states[2] = {state_[0].get(), state_[1].get()};
    for (const DtTensorRtEngine& engine : engines) {
      launches_.push_back(
          std::make_unique<Launch>(runtime_.get(), &log_, engine, sizes_, streams_));
      launches_.back()->set_address("step_table", table_.get());
      launches_.back()->prepare(stream_, states);
    }
    reset(-1);
  }

  std::string describe() const {
    std::string text = std::string(kLibraryTitle) + " " + library_.version() + " on " +
                       device_.name + " (compute capability " +
                       capability_text(device_.capability) + "), " + std::to_string(streams_) +
                       (streams_ == 1 ? " voice" : " voices");
    for (const auto& launch : launches_) {
      text += "; " + launch->describe();
    }
    return text;
  }

  void sample(std::int64_t frames, const std::uint8_t* active, const float* audio,
              const float* identity, const float* noise, float* x0) {
    if (failed_) {
      refuse("an earlier launch failed; reset the sampler first");
    }
    check(cudaSetDevice(device_.index), "cudaSetDevice");
    failed_ = true;  // until everything has worked
    for (std::int64_t at = 0; at < frames;) {
      Launch& launch = **std::find_if(launches_.begin(), launches_.end(),
                                      [&](const auto& l) { return l->frames <= frames - at; });
      gather(active, audio, frames, at, launch.frames, sizes_.channels, launch.audio());
      gather(active, identity, frames, at, launch.frames, sizes_.channels, launch.identity());
      gather(active, noise, frames, at, launch.frames, sizes_.curves, launch.noise());
      float* const states[2] = {state_[0].get(), state_[1].get()};
      launch.run(stream_, states, role_);
      for (std::int64_t s = 0; s < streams_; ++s) {
        if (active[s] == 0) {
          keep_state(s);
        }
      }
      stream_.wait();
      role_ = 1 - role_;
      scatter(active, launch.x0(), frames, at, launch.frames, x0);
      at += launch.frames;
    }
    failed_ = false;
  }

  void reset(std::int64_t stream) {
    check(cudaSetDevice(device_.index), "cudaSetDevice");
    const std::int64_t first = std::max<std::int64_t>(stream, 0);
    const std::int64_t count = stream < 0 ? streams_ : 1;
    check(cudaMemset2DAsync(state_[role_].get() + first * sizes_.hidden, pitch(), 0,
                            static_cast<std::size_t>(count) * row(), rows(), stream_.get()),
          "cudaMemset2DAsync");
    stream_.wait();
    failed_ = failed_ && stream >= 0;
  }

  void read_state(float* state) {
    check(cudaSetDevice(device_.index), "cudaSetDevice");
    check(cudaMemcpyAsync(state, state_[role_].get(),
                          static_cast<std::size_t>(state_floats()) * sizeof(float),
                          cudaMemcpyDeviceToHost, stream_.get()),
          "reading the states");
    stream_.wait();
  }

 private:
  // The states as (steps x layers) rows of (streams, hidden): bytes of one voice's part of a row,
  // of a row, and the number of rows.
  std::size_t row() const { return static_cast<std::size_t>(sizes_.hidden) * sizeof(float); }
  std::size_t pitch() const { return static_cast<std::size_t>(streams_) * row(); }
  std::size_t rows() const { return static_cast<std::size_t>(sizes_.steps * sizes_.layers); }
  std::int64_t state_floats() const {
    return sizes_.steps * sizes_.layers * streams_ * sizes_.hidden;
  }

  // A voice that sat out keeps its state: it goes over to the buffer that is read next.
  void keep_state(std::int64_t stream) {
    check(cudaMemcpy2DAsync(state_[1 - role_].get() + stream * sizes_.hidden, pitch(),
                            state_[role_].get() + stream * sizes_.hidden, pitch(), row(), rows(),
                            cudaMemcpyDeviceToDevice, stream_.get()),
          "cudaMemcpy2DAsync");
  }

  // Frames at .. at + count of (streams, frames, width) -> (streams, count, width).
  void gather(const std::uint8_t* active, const float* from, std::int64_t frames, std::int64_t at,
              std::int64_t count, std::int64_t width, float* to) const {
    for (std::int64_t s = 0; s < streams_; ++s, to += count * width) {
      const float* begin = from + (s * frames + at) * width;
      if (active[s] != 0) {
        std::copy(begin, begin + count * width, to);
      } else {
        std::fill(to, to + count * width, 0.0F);
      }
    }
  }

  void scatter(const std::uint8_t* active, const float* from, std::int64_t frames, std::int64_t at,
               std::int64_t count, float* to) const {
    const std::int64_t width = sizes_.curves;
    for (std::int64_t s = 0; s < streams_; ++s, from += count * width) {
      if (active[s] != 0) {
        std::copy(from, from + count * width, to + (s * frames + at) * width);
      }
    }
  }

  // In the order of construction: the device is asked before TensorRT is touched, and buffers and
  // engines go before the runtime that they came from.
  Sizes sizes_;
  std::int64_t streams_;
  Log log_;
  Device device_;
  Library library_;
  std::unique_ptr<nvinfer1::IRuntime> runtime_;
  Stream stream_;
  DeviceFloats table_, state_[2];
  std::vector<std::unique_ptr<Launch>> launches_;  // the longest first
  int role_ = 0;                                   // the buffer that holds the newest states
  bool failed_ = false;
};

// ---- the border --------------------------------------------------------------------------------

namespace {

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

constexpr DtTensorRtApi kApi = {kDtTensorRtAbi, kLibrary, probe, create,    destroy,
                                describe,       sample,   reset, read_state};

}  // namespace

extern "C" DT_EXPORT const DtTensorRtApi* dt_tensorrt_api() { return &kApi; }
