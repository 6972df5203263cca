// Features, noise and the processor: what has no state.
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "arrays.h"
#include "dt/kernels.h"
#include "dt/log_mel.h"
#include "dt/noise.h"
#include "module.h"

namespace dt_python {
namespace {

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

py::dict peak_multiplications(const std::string& kernel) {
  dt::PeakMultiplications peak{};
  {
    py::gil_scoped_release release;
    peak = dt::peak_multiplications(kernel);
  }
  py::dict out;
  out["int8"] = peak.int8;
  out["float32"] = peak.float32;
  return out;
}

}  // namespace

void bind_functions(py::module_& m) {
  m.def("log_mel", &log_mel, py::arg("samples"), py::arg("pad_end") = false,
        "16 kHz mono float32 (n,) -> (log-mel (columns, 80), level in dBFS (columns,)), 100 Hz.");
  m.def("noise", &noise, py::arg("seed"), py::arg("first_frame"), py::arg("frames"),
        py::arg("curves") = 52,
        "Standard normal float32 (frames, curves) for (seed, frame, curve).");
  m.def("cpu_info", &cpu_info,
        "The kernel in use and those available. ValueError if DT_KERNEL names another.");
  m.def("peak_multiplications", &peak_multiplications, py::arg("kernel") = "",
        "Multiplications and additions a second of one core at most, in int8 and in float32.");
}

}  // namespace dt_python
