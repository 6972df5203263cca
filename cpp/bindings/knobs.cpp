#include "curves/knobs.h"

#include "arrays.h"
#include "module.h"

namespace dt_python {
namespace {

class PyKnobs {
 public:
  PyKnobs(std::int64_t width, std::int64_t curves, double frame_seconds)
      : width_(width), knobs_(width, curves, frame_seconds) {
    if (curves < 0 || width < curves || !(frame_seconds > 0.0)) {
      throw py::value_error("Knobs: expected 0 <= curves <= width and frame_seconds above 0");
    }
  }

  // Here and in push the GIL is kept: it takes microseconds, and one thread may turn what another
  // polls.
  void set(const py::object& gain, const py::object& offset, double smooth_ms) {
    const FloatArray gains = floats("set: gain", gain, 1),
                     offsets = floats("set: offset", offset, 1);
    if (gains.size() != width_ || offsets.size() != width_) {
      throw py::value_error("set: expected " + std::to_string(width_) + " gains and offsets, got " +
                            shape_text(gains) + " and " + shape_text(offsets));
    }
    knobs_.set(gains.data(), offsets.data(), smooth_ms);
  }

  // In place, so that neutral settings cost no copy.
  void push(py::array_t<float, py::array::c_style> frames) {
    if (frames.ndim() != 2 || frames.shape(1) != width_) {
      throw py::value_error("push: expected shape (n, " + std::to_string(width_) + "), got " +
                            shape_text(frames));
    }
    knobs_.push(frames.shape(0), frames.mutable_data());
  }

  void reset() { knobs_.reset(); }

 private:
  std::int64_t width_;
  dt::Knobs knobs_;
};

}  // namespace

void bind_knobs(py::module_& m) {
  py::class_<PyKnobs>(m, "Knobs", "Gain, offset and smoothing of frames as they are delivered.")
      .def(py::init<std::int64_t, std::int64_t, double>(), py::arg("width"), py::arg("curves"),
           py::arg("frame_seconds"),
           "Frames of `width` values, the first `curves` of them within 0 and 1.")
      .def("set", &PyKnobs::set, py::arg("gain"), py::arg("offset"), py::arg("smooth_ms"),
           "float32 (width,) each; from the next frame on.")
      .def("push", &PyKnobs::push, py::arg("frames").noconvert(),
           "float32 (n, width), contiguous: changed in place.")
      .def("reset", &PyKnobs::reset, "Forgets the frames, keeps the settings.");
}

}  // namespace dt_python
