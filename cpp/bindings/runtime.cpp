#include <pybind11/stl.h>

#include <atomic>

#include "arrays.h"
#include "dt/runtime.h"
#include "module.h"
#include "turn.h"

namespace dt_python {
namespace {

class PyRuntime {
 public:
  PyRuntime(ModelPointer model, std::uint64_t seed, std::int64_t identity,
            const dt::BackendOptions& backend, const dt::MotionOptions& motion)
      : runtime_(std::move(model), seed, identity, backend, motion) {}

  FloatArray step(const py::object& samples) {
    const FloatArray array = floats("step: samples", samples, 1);
    const Turn turn(&busy_);
    const auto count = static_cast<std::int64_t>(array.size());
    FloatArray frames = frames_array(runtime_.frames_due(count), runtime_.width());
    const float* in = array.data();
    float* out = frames.mutable_data();
    {
      py::gil_scoped_release release;
      runtime_.step(in, count, out);
    }
    return frames;
  }

  FloatArray flush() {
    const Turn turn(&busy_);
    FloatArray frames = frames_array(runtime_.frames_owed(), runtime_.width());
    float* out = frames.mutable_data();
    {
      py::gil_scoped_release release;
      runtime_.flush(out);
    }
    return frames;
  }

  void reset() {
    const Turn turn(&busy_);
    runtime_.reset();
  }

  FloatArray identity_scores() {
    const Turn turn(&busy_);
    const std::vector<float>& scores = runtime_.identity_scores();
    return FloatArray(static_cast<py::ssize_t>(scores.size()), scores.data());
  }

  template <typename T>
  T get(T (dt::Runtime::*property)() const) {
    const Turn turn(&busy_);
    return (runtime_.*property)();
  }

 private:
  dt::Runtime runtime_;
  std::atomic<bool> busy_{false};
};

}  // namespace

void bind_runtime(py::module_& m) {
  py::class_<PyRuntime>(m, "Runtime", "One stream of 16 kHz speech; any chunking, the same bits.")
      .def(py::init([](ModelPointer model, std::uint64_t seed, std::int64_t identity,
                       const std::string& backend, const py::object& tensorrt, double idle,
                       bool head) {
             return std::make_unique<PyRuntime>(std::move(model), seed, identity,
                                                backend_options(backend, tensorrt),
                                                dt::MotionOptions{idle, head});
           }),
           py::arg("model"), py::arg("seed"), py::arg("identity"), py::arg("backend") = "cpu",
           py::kw_only(), py::arg("tensorrt") = py::none(),
           py::arg("idle") = dt::MotionOptions{}.idle, py::arg("head") = dt::MotionOptions{}.head,
           "identity: a row of the library, or -1 to follow the voice.")
      .def("step", &PyRuntime::step, py::arg("samples"),
           "float32 (n,) at 16 kHz -> the frames now due, float32 (frames, width).")
      .def("flush", &PyRuntime::flush, "The frames still owed, as if silence followed.")
      .def("reset", &PyRuntime::reset)
      .def_property_readonly("width", [](PyRuntime& r) { return r.get(&dt::Runtime::width); })
      .def_property_readonly("identity", [](PyRuntime& r) { return r.get(&dt::Runtime::identity); })
      .def_property_readonly("identity_scores", &PyRuntime::identity_scores)
      .def_property_readonly("position_samples",
                             [](PyRuntime& r) { return r.get(&dt::Runtime::position_samples); })
      .def_property_readonly("frames", [](PyRuntime& r) { return r.get(&dt::Runtime::frames); })
      .def_property_readonly("level_db", [](PyRuntime& r) { return r.get(&dt::Runtime::level_db); })
      .def_property_readonly("compute_seconds",
                             [](PyRuntime& r) { return r.get(&dt::Runtime::compute_seconds); });
}

}  // namespace dt_python
