#include "audio/resampler.h"

#include <memory>
#include <string>
#include <vector>

#include "arrays.h"
#include "module.h"

namespace dt_python {
namespace {

using FilterPointer = std::shared_ptr<dt::ResamplingFilter>;

FilterPointer make_filter(std::int64_t rate_hz) {
  if (rate_hz < dt::ResamplingFilter::kLowestRateHz ||
      rate_hz > dt::ResamplingFilter::kHighestRateHz) {
    throw py::value_error(
        "rate_hz: expected " + std::to_string(dt::ResamplingFilter::kLowestRateHz) + " to " +
        std::to_string(dt::ResamplingFilter::kHighestRateHz) + ", got " + std::to_string(rate_hz));
  }
  return std::make_shared<dt::ResamplingFilter>(rate_hz);
}

// Keeps the GIL: a chunk takes microseconds.
FloatArray push(dt::Resampler& resampler, const py::object& samples) {
  const FloatArray array = floats("push: samples", samples, 1);
  std::vector<float> out(static_cast<std::size_t>(resampler.most(array.size())));
  const std::int64_t written = resampler.push(array.data(), array.size(), out.data());
  return FloatArray(static_cast<py::ssize_t>(written), out.data());
}

}  // namespace

void bind_resampler(py::module_& m) {
  py::class_<dt::ResamplingFilter, FilterPointer>(
      m, "ResamplingFilter", "From a rate to 16 kHz; for any number of streams.")
      .def(py::init(&make_filter), py::arg("rate_hz"), "8000 to 192000; ValueError.")
      .def_property_readonly("rate_hz", &dt::ResamplingFilter::rate_hz)
      .def_property_readonly("delay_samples", &dt::ResamplingFilter::delay_samples,
                             "Input samples that a stream waits for at the most.");
  py::class_<dt::Resampler>(m, "Resampler", "One stream through a filter.")
      .def(py::init(
               [](const FilterPointer& filter) { return std::make_unique<dt::Resampler>(filter); }),
           py::arg("filter"))
      .def("push", &push, py::arg("samples"), "float32 (n,), finite -> (m,) at 16 kHz.")
      .def("reset", &dt::Resampler::reset);
}

}  // namespace dt_python
