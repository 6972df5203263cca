#include "sampler/tensorrt/plugin/launch.h"

#include <NvInferRuntime.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
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

// TensorRT wants addresses on 256 bytes.
std::int64_t aligned(std::int64_t floats) { return (floats + 63) / 64 * 64; }

}  // namespace

Launch::Launch(nvinfer1::IRuntime* runtime, Log* log, const DtTensorRtEngine& file,
               const Sizes& sizes, std::int64_t streams)
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
    if (binding.input && !context_->setInputShape(binding.name, dims_of(binding.shape, streams))) {
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

float* Launch::audio() { return host_input_.get(); }
float* Launch::identity() { return host_input_.get() + aligned(audio_floats_); }
float* Launch::noise() { return host_input_.get() + 2 * aligned(audio_floats_); }
const float* Launch::x0() const { return host_x0_.get(); }

void Launch::set_address(const char* name, float* address) {
  if (!context_->setTensorAddress(name, address)) {
    refuse(where_ + ": the address of " + name + " was refused" + log_->take());
  }
}

void Launch::prepare(const Stream& stream, float* const state[2]) {
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

void Launch::run(const Stream& stream, float* const state[2], int role) {
  if (graphs_[role] != nullptr) {
    check(cudaGraphLaunch(graphs_[role].get(), stream.get()), "cudaGraphLaunch");
  } else {
    enqueue(stream, state, role);
  }
}

std::string Launch::describe() const {
  return std::to_string(frames) + "-frame engine " +
         (graph_note_.empty() ? "as a CUDA graph" : "without a CUDA graph: " + graph_note_);
}

void Launch::enqueue(const Stream& stream, float* const state[2], int role) {
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

}  // namespace dt::tensorrt
