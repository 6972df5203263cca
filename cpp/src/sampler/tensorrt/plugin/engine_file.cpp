#include "sampler/tensorrt/plugin/engine_file.h"

#include <NvInferRuntime.h>

#include <fstream>
#include <ios>
#include <iterator>
#include <string>
#include <vector>

#include "sampler/tensorrt/plugin/refuse.h"

namespace dt::tensorrt {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    refuse("engine " + path + ": the file cannot be read; run dt-train export --tensorrt");
  }
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

}  // namespace

std::string engine_name(const std::string& path) { return "engine " + path; }

std::unique_ptr<nvinfer1::ICudaEngine> read_engine(nvinfer1::IRuntime* runtime, Log* log,
                                                   const std::string& path) {
  const std::string blob = read_file(path);
  std::unique_ptr<nvinfer1::ICudaEngine> engine(
      runtime->deserializeCudaEngine(blob.data(), blob.size()));
  if (engine == nullptr) {
    refuse(engine_name(path) + ": TensorRT refuses it: the file is cut short, damaged, or of " +
           "another version or GPU" + log->take() + "; run dt-train export --tensorrt again");
  }
  return engine;
}

std::unique_ptr<nvinfer1::IExecutionContext> open_engine(Log* log, const std::string& path,
                                                         nvinfer1::ICudaEngine& engine,
                                                         const std::vector<Binding>& expected,
                                                         std::int64_t streams) {
  const std::string where = engine_name(path);
  check_bindings(where, engine, expected, streams);
  std::unique_ptr<nvinfer1::IExecutionContext> context(engine.createExecutionContext());
  if (context == nullptr) {
    refuse(where + ": no execution context: too little GPU memory?" + log->take());
  }
  for (const Binding& binding : expected) {
    const nvinfer1::Dims dims = dims_of(binding.shape, streams);
    if (binding.input && !context->setInputShape(binding.name.c_str(), dims)) {
      refuse(where + ": the shape of " + binding.name + " was refused" + log->take());
    }
  }
  return context;
}

}  // namespace dt::tensorrt
