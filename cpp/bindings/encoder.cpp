#include <atomic>

#include "arrays.h"
#include "features/encoder.h"
#include "module.h"
#include "turn.h"

namespace dt_python {
namespace {

class PyEncoder {
 public:
  explicit PyEncoder(ModelPointer model)
      : model_(std::move(model)), encoder_(model_), state_(*model_) {}

  FloatArray push(const py::object& mel) {
    const FloatArray in = matrix("push: mel", mel, dt::LogMel::kBands);
    const Turn turn(&busy_);
    FloatArray out = frames_array(in.shape(0), model_->config().channels);
    const float* columns = in.data();
    float* features = out.mutable_data();
    const std::int64_t count = in.shape(0);
    {
      py::gil_scoped_release release;
      const dt::Encoder::Job job = {&state_, columns, count, features};
      encoder_.push(&job, 1);
    }
    return out;
  }

  void reset() {
    const Turn turn(&busy_);
    state_.reset();
  }

 private:
  ModelPointer model_;
  dt::Encoder encoder_;
  dt::EncoderState state_;
  std::atomic<bool> busy_{false};
};

}  // namespace

void bind_encoder(py::module_& m) {
  py::class_<PyEncoder>(m, "Encoder", "The audio encoder alone, for comparisons.")
      .def(py::init<ModelPointer>(), py::arg("model"))
      .def("push", &PyEncoder::push, py::arg("mel"), "float32 (n, 80) -> float32 (n, channels).")
      .def("reset", &PyEncoder::reset);
}

}  // namespace dt_python
