// The one place that knows Python: convert, release the GIL, call, document.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "dt/log_mel.h"
#include "dt/noise.h"
#include "dt/runtime.h"
#include "features/encoder.h"
#include "sampler/cpu/backend_cpu.h"
#include "sampler/tensorrt/tensorrt_sampler.h"

namespace py = pybind11;

namespace {

using FloatArray = py::array_t<float, py::array::c_style>;
using ModelPointer = std::shared_ptr<const dt::Model>;

std::string shape_text(const py::array& array) { return py::str(py::tuple(array.attr("shape"))); }

// `object` as a contiguous float32 array of `rank` dimensions; nothing but the layout is converted.
FloatArray floats(const std::string& what, const py::handle& object, py::ssize_t rank) {
  if (!py::isinstance<py::array>(object)) {
    throw py::type_error(what + ": expected a float32 array, got " +
                         std::string(py::str(py::type::of(object).attr("__name__"))));
  }
  const auto array = py::reinterpret_borrow<py::array>(object);
  if (!py::isinstance<py::array_t<float>>(array)) {
    throw py::type_error(what + ": expected float32, got " + std::string(py::str(array.dtype())));
  }
  if (array.ndim() != rank) {
    throw py::value_error(what + ": expected " + std::to_string(rank) +
                          " dimension(s), got shape " + shape_text(array));
  }
  return FloatArray::ensure(array);
}

// (rows, columns), with as many columns as the model wants.
FloatArray matrix(const std::string& what, const py::handle& object, py::ssize_t columns) {
  const FloatArray array = floats(what, object, 2);
  if (array.shape(1) != columns) {
    throw py::value_error(what + ": expected shape (n, " + std::to_string(columns) + "), got " +
                          shape_text(array));
  }
  return array;
}

FloatArray frames_array(py::ssize_t frames, std::int64_t width) {
  return FloatArray({frames, static_cast<py::ssize_t>(width)});
}

// ---- configuration -----------------------------------------------------------------------------

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

dt::GateOptions gate_options(const py::dict& dict) {
  dt::GateOptions gate;
  const std::vector<std::pair<const char*, double*>> fields = {
      {"floor_initial_db", &gate.floor_initial_db},
      {"floor_minimum_db", &gate.floor_minimum_db},
      {"floor_maximum_db", &gate.floor_maximum_db},
      {"rise_db_s", &gate.rise_db_s},
      {"margin_db", &gate.margin_db},
      {"threshold_minimum_db", &gate.threshold_minimum_db},
      {"threshold_maximum_db", &gate.threshold_maximum_db},
      {"lookback_ms", &gate.lookback_ms},
      {"hold_ms", &gate.hold_ms},
      {"attack_ms", &gate.attack_ms},
      {"release_ms", &gate.release_ms}};
  for (const auto& [key, value] : fields) {
    if (dict.contains(key)) {
      read(dict, "config gate", key, value);
    }
  }
  for (const auto& item : dict) {
    const std::string key = py::str(item.first);
    if (std::none_of(fields.begin(), fields.end(), [&](const auto& f) { return key == f.first; })) {
      throw py::value_error("model: config gate: expected no option '" + key + "'");
    }
  }
  return gate;
}

std::vector<dt::CurveOptions> curve_options(const py::dict& dict, std::size_t curves) {
  std::vector<dt::CurveOptions> options(curves);
  const auto fill = [&](const char* key, auto set) {
    const std::string what = std::string("model: config postprocess ") + key;
    if (!dict.contains(key)) {
      throw py::value_error(what + ": expected an array, got none");
    }
    const FloatArray values = floats(what, dict[key], 1);
    if (static_cast<std::size_t>(values.size()) != curves) {
      throw py::value_error(what + ": expected shape (" + std::to_string(curves) + ",), got " +
                            shape_text(values));
    }
    for (std::size_t i = 0; i < curves; ++i) {
      set(&options[i], values.data()[i]);
    }
  };
  fill("gain", [](dt::CurveOptions* o, float v) { o->gain = v; });
  fill("offset", [](dt::CurveOptions* o, float v) { o->offset = v; });
  fill("minimum", [](dt::CurveOptions* o, float v) { o->minimum = v; });
  fill("maximum", [](dt::CurveOptions* o, float v) { o->maximum = v; });
  fill("smoothing_ms", [](dt::CurveOptions* o, float v) { o->smoothing_ms = v; });
  fill("rest", [](dt::CurveOptions* o, float v) { o->rest = v; });
  fill("gated", [](dt::CurveOptions* o, float v) { o->gated = v != 0.0F; });
  return options;
}

// None where the encoder has no context.
std::optional<dt::ContextConfig> context_config(const py::object& object) {
  if (object.is_none()) {
    return std::nullopt;
  }
  const std::string where = "config context";
  if (!py::isinstance<py::dict>(object)) {
    throw py::value_error("model: " + where + ": expected a dict or None, got " +
                          std::string(py::repr(object)));
  }
  const auto dict = object.cast<py::dict>();
  dt::ContextConfig context;
  read(dict, where, "width", &context.width);
  read(dict, where, "heads", &context.heads);
  read(dict, where, "layers", &context.layers);
  read(dict, where, "hidden", &context.hidden);
  read(dict, where, "window", &context.window);
  return context;
}

dt::ModelConfig model_config(const py::dict& dict) {
  dt::ModelConfig config;
  py::object context;
  py::dict gate, postprocess;
  const std::string where = "config";
  read(dict, where, "curves", &config.curves);
  read(dict, where, "frame_rate_num", &config.frame_rate_num);
  read(dict, where, "frame_rate_den", &config.frame_rate_den);
  read(dict, where, "channels", &config.channels);
  read(dict, where, "dilations", &config.dilations);
  read(dict, where, "lookahead_columns", &config.lookahead_columns);
  read(dict, where, "context", &context);
  read(dict, where, "hidden", &config.hidden);
  read(dict, where, "layers", &config.layers);
  read(dict, where, "step_dim", &config.step_dim);
  read(dict, where, "train_steps", &config.train_steps);
  read(dict, where, "alpha_bar", &config.alpha_bar);
  read(dict, where, "noise_scale", &config.noise_scale);
  read(dict, where, "default_identity", &config.default_identity);
  read(dict, where, "unknown_cosine", &config.unknown_cosine);
  read(dict, where, "gate", &gate);
  read(dict, where, "postprocess", &postprocess);
  config.context = context_config(context);
  config.gate = gate_options(gate);
  config.curve_options = curve_options(postprocess, config.curves.size());
  return config;
}

// `tensorrt` holds plugin, library and engines; see diffusiontalker/engines.py.
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
    read(fields, where, "frames", &engine.frames);
    read(fields, where, "library_version", &engine.library_version);
    read(fields, where, "capabilities", &engine.capabilities);
    options.engines.push_back(std::move(engine));
  }
  return options;
}

dt::TensorView view(const FloatArray& array) {
  return {std::vector<std::int64_t>(array.shape(), array.shape() + array.ndim()), array.data()};
}

ModelPointer make_model(const py::dict& config, const py::dict& tensors,
                        const py::array& identity_features) {
  const dt::ModelConfig parsed = model_config(config);
  std::vector<FloatArray> arrays;  // keeps copies of what was not contiguous
  dt::TensorMap views;
  for (const auto& item : tensors) {
    const std::string name = py::str(item.first);
    const py::ssize_t rank =
        py::isinstance<py::array>(item.second) ? py::cast<py::array>(item.second).ndim() : 0;
    arrays.push_back(floats("model: tensor " + name, item.second, rank));
    views[name] = view(arrays.back());
  }
  const FloatArray identities = floats("model: identity_features", identity_features, 2);
  const dt::TensorView identity_view = view(identities);
  py::gil_scoped_release release;
  return std::make_shared<const dt::Model>(parsed, views, identity_view);
}

// ---- objects with a state ----------------------------------------------------------------------

// The GIL is released while a state moves on, so a second thread could come in between: it is
// refused.
class Turn {
 public:
  explicit Turn(std::atomic<bool>* busy) : busy_(busy) {
    if (busy_->exchange(true)) {
      throw std::runtime_error("this object is in use by another thread");
    }
  }
  ~Turn() { busy_->store(false); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  std::atomic<bool>* busy_;
};

class PyRuntime {
 public:
  PyRuntime(ModelPointer model, std::uint64_t seed, std::int64_t identity,
            const dt::BackendOptions& backend)
      : model_(std::move(model)), runtime_(model_, seed, identity, backend) {}

  FloatArray step(const py::object& samples) {
    const FloatArray array = floats("step: samples", samples, 1);
    const Turn turn(&busy_);
    const auto count = static_cast<std::int64_t>(array.size());
    FloatArray frames = frames_array(runtime_.frames_due(count), model_->curve_count());
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
    FloatArray frames = frames_array(runtime_.frames_owed(), model_->curve_count());
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
  ModelPointer model_;
  dt::Runtime runtime_;
  std::atomic<bool> busy_{false};
};

class PyLiveRuntime {
 public:
  PyLiveRuntime(ModelPointer model, std::uint64_t seed, std::int64_t identity,
                const dt::BackendOptions& backend, std::int64_t ring_capacity_samples,
                std::int64_t frame_capacity)
      : model_(std::move(model)),
        live_(model_, seed, identity, backend, ring_capacity_samples, frame_capacity) {}

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
    FloatArray frames = frames_array(std::min(ready, max_frames), model_->curve_count());
    // With the GIL held, so that nobody else has taken them since.
    const dt::LiveRuntime::Batch batch = live_.take(frames.shape(0), frames.mutable_data());
    if (batch.count == frames.shape(0)) {
      return py::make_tuple(batch.first_frame, frames);
    }
    // Another thread polled during the wait and took some of them.
    const py::slice taken(0, batch.count, 1);
    return py::make_tuple(batch.first_frame, py::object(frames[taken]));
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

  ModelPointer model_;
  dt::LiveRuntime live_;
};

class PyEncoder {
 public:
  explicit PyEncoder(ModelPointer model) : model_(std::move(model)), encoder_(model_) {}

  FloatArray push(const py::object& mel) {
    const FloatArray in = matrix("push: mel", mel, dt::LogMel::kBands);
    const Turn turn(&busy_);
    FloatArray out = frames_array(in.shape(0), model_->config().channels);
    const float* columns = in.data();
    float* features = out.mutable_data();
    const std::int64_t count = in.shape(0);
    {
      py::gil_scoped_release release;
      encoder_.push(columns, count, features);
    }
    return out;
  }

  void reset() {
    const Turn turn(&busy_);
    encoder_.reset();
  }

 private:
  ModelPointer model_;
  dt::Encoder encoder_;
  std::atomic<bool> busy_{false};
};

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

// ---- functions ---------------------------------------------------------------------------------

py::tuple log_mel(const py::object& samples, bool pad_end) {
  const FloatArray array = floats("log_mel: samples", samples, 1);
  static const dt::LogMel features;
  std::vector<float> bands, level_db;
  {
    const float* data = array.data();
    const auto count = static_cast<std::size_t>(array.size());
    py::gil_scoped_release release;
    features.columns(data, count, pad_end, &bands, &level_db);
  }
  const auto n = static_cast<py::ssize_t>(level_db.size());
  return py::make_tuple(FloatArray({n, static_cast<py::ssize_t>(dt::LogMel::kBands)}, bands.data()),
                        FloatArray(n, level_db.data()));
}

FloatArray noise(std::uint64_t seed, std::int64_t first_frame, py::ssize_t frames, int curves) {
  if (frames < 0 || curves < 0) {
    throw py::value_error("noise: frames, curves: expected no negative number");
  }
  FloatArray out = frames_array(frames, curves);
  float* data = out.mutable_data();
  py::gil_scoped_release release;
  for (py::ssize_t f = 0; f < frames; ++f) {
    dt::normal_noise(seed, first_frame + f, curves, data + f * curves);
  }
  return out;
}

py::dict cpu_info() {
  py::dict info;
  info["kernel"] = dt::default_kernel();
  info["available"] = dt::available_kernels();
  return info;
}

}  // namespace

PYBIND11_MODULE(_core, m) {
  m.doc() = "The C++ runtime of DiffusionTalker Stream.";
  m.def("log_mel", &log_mel, py::arg("samples"), py::arg("pad_end") = false,
        "16 kHz mono float32 (n,) -> (log-mel (columns, 80), level in dBFS (columns,)), 100 Hz.");
  m.def("noise", &noise, py::arg("seed"), py::arg("first_frame"), py::arg("frames"),
        py::arg("curves") = 52,
        "Standard normal float32 (frames, curves) for (seed, frame, curve).");
  m.def("cpu_info", &cpu_info,
        "The kernel in use and those available. ValueError if DT_KERNEL names another.");

  m.def("tensorrt_library", &dt::tensorrt_library, py::arg("plugin"),
        "What the backend was built for: tensorrt or tensorrt_rtx. RuntimeError without one.");
  m.def("probe_tensorrt", &dt::probe_tensorrt, py::arg("plugin"), py::arg("library"),
        "The GPU and TensorRT in a sentence. RuntimeError says what is missing.");

  py::class_<dt::Model, std::shared_ptr<dt::Model>>(
      m, "Model", "Checked and packed weights; immutable, shared by any number of runtimes.")
      .def(py::init([](const py::dict& config, const py::dict& tensors,
                       const py::array& identity_features) {
             return std::const_pointer_cast<dt::Model>(
                 make_model(config, tensors, identity_features));
           }),
           py::arg("config"), py::arg("tensors"), py::arg("identity_features"),
           "Settings, float32 tensors by name, identity features (identities, channels). "
           "ValueError says what, where, expected, got.")
      .def_property_readonly("lookahead_samples", &dt::Model::lookahead_samples)
      .def_property_readonly("frame_rate",
                             [](const dt::Model& model) {
                               return py::make_tuple(model.config().frame_rate_num,
                                                     model.config().frame_rate_den);
                             })
      .def_property_readonly("curve_count", &dt::Model::curve_count)
      .def_property_readonly("sample_steps", &dt::Model::sample_steps)
      .def_property_readonly("identities", &dt::Model::identities)
      .def_property_readonly("kernel", &dt::Model::kernel);

  py::class_<PyRuntime>(m, "Runtime", "One stream of 16 kHz speech; any chunking, the same bits.")
      .def(py::init([](ModelPointer model, std::uint64_t seed, std::int64_t identity,
                       const std::string& backend, const py::object& tensorrt) {
             return std::make_unique<PyRuntime>(std::move(model), seed, identity,
                                                backend_options(backend, tensorrt));
           }),
           py::arg("model"), py::arg("seed"), py::arg("identity"), py::arg("backend") = "cpu",
           py::kw_only(), py::arg("tensorrt") = py::none(),
           "identity: a row of the library, or -1 to follow the voice.")
      .def("step", &PyRuntime::step, py::arg("samples"),
           "float32 (n,) at 16 kHz -> the frames now due, float32 (frames, curves).")
      .def("flush", &PyRuntime::flush, "The frames still owed, as if silence followed.")
      .def("reset", &PyRuntime::reset)
      .def_property_readonly("identity", [](PyRuntime& r) { return r.get(&dt::Runtime::identity); })
      .def_property_readonly("identity_scores", &PyRuntime::identity_scores)
      .def_property_readonly("position_samples",
                             [](PyRuntime& r) { return r.get(&dt::Runtime::position_samples); })
      .def_property_readonly("frames", [](PyRuntime& r) { return r.get(&dt::Runtime::frames); })
      .def_property_readonly("level_db", [](PyRuntime& r) { return r.get(&dt::Runtime::level_db); })
      .def_property_readonly("compute_seconds",
                             [](PyRuntime& r) { return r.get(&dt::Runtime::compute_seconds); });

  py::class_<PyLiveRuntime> live(m, "LiveRuntime", "A Runtime behind a ring buffer, in a thread.");
  live.def(py::init([](ModelPointer model, std::uint64_t seed, std::int64_t identity,
                       const std::string& backend, std::int64_t ring_capacity_samples,
                       std::int64_t frame_capacity, const py::object& tensorrt) {
             return std::make_unique<PyLiveRuntime>(std::move(model), seed, identity,
                                                    backend_options(backend, tensorrt),
                                                    ring_capacity_samples, frame_capacity);
           }),
           py::arg("model"), py::arg("seed"), py::arg("identity"), py::arg("backend") = "cpu",
           py::arg("ring_capacity_samples") = 64000, py::arg("frame_capacity") = 512, py::kw_only(),
           py::arg("tensorrt") = py::none())
      .def("push", &PyLiveRuntime::push, py::arg("samples"),
           "float32 (n,) at 16 kHz -> samples taken; the rest is dropped and counted.")
      .def("poll", &PyLiveRuntime::poll, py::arg("max_frames") = 64, py::arg("timeout_s") = 0.0,
           "(index of the first frame, frames (n, curves)), waiting for the first of them.")
      .def("finish", [](PyLiveRuntime& l) { l.live().finish(); })
      .def(
          "stop", [](PyLiveRuntime& l) { l.live().stop(); },
          py::call_guard<py::gil_scoped_release>())
      .def("reset", &PyLiveRuntime::reset);
  const auto property = [&live](const char* name, auto member) {
    live.def_property_readonly(name, [member](PyLiveRuntime& l) { return (l.live().*member)(); });
  };
  property("finished", &dt::LiveRuntime::finished);
  property("dropped_samples", &dt::LiveRuntime::dropped_samples);
  property("dropped_frames", &dt::LiveRuntime::dropped_frames);
  property("invalid_samples", &dt::LiveRuntime::invalid_samples);
  property("position_samples", &dt::LiveRuntime::position_samples);
  property("frames", &dt::LiveRuntime::frames);
  property("identity", &dt::LiveRuntime::identity);
  property("level_db", &dt::LiveRuntime::level_db);
  property("compute_seconds", &dt::LiveRuntime::compute_seconds);

  py::class_<PyEncoder>(m, "Encoder", "The audio encoder alone, for comparisons.")
      .def(py::init<ModelPointer>(), py::arg("model"))
      .def("push", &PyEncoder::push, py::arg("mel"), "float32 (n, 80) -> float32 (n, channels).")
      .def("reset", &PyEncoder::reset);

  py::class_<PySampler>(m, "Sampler", "The diffusion sampler alone, for comparisons.")
      .def(py::init<ModelPointer>(), py::arg("model"))
      .def("sample", &PySampler::sample, py::arg("audio"), py::arg("identity"), py::arg("noise"),
           "(n, channels), (n, channels), (n, curves) -> x0 (n, curves), standardised.")
      .def("trace", &PySampler::trace, py::arg("audio"), py::arg("identity"), py::arg("noise"),
           "The same, every x on the way: (steps + 1, n, curves), the noise first.")
      .def("state", &PySampler::state, "Recurrent states: (steps, layers, hidden).")
      .def("reset", &PySampler::reset);

  py::class_<PyTensorRtSampler>(m, "TensorRtSampler",
                                "The diffusion sampler on a GPU, a number of voices in one launch.")
      .def(py::init<ModelPointer, const py::dict&, std::int64_t>(), py::arg("model"),
           py::arg("tensorrt"), py::arg("streams") = 1,
           "tensorrt: see diffusiontalker.engines. RuntimeError says what is missing.")
      .def_property_readonly("streams", &PyTensorRtSampler::streams)
      .def("sample", &PyTensorRtSampler::sample, py::arg("audio"), py::arg("identity"),
           py::arg("noise"), py::arg("active") = py::none(),
           "(streams, n, channels) twice, (streams, n, curves) -> x0 (streams, n, curves). Voices "
           "that are not active keep their state; their rows are zeros.")
      .def("state", &PyTensorRtSampler::state, "(steps, layers, streams, hidden).")
      .def("reset", &PyTensorRtSampler::reset, py::arg("stream") = -1)
      .def("describe", &PyTensorRtSampler::describe);
}
