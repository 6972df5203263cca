// What each file of the bindings adds to the module.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <string>

#include "dt/backend.h"
#include "dt/model.h"

namespace dt_python {

namespace py = pybind11;

using ModelPointer = std::shared_ptr<const dt::Model>;

void bind_functions(py::module_& m);
void bind_time_base(py::module_& m);
void bind_options(py::module_& m);
void bind_model(py::module_& m);
void bind_live_runtime(py::module_& m);
void bind_knobs(py::module_& m);
void bind_resampler(py::module_& m);
void bind_voice_detector(py::module_& m);
void bind_voices(py::module_& m);
void bind_alignment(py::module_& m);
void bind_encoder(py::module_& m);
void bind_sampler(py::module_& m);
void bind_tensorrt_sampler(py::module_& m);

// The options of a backend by its name; `tensorrt` (a dict or None) holds plugin, library and
// engines, see diffusiontalker/tensorrt/engines.py.
dt::BackendOptions backend_options(const std::string& name, const py::object& tensorrt);

}  // namespace dt_python
