// The one place that knows Python: convert, release the GIL, call, document.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <vector>

#include "dt/log_mel.h"
#include "dt/noise.h"

namespace py = pybind11;
using FloatArray = py::array_t<float, py::array::c_style | py::array::forcecast>;

namespace {

py::tuple log_mel(const FloatArray& samples, bool pad_end) {
  if (samples.ndim() != 1) {
    throw py::value_error("log_mel: samples must be one-dimensional");
  }
  static const dt::LogMel features;
  std::vector<float> bands, level_db;
  {
    const float* data = samples.data();
    const auto count = static_cast<std::size_t>(samples.size());
    py::gil_scoped_release release;
    features.columns(data, count, pad_end, &bands, &level_db);
  }
  const auto n = static_cast<py::ssize_t>(level_db.size());
  py::array_t<float> b({n, static_cast<py::ssize_t>(dt::LogMel::kBands)}, bands.data());
  py::array_t<float> l({n}, level_db.data());
  return py::make_tuple(b, l);
}

py::array_t<float> noise(std::uint64_t seed, std::int64_t first_frame, py::ssize_t frames,
                         int curves) {
  py::array_t<float> out({frames, static_cast<py::ssize_t>(curves)});
  float* data = out.mutable_data();
  py::gil_scoped_release release;
  for (py::ssize_t f = 0; f < frames; ++f) {
    dt::normal_noise(seed, first_frame + f, curves, data + f * curves);
  }
  return out;
}

}  // namespace

PYBIND11_MODULE(_core, m) {
  m.doc() = "The C++ runtime of DiffusionTalker Stream.";
  m.def("log_mel", &log_mel, py::arg("samples"), py::arg("pad_end") = false,
        "16 kHz mono float32 (n,) -> (log-mel (columns, 80), level in dBFS (columns,)), 100 Hz.");
  m.def("noise", &noise, py::arg("seed"), py::arg("first_frame"), py::arg("frames"),
        py::arg("curves") = 52, "Standard normal float32 (frames, curves) for (seed, frame, curve).");
}
