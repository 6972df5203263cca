#include "sampler/tensorrt/plugin/talker.h"

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sampler/tensorrt/plugin/engines.h"
#include "sampler/tensorrt/plugin/refuse.h"

using dt::tensorrt::aligned;
using dt::tensorrt::Binding;
using dt::tensorrt::check;
using dt::tensorrt::device_floats;
using dt::tensorrt::pinned_floats;
using dt::tensorrt::refuse;

namespace {

std::size_t bytes_of(std::int64_t floats) {
  return static_cast<std::size_t>(floats) * sizeof(float);
}

int role_of(std::int64_t launch) { return static_cast<int>(launch % kDtTensorRtLaunches); }

}  // namespace

DtTensorRtTalker::DtTensorRtTalker(const DtTensorRtOptions& options,
                                   const DtTensorRtBinding* bindings, std::int64_t binding_count)
    : streams_(options.streams), device_(dt::tensorrt::find_device()), library_(options.library) {
  path_ = dt::tensorrt::fitting_engines(options, device_, library_.version()).back().path;
  runtime_ = library_.create_runtime(&log_);
  for (std::int64_t b = 0; b < binding_count; ++b) {
    add(bindings[b]);
  }
  std::vector<Binding> expected;
  for (const Port& port : ports_) {
    expected.push_back(port.binding);
    if (port.role == kDtTensorRtState) {
      expected.push_back(port.binding);
      expected.back().name.insert(0, "next_");
      expected.back().input = false;
    }
  }
  engine_ = dt::tensorrt::read_engine(runtime_.get(), &log_, path_);
  context_ = dt::tensorrt::open_engine(&log_, path_, *engine_, expected, streams_);
  device_input_ = device_floats(input_floats_);
  device_output_ = device_floats(output_floats_);
  for (std::int64_t launch = 0; launch < kDtTensorRtLaunches; ++launch) {
    host_input_[launch] = pinned_floats(input_floats_);
    host_output_[launch] = pinned_floats(output_floats_);
  }
  for (Port& port : ports_) {
    const auto floats = static_cast<std::int64_t>(
        (port.voice_bytes * static_cast<std::size_t>(streams_) + sizeof(float) - 1) /
        sizeof(float));
    if (port.role == kDtTensorRtState) {
      port.state[0] = device_floats(floats);
      port.state[1] = device_floats(floats);
    } else {
      const bool input = port.role == kDtTensorRtInput;
      set_address(port.binding.name, (input ? device_input_ : device_output_).get() + port.at);
    }
  }
  prepare();
}

void DtTensorRtTalker::add(const DtTensorRtBinding& binding) {
  Port port{};
  port.binding = {binding.name, binding.role != kDtTensorRtOutput, {-1}, binding.half != 0};
  port.role = binding.role;
  std::int64_t values = 1;
  for (std::int64_t i = 0; i < binding.rank; ++i) {
    port.binding.shape.push_back(binding.shape[i]);
    values *= binding.shape[i];
  }
  port.voice_bytes = static_cast<std::size_t>(values) * (binding.half != 0 ? 2 : sizeof(float));
  if (binding.role != kDtTensorRtState) {
    std::int64_t& floats = binding.role == kDtTensorRtInput ? input_floats_ : output_floats_;
    port.at = floats;
    floats += aligned(values * streams_);
  }
  ports_.push_back(std::move(port));
}

// Runs once for each role, as TensorRT wants before a capture, and then records both. With inputs
// of zeros no voice has a column or a frame, and states stay as they are.
void DtTensorRtTalker::prepare() {
  for (int role = 0; role < kDtTensorRtLaunches; ++role) {
    enqueue(role);
    stream_.wait();
    if (graph_note_.empty()) {
      graphs_[role] = dt::tensorrt::capture(stream_, [this, role] { enqueue(role); }, &graph_note_);
    }
  }
  if (!graph_note_.empty()) {
    graphs_[0].reset();
    graphs_[1].reset();
  }
}

std::string DtTensorRtTalker::describe() const {
  return std::string(dt::tensorrt::kLibraryTitle) + " " + library_.version() + " on " +
         device_.name + " (compute capability " +
         dt::tensorrt::capability_text(device_.capability) + "), " + std::to_string(streams_) +
         (streams_ == 1 ? " voice" : " voices") + ", the whole path " +
         (graph_note_.empty() ? "as a CUDA graph" : "without a CUDA graph: " + graph_note_);
}

float* DtTensorRtTalker::input(std::int64_t binding) {
  if (launched_ - waited_ >= kDtTensorRtLaunches) {
    return nullptr;
  }
  return host_input_[role_of(launched_)].get() + ports_[static_cast<std::size_t>(binding)].at;
}

void DtTensorRtTalker::launch() {
  if (launched_ - waited_ >= kDtTensorRtLaunches) {
    refuse("a launch more than can be on their way at once: wait for one first");
  }
  try {
    check(cudaSetDevice(device_.index), "cudaSetDevice");
    const int role = role_of(launched_);
    if (graphs_[role] != nullptr) {
      check(cudaGraphLaunch(graphs_[role].get(), stream_.get()), "cudaGraphLaunch");
    } else {
      enqueue(role);
    }
    done_[role].record(stream_);
  } catch (...) {
    abandon();
    throw;
  }
  ++launched_;
}

void DtTensorRtTalker::wait() {
  if (launched_ == waited_) {
    refuse("no launch is on its way");
  }
  try {
    done_[role_of(waited_)].wait();
  } catch (...) {
    abandon();
    throw;
  }
  ++waited_;
}

// After an error: the pinned memory is free once the stream is done, or will never be used again.
void DtTensorRtTalker::abandon() {
  cudaStreamSynchronize(stream_.get());
  cudaGetLastError();
  waited_ = launched_;
}

const float* DtTensorRtTalker::output(std::int64_t binding) const {
  const int role = role_of(waited_ + kDtTensorRtLaunches - 1);
  return host_output_[role].get() + ports_[static_cast<std::size_t>(binding)].at;
}

void DtTensorRtTalker::forget(std::int64_t stream) {
  check(cudaSetDevice(device_.index), "cudaSetDevice");
  for (const Port& port : ports_) {
    if (port.role == kDtTensorRtState) {
      char* state = reinterpret_cast<char*>(port.state[role_of(launched_)].get());
      check(cudaMemsetAsync(state + port.voice_bytes * static_cast<std::size_t>(stream), 0,
                            port.voice_bytes, stream_.get()),
            "cudaMemsetAsync");
    }
  }
}

void DtTensorRtTalker::read(std::int64_t binding, std::int64_t stream, void* state) {
  check(cudaSetDevice(device_.index), "cudaSetDevice");
  const Port& port = ports_[static_cast<std::size_t>(binding)];
  const char* from = reinterpret_cast<const char*>(port.state[role_of(launched_)].get());
  check(cudaMemcpyAsync(state, from + port.voice_bytes * static_cast<std::size_t>(stream),
                        port.voice_bytes, cudaMemcpyDeviceToHost, stream_.get()),
        "reading a state");
  stream_.wait();
}

void DtTensorRtTalker::enqueue(int role) {
  for (const Port& port : ports_) {
    if (port.role == kDtTensorRtState) {
      set_address(port.binding.name, port.state[role].get());
      set_address("next_" + port.binding.name, port.state[1 - role].get());
    }
  }
  check(cudaMemcpyAsync(device_input_.get(), host_input_[role].get(), bytes_of(input_floats_),
                        cudaMemcpyHostToDevice, stream_.get()),
        "copying to the GPU");
  if (!context_->enqueueV3(stream_.get())) {
    refuse(dt::tensorrt::engine_name(path_) + ": the launch failed" + log_.take());
  }
  check(cudaMemcpyAsync(host_output_[role].get(), device_output_.get(), bytes_of(output_floats_),
                        cudaMemcpyDeviceToHost, stream_.get()),
        "copying from the GPU");
}

void DtTensorRtTalker::set_address(const std::string& name, float* address) {
  if (!context_->setTensorAddress(name.c_str(), address)) {
    refuse(dt::tensorrt::engine_name(path_) + ": the address of " + name + " was refused" +
           log_.take());
  }
}
