#include "sampler/tensorrt/plugin/sampler.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sampler/tensorrt/plugin/engines.h"
#include "sampler/tensorrt/plugin/refuse.h"

using dt::tensorrt::check;
using dt::tensorrt::device_floats;
using dt::tensorrt::DeviceFloats;
using dt::tensorrt::Launch;
using dt::tensorrt::refuse;

DtTensorRtSampler::DtTensorRtSampler(const DtTensorRtModel& model, const DtTensorRtOptions& options)
    : sizes_{model.steps, model.layers, model.hidden, model.channels, model.curves, model.step_dim},
      streams_(options.streams),
      device_(dt::tensorrt::find_device()),
      library_(options.library) {
  const std::vector<DtTensorRtEngine> engines =
      dt::tensorrt::fitting_engines(options, device_, library_.version());
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
    launches_.push_back(std::make_unique<Launch>(runtime_.get(), &log_, engine, sizes_, streams_));
    launches_.back()->set_address("step_table", table_.get());
    launches_.back()->prepare(stream_, states);
  }
  reset(-1);
}

std::string DtTensorRtSampler::describe() const {
  std::string text = std::string(dt::tensorrt::kLibraryTitle) + " " + library_.version() + " on " +
                     device_.name + " (compute capability " +
                     dt::tensorrt::capability_text(device_.capability) + "), " +
                     std::to_string(streams_) + (streams_ == 1 ? " voice" : " voices");
  for (const auto& launch : launches_) {
    text += "; " + launch->describe();
  }
  return text;
}

void DtTensorRtSampler::sample(std::int64_t frames, const std::uint8_t* active, const float* audio,
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

void DtTensorRtSampler::reset(std::int64_t stream) {
  check(cudaSetDevice(device_.index), "cudaSetDevice");
  const std::int64_t first = std::max<std::int64_t>(stream, 0);
  const std::int64_t count = stream < 0 ? streams_ : 1;
  check(cudaMemset2DAsync(state_[role_].get() + first * sizes_.hidden, pitch(), 0,
                          static_cast<std::size_t>(count) * row(), rows(), stream_.get()),
        "cudaMemset2DAsync");
  stream_.wait();
  failed_ = failed_ && stream >= 0;
}

void DtTensorRtSampler::read_state(float* state) {
  check(cudaSetDevice(device_.index), "cudaSetDevice");
  check(cudaMemcpyAsync(state, state_[role_].get(),
                        static_cast<std::size_t>(state_floats()) * sizeof(float),
                        cudaMemcpyDeviceToHost, stream_.get()),
        "reading the states");
  stream_.wait();
}

void DtTensorRtSampler::keep_state(std::int64_t stream) {
  check(cudaMemcpy2DAsync(state_[1 - role_].get() + stream * sizes_.hidden, pitch(),
                          state_[role_].get() + stream * sizes_.hidden, pitch(), row(), rows(),
                          cudaMemcpyDeviceToDevice, stream_.get()),
        "cudaMemcpy2DAsync");
}

void DtTensorRtSampler::gather(const std::uint8_t* active, const float* from, std::int64_t frames,
                               std::int64_t at, std::int64_t count, std::int64_t width,
                               float* to) const {
  for (std::int64_t s = 0; s < streams_; ++s, to += count * width) {
    const float* begin = from + (s * frames + at) * width;
    if (active[s] != 0) {
      std::copy(begin, begin + count * width, to);
    } else {
      std::fill(to, to + count * width, 0.0F);
    }
  }
}

void DtTensorRtSampler::scatter(const std::uint8_t* active, const float* from, std::int64_t frames,
                                std::int64_t at, std::int64_t count, float* to) const {
  const std::int64_t width = sizes_.curves;
  for (std::int64_t s = 0; s < streams_; ++s, from += count * width) {
    if (active[s] != 0) {
      std::copy(from, from + count * width, to + (s * frames + at) * width);
    }
  }
}
