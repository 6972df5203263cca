#include "sampler/tensorrt/plugin/launch.h"

#include <NvInferRuntime.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "sampler/tensorrt/plugin/refuse.h"

namespace dt::tensorrt {

Launch::Launch(nvinfer1::IRuntime* runtime, Log* log, const DtTensorRtEngine& file,
               const Sizes& sizes, std::int64_t streams)
    : frames(file.frames),
      where_(engine_name(file.path)),
      log_(log),
      audio_floats_(streams * frames * sizes.channels),
      curve_floats_(streams * frames * sizes.curves),
      input_floats_(2 * aligned(audio_floats_) + curve_floats_) {
  engine_ = read_engine(runtime, log, file.path);
  context_ = open_engine(log, file.path, *engine_, expected_bindings(sizes, frames), streams);
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
