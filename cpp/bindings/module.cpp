// The one place that knows Python: convert, release the GIL, call, document.
#include "module.h"

PYBIND11_MODULE(_core, m) {
  m.doc() = "The C++ runtime of DiffusionTalker Stream.";
  dt_python::bind_functions(m);
  dt_python::bind_time_base(m);
  dt_python::bind_options(m);
  dt_python::bind_model(m);
  dt_python::bind_live_runtime(m);
  dt_python::bind_knobs(m);
  dt_python::bind_resampler(m);
  dt_python::bind_voice_detector(m);
  dt_python::bind_voices(m);
  dt_python::bind_alignment(m);
  dt_python::bind_encoder(m);
  dt_python::bind_sampler(m);
  dt_python::bind_tensorrt_sampler(m);
}
