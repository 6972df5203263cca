#include "features/alignment.h"

#include <atomic>
#include <memory>

#include "arrays.h"
#include "module.h"
#include "turn.h"

namespace dt_python {
namespace {

using BoolArray = py::array_t<bool, py::array::c_style>;

class PyAlignment {
 public:
  PyAlignment(const dt::TimeBase& time, std::int64_t channels, const dt::GateOptions& gate,
              std::int64_t max_columns)
      : time_(time),
        channels_(channels),
        max_columns_(max_columns),
        alignment_(time, channels, gate.lookback_ms, max_columns) {
    if (channels < 1 || max_columns < 0) {
      throw py::value_error("alignment: channels, max_columns: expected at least 1 and 0");
    }
  }

  py::tuple push(const py::object& features, const BoolArray& voiced, std::int64_t samples) {
    const FloatArray in = matrix("push: features", features, channels_);
    const std::int64_t columns = in.shape(0);
    if (voiced.ndim() != 1 || voiced.size() != columns || columns > max_columns_) {
      throw py::value_error("push: expected as many voiced columns as features, at most " +
                            std::to_string(max_columns_) + ", got " + shape_text(voiced) + " and " +
                            shape_text(in));
    }
    const Turn turn(&busy_);
    // A frame that is due reads up to its last column.
    const std::int64_t due = time_.due_frames(samples);
    if (due > 0 && time_.last_column(due - 1) >= columns_ + columns) {
      throw py::value_error("push: " + std::to_string(samples) + " samples make " +
                            std::to_string(due) + " frames due, which need more columns than the " +
                            std::to_string(columns_ + columns) + " that have come");
    }
    if (due < frames_) {
      throw py::value_error("push: samples: expected a position that does not fall back");
    }
    columns_ += columns;
    FloatArray audio = frames_array(due - frames_, channels_);
    BoolArray out(due - frames_);
    frames_ = due;
    alignment_.push(in.data(), voiced.data(), columns, samples, audio.mutable_data(),
                    out.mutable_data());
    return py::make_tuple(audio, out);
  }

 private:
  dt::TimeBase time_;
  std::int64_t channels_, max_columns_;
  dt::Alignment alignment_;
  std::int64_t columns_ = 0, frames_ = 0;  // so far
  std::atomic<bool> busy_{false};
};

}  // namespace

void bind_alignment(py::module_& m) {
  py::class_<PyAlignment>(m, "Alignment", "From the encoder's columns to motion frames.")
      .def(py::init<const dt::TimeBase&, std::int64_t, const dt::GateOptions&, std::int64_t>(),
           py::arg("time"), py::arg("channels"), py::arg("gate"), py::arg("max_columns"),
           "max_columns: the most of a push.")
      .def("push", &PyAlignment::push, py::arg("features"), py::arg("voiced"), py::arg("samples"),
           "float32 (columns, channels), bool (columns,) and the samples heard so far -> what of "
           "the frames now due: float32 (frames, channels), bool (frames,).");
}

}  // namespace dt_python
