// The TensorRT backend: its options, its sampler, and the whole path.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include "arrays.h"
#include "dt/log_mel.h"
#include "module.h"
#include "sampler/tensorrt/tensorrt_sampler.h"
#include "sampler/tensorrt/tensorrt_talker.h"
#include "turn.h"

namespace dt_python {
namespace {

template <typename T>
void read(const py::dict& dict, const std::string& where, const char* key, T* value) {
  if (!dict.contains(key)) {
    throw py::value_error("model: " + where + " " + key + ": expected a value, got none");
  }
  const py::object item = dict[key];
  try {
    *value = item.cast<T>();
  } catch (const py::cast_error&) {
    throw py::value_error("model: " + where + " " + key + ": expected another type, got " +
                          std::string(py::repr(item)));
  }
}

class PyTensorRtSampler {
 public:
  PyTensorRtSampler(ModelPointer model, const py::dict& tensorrt, std::int64_t streams)
      : model_(std::move(model)),
        sampler_(model_, backend_options("tensorrt", tensorrt), streams) {}

  FloatArray sample(const py::object& audio_object, const py::object& identity_object,
                    const py::object& noise_object, const py::object& active_object) {
    const std::int64_t channels = model_->config().channels, curves = model_->curve_count();
    const FloatArray audio = floats("audio", audio_object, 3);
    const py::ssize_t frames = audio.shape(1);
    const auto shaped = [&](const char* what, const py::object& object, std::int64_t width) {
      const FloatArray array = floats(what, object, 3);
      if (array.shape(0) != sampler_.streams() || array.shape(1) != frames ||
          array.shape(2) != width) {
        throw py::value_error(std::string(what) + ": expected shape (" +
                              std::to_string(sampler_.streams()) + ", " + std::to_string(frames) +
                              ", " + std::to_string(width) + "), got " + shape_text(array));
      }
      return array;
    };
    shaped("audio", audio, channels);
    const FloatArray identity = shaped("identity", identity_object, channels);
    const FloatArray noise = shaped("noise", noise_object, curves);
    std::vector<std::uint8_t> active(static_cast<std::size_t>(sampler_.streams()), 1);
    if (!active_object.is_none()) {
      const auto wanted = active_object.cast<std::vector<bool>>();
      if (wanted.size() != active.size()) {
        throw py::value_error("active: expected " + std::to_string(active.size()) +
                              " values, got " + std::to_string(wanted.size()));
      }
      std::copy(wanted.begin(), wanted.end(), active.begin());
    }
    const Turn turn(&busy_);
    FloatArray out(
        {static_cast<py::ssize_t>(sampler_.streams()), frames, static_cast<py::ssize_t>(curves)});
    float* x0 = out.mutable_data();
    std::fill(x0, x0 + out.size(), 0.0F);
    {
      py::gil_scoped_release release;
      sampler_.sample(frames, active.data(), audio.data(), identity.data(), noise.data(), x0);
    }
    return out;
  }

  FloatArray state() {
    const Turn turn(&busy_);
    const dt::ModelConfig& config = model_->config();
    FloatArray out({model_->sample_steps(), config.layers, sampler_.streams(), config.hidden});
    sampler_.read_state(out.mutable_data());
    return out;
  }

  void reset(std::int64_t stream) {
    const Turn turn(&busy_);
    if (stream == -1) {
      sampler_.reset();
    } else {
      sampler_.reset(stream);
    }
  }

  std::int64_t streams() const { return sampler_.streams(); }
  std::string describe() const { return sampler_.describe(); }

 private:
  ModelPointer model_;
  dt::TensorRtSampler sampler_;
  std::atomic<bool> busy_{false};
};

// Launches of all voices without what stands around them in a runtime: to be measured.
class PyTensorRtTalker {
 public:
  PyTensorRtTalker(ModelPointer model, const py::dict& tensorrt, std::int64_t streams)
      : model_(std::move(model)),
        talker_(model_, backend_options("tensorrt", tensorrt), streams),
        identity_(static_cast<std::size_t>(streams)),
        scores_(static_cast<std::size_t>(streams * model_->identities())) {}

  // Every voice's next frame, with all the columns that a tick has room for.
  FloatArray talk(const py::object& mel_object, const py::object& noise_object) {
    const FloatArray mel = floats("mel", mel_object, 3), noise = floats("noise", noise_object, 2);
    const py::ssize_t streams = talker_.voices(), room = talker_.room();
    const py::ssize_t curves = model_->curve_count();
    if (mel.shape(0) != streams || mel.shape(1) != room || mel.shape(2) != dt::LogMel::kBands) {
      throw py::value_error("mel: expected shape (" + std::to_string(streams) + ", " +
                            std::to_string(room) + ", 80), got " + shape_text(mel));
    }
    if (noise.shape(0) != streams || noise.shape(1) != curves) {
      throw py::value_error("noise: expected shape (" + std::to_string(streams) + ", " +
                            std::to_string(curves) + "), got " + shape_text(noise));
    }
    const Turn turn(&busy_);
    FloatArray out({streams, curves});
    ticks_.clear();
    for (py::ssize_t v = 0; v < streams; ++v) {
      ticks_.push_back({v, mel.data(v, 0, 0), room, true, true, 0.5F, true, 0, noise.data(v, 0),
                        out.mutable_data(v, 0), &identity_[static_cast<std::size_t>(v)],
                        &scores_[static_cast<std::size_t>(v * model_->identities())]});
    }
    {
      py::gil_scoped_release release;
      talker_.talk(ticks_.data(), streams);
      talker_.rest();
    }
    return out;
  }

  void reset() {
    const Turn turn(&busy_);
    for (std::int64_t voice = 0; voice < talker_.voices(); ++voice) {
      talker_.reset(voice);
    }
  }

  std::int64_t streams() const { return talker_.voices(); }
  std::int64_t room() const { return talker_.room(); }
  std::string describe() const { return talker_.describe(); }

 private:
  ModelPointer model_;
  dt::TensorRtTalker talker_;
  std::vector<std::int64_t> identity_;
  std::vector<float> scores_;
  std::vector<dt::Backend::Tick> ticks_;
  std::atomic<bool> busy_{false};
};

}  // namespace

dt::BackendOptions backend_options(const std::string& name, const py::object& tensorrt) {
  dt::BackendOptions options(name);
  const py::dict dict = tensorrt.is_none() ? py::dict() : tensorrt.cast<py::dict>();
  if (dict.empty()) {
    return options;
  }
  const std::string where = "tensorrt";
  read(dict, where, "plugin", &options.plugin);
  read(dict, where, "library", &options.library);
  py::list engines;
  read(dict, where, "engines", &engines);
  for (const py::handle& item : engines) {
    const auto fields = item.cast<py::dict>();
    dt::TensorRtEngine engine;
    read(fields, where, "path", &engine.path);
    read(fields, where, "graph", &engine.graph);
    read(fields, where, "precision", &engine.precision);
    read(fields, where, "frames", &engine.frames);
    read(fields, where, "library_version", &engine.library_version);
    read(fields, where, "capabilities", &engine.capabilities);
    options.engines.push_back(std::move(engine));
  }
  return options;
}

void bind_tensorrt_sampler(py::module_& m) {
  m.def("tensorrt_library", &dt::tensorrt_library, py::arg("plugin"),
        "What the backend was built for: tensorrt or tensorrt_rtx. RuntimeError without one.");
  m.def("probe_tensorrt", &dt::probe_tensorrt, py::arg("plugin"), py::arg("library"),
        "The GPU and TensorRT in a sentence. RuntimeError says what is missing.");

  py::class_<PyTensorRtSampler>(m, "TensorRtSampler",
                                "The diffusion sampler on a GPU, a number of voices in one launch.")
      .def(py::init<ModelPointer, const py::dict&, std::int64_t>(), py::arg("model"),
           py::arg("tensorrt"), py::arg("streams") = 1,
           "tensorrt: see diffusiontalker.tensorrt.engines. RuntimeError says what is missing.")
      .def_property_readonly("streams", &PyTensorRtSampler::streams)
      .def("sample", &PyTensorRtSampler::sample, py::arg("audio"), py::arg("identity"),
           py::arg("noise"), py::arg("active") = py::none(),
           "(streams, n, channels) twice, (streams, n, curves) -> x0 (streams, n, curves). Voices "
           "that are not active keep their state; their rows are zeros.")
      .def("state", &PyTensorRtSampler::state, "(steps, layers, streams, hidden).")
      .def("reset", &PyTensorRtSampler::reset, py::arg("stream") = -1)
      .def("describe", &PyTensorRtSampler::describe);

  py::class_<PyTensorRtTalker>(m, "TensorRtTalker",
                               "The whole path on a GPU, a number of voices in one launch.")
      .def(py::init<ModelPointer, const py::dict&, std::int64_t>(), py::arg("model"),
           py::arg("tensorrt"), py::arg("streams") = 1,
           "tensorrt: see diffusiontalker.tensorrt.engines. RuntimeError says what is missing.")
      .def_property_readonly("streams", &PyTensorRtTalker::streams)
      .def_property_readonly("room", &PyTensorRtTalker::room, "Columns of a voice a launch.")
      .def("talk", &PyTensorRtTalker::talk, py::arg("mel"), py::arg("noise"),
           "Every voice's next frame: (streams, room, 80), (streams, curves) -> curves (streams, "
           "curves).")
      .def("reset", &PyTensorRtTalker::reset)
      .def("describe", &PyTensorRtTalker::describe);
}

}  // namespace dt_python
