#include <pybind11/pybind11.h>

#include "dt/time_base.h"
#include "module.h"

namespace dt_python {

void bind_time_base(py::module_& m) {
  using dt::TimeBase;
  py::class_<TimeBase> bound(
      m, "TimeBase", "Samples at 16 kHz, mel columns at 100 Hz and frames: exact whole numbers.");
  bound.attr("SAMPLE_RATE_HZ") = TimeBase::kSampleRateHz;
  bound.attr("COLUMN_RATE_HZ") = TimeBase::kColumnRateHz;
  bound.attr("HOP_SAMPLES") = TimeBase::kHopSamples;
  bound.attr("WINDOW_LOOKAHEAD_SAMPLES") = TimeBase::kWindowLookaheadSamples;
  bound
      .def(py::init<std::int64_t, std::int64_t, std::int64_t>(), py::arg("frame_rate_num"),
           py::arg("frame_rate_den"), py::arg("lookahead_columns"))
      .def_property_readonly("lookahead_samples", &TimeBase::lookahead_samples,
                             "Audio needed past a frame's instant, the worst case of all frames.")
      .def("due_frames", &TimeBase::due_frames, py::arg("samples"),
           "Frames whose instant plus the look-ahead is covered by so many samples.")
      .def("total_frames", &TimeBase::total_frames, py::arg("samples"),
           "Frames of a recording: those whose instant lies within it.")
      .def("samples_for", &TimeBase::samples_for, py::arg("frames"),
           "Samples after which so many frames, at least one, are due.")
      .def(
          "column_position",
          [](const TimeBase& time, std::int64_t frame) {
            const TimeBase::ColumnPosition at = time.column_position(frame);
            return py::make_tuple(at.column, at.fraction);
          },
          py::arg("frame"),
          "Where the encoder's columns are read: (column, fraction of the way to the next).")
      .def("last_column", &TimeBase::last_column, py::arg("frame"), "The last column it needs.")
      .def("first_column_since", &TimeBase::first_column_since, py::arg("frame"),
           py::arg("microseconds"),
           "The first column centred no earlier than this long before the frame's instant.");
}

}  // namespace dt_python
