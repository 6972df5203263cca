#include "sampler/tensorrt/plugin/engine_bindings.h"

#include <NvInferRuntime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include "sampler/tensorrt/plugin/refuse.h"

namespace dt::tensorrt {
namespace {

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

std::size_t voices_axis(const std::vector<std::int64_t>& shape) {
  return static_cast<std::size_t>(std::find(shape.begin(), shape.end(), -1) - shape.begin());
}

}  // namespace

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

nvinfer1::Dims dims_of(const std::vector<std::int64_t>& shape, std::int64_t streams) {
  nvinfer1::Dims dims{};
  dims.nbDims = static_cast<std::int32_t>(shape.size());
  for (std::size_t i = 0; i < shape.size(); ++i) {
    using Size = std::remove_reference_t<decltype(dims.d[0])>;
    dims.d[i] = static_cast<Size>(shape[i] < 0 ? streams : shape[i]);
  }
  return dims;
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
    const char* name = binding.name.c_str();
    const bool input = engine.getTensorIOMode(name) == nvinfer1::TensorIOMode::kINPUT;
    if (input != binding.input) {
      refuse(what + (binding.input ? "an input, got an output" : "an output, got an input") +
             remedy);
    }
    const nvinfer1::DataType type = engine.getTensorDataType(name);
    if (type != (binding.half ? nvinfer1::DataType::kHALF : nvinfer1::DataType::kFLOAT)) {
      refuse(what + (binding.half ? "float16" : "float32") + ", got data type " +
             std::to_string(static_cast<int>(type)) + remedy);
    }
    const std::vector<std::int64_t> shape = sizes_of(engine.getTensorShape(name));
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
        const nvinfer1::Dims dims = engine.getProfileShape(name, 0, which);
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

}  // namespace dt::tensorrt
