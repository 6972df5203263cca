#include "curves/knobs.h"

#include <pybind11/stl.h>

#include <string>
#include <utility>
#include <vector>

#include "arrays.h"
#include "curves/knob_settings.h"
#include "dt/refusal.h"
#include "module.h"

namespace dt_python {
namespace {

using Entries = std::vector<std::pair<std::string, double>>;

std::vector<dt::KnobEntry> entries_of(const Entries& given) {
  std::vector<dt::KnobEntry> entries;
  for (const auto& [name, value] : given) {
    entries.push_back({name, value});
  }
  return entries;
}

class PyKnobs {
 public:
  PyKnobs(const std::vector<std::string>& names, std::int64_t curves, double frame_seconds)
      : width_(static_cast<std::int64_t>(names.size())),
        values_{names, static_cast<std::size_t>(curves)},
        knobs_(width_, curves, frame_seconds) {
    if (curves < 0 || width_ < curves || !(frame_seconds > 0.0)) {
      throw py::value_error("Knobs: expected 0 <= curves <= names and frame_seconds above 0");
    }
  }

  std::vector<std::size_t> chosen(const std::string& key) const {
    return dt::chosen_values(key, values_);
  }

  // Here and in push the GIL is kept: it takes microseconds, and one thread may turn what another
  // polls.
  void set(const Entries& gain, const Entries& offset, double strength_lower, double strength_upper,
           double smooth_ms) {
    const dt::KnobSettings settings = {entries_of(gain), entries_of(offset), strength_lower,
                                       strength_upper, smooth_ms};
    dt::raise_if(dt::check_knobs(settings, values_));
    const dt::KnobNumbers numbers = dt::knob_numbers(settings, values_);
    knobs_.set(numbers.gain.data(), numbers.offset.data(), smooth_ms);
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
  dt::ValueNames values_;
  dt::Knobs knobs_;
};

}  // namespace

void bind_knobs(py::module_& m) {
  py::class_<PyKnobs>(m, "Knobs", "Gain, offset and smoothing of frames as they are delivered.")
      .def(py::init<const std::vector<std::string>&, std::int64_t, double>(), py::arg("names"),
           py::arg("curves"), py::arg("frame_seconds"),
           "Frames of values so named, the first `curves` of them within 0 and 1.")
      .def("chosen", &PyKnobs::chosen, py::arg("key"),
           "The values that a group, a name or a pattern means; none for what is no such thing.")
      .def("set", &PyKnobs::set, py::arg("gain"), py::arg("offset"), py::arg("strength_lower"),
           py::arg("strength_upper"), py::arg("smooth_ms"),
           "Pairs of a key and a number each; from the next frame on. ValueError: nothing has "
           "changed then.")
      .def("push", &PyKnobs::push, py::arg("frames").noconvert(),
           "float32 (n, width), contiguous: changed in place.")
      .def("reset", &PyKnobs::reset, "Forgets the frames, keeps the settings.");
}

}  // namespace dt_python
