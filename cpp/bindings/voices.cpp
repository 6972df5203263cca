#include <pybind11/stl.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "arrays.h"
#include "dt/voices.h"
#include "module.h"
#include "turn.h"

namespace dt_python {
namespace {

class PyVoices {
 public:
  PyVoices(ModelPointer model, const std::vector<dt::VoiceOptions>& voices,
           const dt::BackendOptions& backend, const dt::MotionOptions& motion, std::int64_t threads)
      : voices_(std::move(model), voices, backend, motion, threads),
        chunks_(voices.size()),
        ending_(new bool[voices.size()]),
        frames_(voices.size()) {}

  py::list step(const py::sequence& chunks) {
    check_size("step: chunks", chunks.size());
    const Turn turn(&busy_);
    std::vector<FloatArray> arrays;  // keeps copies of what was not contiguous
    arrays.reserve(chunks_.size());
    py::list out(chunks_.size());
    for (std::size_t v = 0; v < chunks_.size(); ++v) {
      arrays.push_back(floats("step: samples", chunks[v], 1));
      const auto count = static_cast<std::int64_t>(arrays.back().size());
      FloatArray frames =
          frames_array(voices_.frames_due(static_cast<std::int64_t>(v), count), voices_.width());
      chunks_[v] = {arrays.back().data(), count, frames.mutable_data()};
      out[v] = std::move(frames);
    }
    py::gil_scoped_release release;
    voices_.step(chunks_.data());
    return out;
  }

  // The frames of the voices that are named, None for the others.
  py::list flush(const std::vector<bool>& ending) {
    check_size("flush: ending", ending.size());
    const Turn turn(&busy_);
    py::list out(ending.size());
    for (std::size_t v = 0; v < ending.size(); ++v) {
      ending_[v] = ending[v];
      out[v] = py::none();
      if (ending[v]) {
        FloatArray frames =
            frames_array(voices_.frames_owed(static_cast<std::int64_t>(v)), voices_.width());
        frames_[v] = frames.mutable_data();
        out[v] = std::move(frames);
      }
    }
    py::gil_scoped_release release;
    voices_.flush(ending_.get(), frames_.data());
    return out;
  }

  void reset(std::int64_t voice) {
    const Turn turn(&busy_);
    if (voice < 0) {
      voices_.reset();
    } else {
      voices_.reset(voice);
    }
  }

  void reset_as(std::int64_t voice, std::uint64_t seed, std::int64_t identity, double idle) {
    const Turn turn(&busy_);
    voices_.reset(voice, {seed, identity}, idle);
  }

  FloatArray identity_scores(std::int64_t voice) {
    const Turn turn(&busy_);
    const std::vector<float>& scores = voices_.identity_scores(voice);
    return FloatArray(static_cast<py::ssize_t>(scores.size()), scores.data());
  }

  template <typename T>
  T get(T (dt::Voices::*property)(std::int64_t) const, std::int64_t voice) {
    const Turn turn(&busy_);
    return (voices_.*property)(voice);
  }

  void set_steps(std::int64_t voice, std::int64_t steps) {
    const Turn turn(&busy_);
    voices_.set_steps(voice, steps);
  }

  std::int64_t size() const { return voices_.size(); }
  std::int64_t width() const { return voices_.width(); }
  py::dict stage_seconds() {
    const Turn turn(&busy_);
    const auto seconds = voices_.stage_seconds();
    py::dict out;
    for (std::size_t stage = 0; stage < seconds.size(); ++stage) {
      out[dt::Voices::stage_names()[stage]] = seconds[stage];
    }
    return out;
  }
  double compute_seconds() {
    const Turn turn(&busy_);
    return voices_.compute_seconds();
  }

 private:
  void check_size(const std::string& what, std::size_t size) const {
    if (size != chunks_.size()) {
      throw py::value_error(what + ": expected " + std::to_string(chunks_.size()) +
                            ", one a stream, got " + std::to_string(size));
    }
  }

  dt::Voices voices_;
  std::vector<dt::Voices::Chunk> chunks_;
  std::unique_ptr<bool[]> ending_;
  std::vector<float*> frames_;
  std::atomic<bool> busy_{false};
};

}  // namespace

void bind_voices(py::module_& m) {
  py::class_<PyVoices>(m, "Voices",
                       "Streams of 16 kHz speech that share each pass over the weights.")
      .def(py::init([](ModelPointer model, const std::vector<std::uint64_t>& seeds,
                       const std::vector<std::int64_t>& identities, const std::string& backend,
                       const py::object& tensorrt, double idle, bool head, std::int64_t threads) {
             if (seeds.size() != identities.size()) {
               throw py::value_error("identities: expected one a seed (" +
                                     std::to_string(seeds.size()) + "), got " +
                                     std::to_string(identities.size()));
             }
             std::vector<dt::VoiceOptions> voices;
             for (std::size_t v = 0; v < seeds.size(); ++v) {
               voices.push_back({seeds[v], identities[v]});
             }
             return std::make_unique<PyVoices>(std::move(model), voices,
                                               backend_options(backend, tensorrt),
                                               dt::MotionOptions{idle, head}, threads);
           }),
           py::arg("model"), py::arg("seeds"), py::arg("identities"), py::arg("backend") = "cpu",
           py::kw_only(), py::arg("tensorrt") = py::none(),
           py::arg("idle") = dt::MotionOptions{}.idle, py::arg("head") = dt::MotionOptions{}.head,
           py::arg("threads") = 1,
           "A seed and an identity a stream: a row of the library, or -1 to follow the voice.")
      .def("step", &PyVoices::step, py::arg("chunks"),
           "A float32 (n,) at 16 kHz for each stream -> the frames now due of each, (frames, "
           "width).")
      .def("flush", &PyVoices::flush, py::arg("ending"),
           "A bool a stream -> the frames still owed, as if silence followed; None for False.")
      .def("reset", &PyVoices::reset, py::arg("stream") = -1)
      .def("reset_as", &PyVoices::reset_as, py::arg("stream"), py::arg("seed"), py::arg("identity"),
           py::arg("idle"), "Another stream in this place, with settings of its own.")
      .def_property_readonly("streams", &PyVoices::size)
      .def_property_readonly("width", &PyVoices::width)
      .def(
          "identity",
          [](PyVoices& v, std::int64_t stream) { return v.get(&dt::Voices::identity, stream); },
          py::arg("stream") = 0)
      .def("identity_scores", &PyVoices::identity_scores, py::arg("stream") = 0)
      .def(
          "position_samples",
          [](PyVoices& v, std::int64_t stream) {
            return v.get(&dt::Voices::position_samples, stream);
          },
          py::arg("stream") = 0)
      .def(
          "frames",
          [](PyVoices& v, std::int64_t stream) { return v.get(&dt::Voices::frames, stream); },
          py::arg("stream") = 0)
      .def(
          "level_db",
          [](PyVoices& v, std::int64_t stream) { return v.get(&dt::Voices::level_db, stream); },
          py::arg("stream") = 0)
      .def(
          "set_steps",
          [](PyVoices& v, std::int64_t steps, std::int64_t stream) { v.set_steps(stream, steps); },
          py::arg("steps"), py::arg("stream") = 0,
          "Sampling steps of a stream's frames to come: a divisor of the model's, or 0 for none.")
      .def_property_readonly("compute_seconds", &PyVoices::compute_seconds)
      .def_property_readonly("stage_seconds", &PyVoices::stage_seconds);
}

}  // namespace dt_python
