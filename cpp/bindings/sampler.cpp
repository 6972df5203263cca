#include <atomic>

#include "arrays.h"
#include "module.h"
#include "sampler/cpu/backend_cpu.h"
#include "turn.h"

namespace dt_python {
namespace {

class PySampler {
 public:
  explicit PySampler(ModelPointer model) : model_(std::move(model)), backend_(model_) {}

  FloatArray sample(const py::object& audio, const py::object& identity, const py::object& noise) {
    const Inputs in(*model_, audio, identity, noise);
    const Turn turn(&busy_);
    FloatArray out = frames_array(in.frames, model_->curve_count());
    float* x0 = out.mutable_data();
    {
      py::gil_scoped_release release;
      backend_.sample(in.frames, in.audio.data(), in.identity.data(), in.noise.data(), x0);
    }
    return out;
  }

  FloatArray trace(const py::object& audio, const py::object& identity, const py::object& noise) {
    const Inputs in(*model_, audio, identity, noise);
    const Turn turn(&busy_);
    FloatArray out({static_cast<py::ssize_t>(model_->sample_steps() + 1), in.frames,
                    static_cast<py::ssize_t>(model_->curve_count())});
    float* x = out.mutable_data();
    {
      py::gil_scoped_release release;
      backend_.trace(in.frames, in.audio.data(), in.identity.data(), in.noise.data(), x);
    }
    return out;
  }

  FloatArray state() {
    const Turn turn(&busy_);
    const dt::ModelConfig& config = model_->config();
    FloatArray out({model_->sample_steps(), config.layers, config.hidden});
    backend_.read_state(out.mutable_data());
    return out;
  }

  void reset() {
    const Turn turn(&busy_);
    backend_.reset();
  }

 private:
  struct Inputs {
    Inputs(const dt::Model& model, const py::object& audio_object,
           const py::object& identity_object, const py::object& noise_object)
        : audio(matrix("audio", audio_object, model.config().channels)),
          identity(matrix("identity", identity_object, model.config().channels)),
          noise(matrix("noise", noise_object, model.curve_count())),
          frames(audio.shape(0)) {
      if (identity.shape(0) != frames || noise.shape(0) != frames) {
        throw py::value_error("audio, identity, noise: expected the same number of frames, got " +
                              std::to_string(frames) + ", " + std::to_string(identity.shape(0)) +
                              ", " + std::to_string(noise.shape(0)));
      }
    }
    FloatArray audio, identity, noise;
    py::ssize_t frames;
  };

  ModelPointer model_;
  dt::CpuBackend backend_;
  std::atomic<bool> busy_{false};
};

}  // namespace

void bind_sampler(py::module_& m) {
  py::class_<PySampler>(m, "Sampler", "The diffusion sampler alone, for comparisons.")
      .def(py::init<ModelPointer>(), py::arg("model"))
      .def("sample", &PySampler::sample, py::arg("audio"), py::arg("identity"), py::arg("noise"),
           "(n, channels), (n, channels), (n, curves) -> x0 (n, curves), standardised.")
      .def("trace", &PySampler::trace, py::arg("audio"), py::arg("identity"), py::arg("noise"),
           "The same, every x on the way: (steps + 1, n, curves), the noise first.")
      .def("state", &PySampler::state, "Recurrent states: (steps, layers, hidden).")
      .def("reset", &PySampler::reset);
}

}  // namespace dt_python
