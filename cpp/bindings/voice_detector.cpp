#include <memory>

#include "arrays.h"
#include "audio/voice.h"
#include "module.h"

namespace dt_python {
namespace {

using BoolArray = py::array_t<bool, py::array::c_style>;

BoolArray push(dt::VoiceDetector& detector, const py::object& level_db) {
  const FloatArray levels = floats("push: level_db", level_db, 1);
  BoolArray voiced(levels.size());
  detector.push(levels.data(), static_cast<std::int64_t>(levels.size()), voiced.mutable_data());
  return voiced;
}

}  // namespace

void bind_voice_detector(py::module_& m) {
  py::class_<dt::VoiceDetector>(m, "VoiceDetector",
                                "Which mel columns stand out of the noise floor, which it tracks.")
      .def(py::init<const dt::GateOptions&>(), py::arg("gate"))
      .def("push", &push, py::arg("level_db"), "dBFS float32 (columns,) -> bool (columns,).")
      .def("reset", &dt::VoiceDetector::reset);
}

}  // namespace dt_python
