// TensorRT's stand-in: an "engine" is a text that lists its bindings,
//     standin engine
//     input audio float32 -1 1 20 voices 1 4
//     ...
//     end
// and its work is the function that the test has put in place. Aborts when it is entered before
// CUDA was asked for devices: there the real one crashes.
#include <NvInferRuntime.h>

#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "standin.h"

#ifdef _WIN32
#define STANDIN_EXPORT __declspec(dllexport)
#else
#define STANDIN_EXPORT
#endif

namespace {

using namespace nvinfer1;

struct Port {
  std::string name;
  bool input;
  DataType type;
  std::vector<std::int64_t> shape;
  std::int64_t minimum, maximum;  // voices
};

const Port* find(const std::vector<Port>& ports, const std::string& name) {
  for (const Port& port : ports) {
    if (port.name == name) {
      return &port;
    }
  }
  return nullptr;
}

class Context final : public IExecutionContext {
 public:
  explicit Context(const std::vector<Port>& ports) : ports_(ports) {}

  bool setInputShape(const char* name, const Dims& dims) noexcept override {
    if (standin::control().refused_shape == name) {
      return false;
    }
    const Port* port = find(ports_, name);
    tensors_[name].shape.assign(dims.d, dims.d + dims.nbDims);
    for (std::size_t i = 0; i < port->shape.size(); ++i) {
      const std::int64_t size = dims.d[i];
      if (port->shape[i] < 0) {
        if (size < port->minimum || size > port->maximum) {
          return false;
        }
        voices_ = size;
      } else if (size != port->shape[i]) {
        return false;
      }
    }
    return port->shape.size() == static_cast<std::size_t>(dims.nbDims);
  }

  bool setTensorAddress(const char* name, void* address) noexcept override {
    if (standin::control().refused_address == name || find(ports_, name) == nullptr) {
      return false;
    }
    tensors_[name].data = static_cast<float*>(address);
    return true;
  }

  bool enqueueV3(cudaStream_t stream) noexcept override {
    standin::Control& control = standin::control();
    ++control.launches;
    if (control.working_launches-- <= 0) {
      return false;
    }
    standin::Tensors tensors = tensors_;
    for (const Port& port : ports_) {
      standin::Tensor& tensor = tensors[port.name];
      if (tensor.data == nullptr || (port.input && tensor.shape.empty())) {
        return false;
      }
      if (!port.input) {
        tensor.shape = port.shape;
        for (std::int64_t& size : tensor.shape) {
          size = size < 0 ? voices_ : size;
        }
      }
    }
    standin::put(stream, [tensors] {
      ++standin::control().computed;
      standin::control().compute(tensors);
    });
    return true;
  }

 private:
  const std::vector<Port>& ports_;
  standin::Tensors tensors_;
  std::int64_t voices_ = 0;
};

class Engine final : public ICudaEngine {
 public:
  explicit Engine(std::vector<Port> ports) : ports_(std::move(ports)) {}

  std::int32_t getNbIOTensors() const noexcept override {
    return static_cast<std::int32_t>(ports_.size());
  }
  const char* getIOTensorName(std::int32_t i) const noexcept override {
    return ports_[static_cast<std::size_t>(i)].name.c_str();
  }
  TensorIOMode getTensorIOMode(const char* name) const noexcept override {
    const Port* port = find(ports_, name);
    return port == nullptr ? TensorIOMode::kNONE
           : port->input   ? TensorIOMode::kINPUT
                           : TensorIOMode::kOUTPUT;
  }
  DataType getTensorDataType(const char* name) const noexcept override {
    return find(ports_, name)->type;
  }
  Dims getTensorShape(const char* name) const noexcept override {
    return dims(find(ports_, name)->shape, -1);
  }
  Dims getProfileShape(const char* name, std::int32_t,
                       OptProfileSelector which) const noexcept override {
    const Port* port = find(ports_, name);
    return dims(port->shape, which == OptProfileSelector::kMIN ? port->minimum : port->maximum);
  }
  IExecutionContext* createExecutionContext() noexcept override {
    return standin::control().context_fits ? new Context(ports_) : nullptr;
  }

 private:
  static Dims dims(const std::vector<std::int64_t>& shape, std::int64_t voices) {
    Dims out{};
    for (const std::int64_t size : shape) {
      out.d[out.nbDims++] = size < 0 ? voices : size;
    }
    return out;
  }

  std::vector<Port> ports_;
};

Port parse(const std::string& line) {
  std::istringstream words(line);
  std::string direction, type, word;
  Port port{};
  words >> direction >> port.name >> type;
  port.input = direction == "input";
  port.type = type == "float32" ? DataType::kFLOAT : DataType::kHALF;
  while (words >> word && word != "voices") {
    port.shape.push_back(std::stoll(word));
  }
  words >> port.minimum >> port.maximum;
  return port;
}

class Runtime final : public IRuntime {
 public:
  explicit Runtime(ILogger* logger) : logger_(logger) {}

  ICudaEngine* deserializeCudaEngine(const void* blob, std::size_t size) noexcept override {
    std::istringstream text(std::string(static_cast<const char*>(blob), size));
    std::vector<Port> ports;
    std::string line;
    std::getline(text, line);
    const bool ours = line == "standin engine";
    bool whole = false;
    while (ours && !whole && std::getline(text, line)) {
      if (line == "end") {
        whole = true;
      } else {
        ports.push_back(parse(line));
      }
    }
    if (!whole) {
      logger_->log(ILogger::Severity::kWARNING, "not a complaint");
      logger_->log(ILogger::Severity::kERROR, "stand-in: no end of the engine");
      return nullptr;
    }
    return new Engine(ports);
  }

 private:
  ILogger* logger_;
};

}  // namespace

extern "C" {
STANDIN_EXPORT std::int32_t getInferLibVersion() noexcept { return standin::control().version; }

STANDIN_EXPORT void* createInferRuntime_INTERNAL(void* logger, std::int32_t version) noexcept {
  if (standin::control().device_questions == 0 || version != NV_TENSORRT_VERSION) {
    std::abort();
  }
  ++standin::control().runtimes;
  auto* log = static_cast<ILogger*>(logger);
  if (!standin::control().runtime_starts) {
    log->log(ILogger::Severity::kERROR, "stand-in: told not to start");
    return nullptr;
  }
  return static_cast<IRuntime*>(new Runtime(log));
}
}
