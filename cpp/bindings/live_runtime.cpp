#include <pybind11/stl.h>

#include <algorithm>

#include "arrays.h"
#include "dt/live_runtime.h"
#include "module.h"

namespace dt_python {
namespace {

class PyLiveRuntime {
 public:
  PyLiveRuntime(ModelPointer model, std::uint64_t seed, std::int64_t identity,
                const dt::BackendOptions& backend, std::int64_t ring_capacity_samples,
                std::int64_t frame_capacity, const dt::MotionOptions& motion)
      : live_(std::move(model), seed, identity, backend, ring_capacity_samples, frame_capacity,
              motion) {}

  // Keeps the GIL: it takes microseconds, and two Python threads can then not push at once.
  std::int64_t push(const py::object& samples) {
    const FloatArray array = floats("push: samples", samples, 1);
    return live_.push(array.data(), static_cast<std::int64_t>(array.size()));
  }

  py::tuple poll(std::int64_t max_frames, double timeout_s) {
    if (max_frames < 1) {
      throw py::value_error("poll: max_frames: expected at least 1, got " +
                            std::to_string(max_frames));
    }
    const std::int64_t ready = wait(timeout_s);
    FloatArray frames = frames_array(std::min(ready, max_frames), live_.width());
    py::array_t<std::uint8_t> steps(frames.shape(0));
    // With the GIL held, so that nobody else has taken them since.
    const dt::LiveRuntime::Batch batch =
        live_.take(frames.shape(0), frames.mutable_data(), steps.mutable_data());
    if (batch.count == frames.shape(0)) {
      return py::make_tuple(batch.first_frame, frames, steps);
    }
    // Another thread polled during the wait and took some of them.
    const py::slice taken(0, batch.count, 1);
    return py::make_tuple(batch.first_frame, py::object(frames[taken]), py::object(steps[taken]));
  }

  void set_overload(const std::string& overload) {
    if (overload != "keep" && overload != "skip" && overload != "steps") {
      throw py::value_error("overload: expected keep, skip or steps, got '" + overload + "'");
    }
    live_.set_overload(overload == "skip"    ? dt::Overload::kSkip
                       : overload == "steps" ? dt::Overload::kSteps
                                             : dt::Overload::kKeep);
  }

  // The worker never asks for the GIL, so joining it needs no release; keeping it keeps push() out.
  void reset() { live_.reset(); }

  dt::LiveRuntime& live() { return live_; }

 private:
  // In slices, so that Ctrl-C gets through a long wait.
  std::int64_t wait(double timeout_s) {
    constexpr double kSliceSeconds = 0.05;
    for (;;) {
      std::int64_t ready = 0;
      {
        py::gil_scoped_release release;
        ready = live_.wait(std::min(timeout_s, kSliceSeconds));
      }
      timeout_s -= kSliceSeconds;
      if (ready > 0 || !(timeout_s > 0.0) || live_.finished()) {
        return ready;
      }
      if (PyErr_CheckSignals() != 0) {
        throw py::error_already_set();
      }
    }
  }

  dt::LiveRuntime live_;
};

}  // namespace

void bind_live_runtime(py::module_& m) {
  py::class_<PyLiveRuntime> live(m, "LiveRuntime", "A Runtime behind a ring buffer, in a thread.");
  live.def(py::init([](ModelPointer model, std::uint64_t seed, std::int64_t identity,
                       const std::string& backend, std::int64_t ring_capacity_samples,
                       std::int64_t frame_capacity, const py::object& tensorrt, double idle,
                       bool head) {
             return std::make_unique<PyLiveRuntime>(
                 std::move(model), seed, identity, backend_options(backend, tensorrt),
                 ring_capacity_samples, frame_capacity, dt::MotionOptions{idle, head});
           }),
           py::arg("model"), py::arg("seed"), py::arg("identity"), py::arg("backend") = "cpu",
           py::arg("ring_capacity_samples") = 64000, py::arg("frame_capacity") = 512, py::kw_only(),
           py::arg("tensorrt") = py::none(), py::arg("idle") = dt::MotionOptions{}.idle,
           py::arg("head") = dt::MotionOptions{}.head)
      .def("push", &PyLiveRuntime::push, py::arg("samples"),
           "float32 (n,) at 16 kHz -> samples taken; the rest is dropped and counted.")
      .def("poll", &PyLiveRuntime::poll, py::arg("max_frames") = 64, py::arg("timeout_s") = 0.0,
           "(index of the first frame, frames (n, width), the sampling steps of each, 0 for one "
           "that was skipped), waiting for the first of them.")
      .def("set_overload", &PyLiveRuntime::set_overload, py::arg("overload"),
           "\"keep\", \"skip\" or \"steps\": what is done where sound comes too fast.")
      .def("finish", [](PyLiveRuntime& l) { l.live().finish(); })
      .def(
          "stop", [](PyLiveRuntime& l) { l.live().stop(); },
          py::call_guard<py::gil_scoped_release>())
      .def("reset", &PyLiveRuntime::reset);
  const auto property = [&live](const char* name, auto member) {
    live.def_property_readonly(name, [member](PyLiveRuntime& l) { return (l.live().*member)(); });
  };
  property("width", &dt::LiveRuntime::width);
  property("finished", &dt::LiveRuntime::finished);
  property("room", &dt::LiveRuntime::room);
  property("ring_capacity_samples", &dt::LiveRuntime::ring_capacity_samples);
  property("dropped_samples", &dt::LiveRuntime::dropped_samples);
  property("dropped_frames", &dt::LiveRuntime::dropped_frames);
  property("invalid_samples", &dt::LiveRuntime::invalid_samples);
  property("position_samples", &dt::LiveRuntime::position_samples);
  property("frames", &dt::LiveRuntime::frames);
  property("identity", &dt::LiveRuntime::identity);
  property("level_db", &dt::LiveRuntime::level_db);
  property("compute_seconds", &dt::LiveRuntime::compute_seconds);
}

}  // namespace dt_python
