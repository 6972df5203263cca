// The settings of a model, bound row by row: what Python reads a manifest into.
#include <pybind11/stl.h>

#include <string>
#include <type_traits>
#include <vector>

#include "dt/model.h"
#include "dt/options.h"
#include "module.h"

namespace dt_python {
namespace {

// A setting's own type, or that of its values where it is a list.
template <typename T>
struct ValueOf {
  using Type = T;
};
template <typename T>
struct ValueOf<std::vector<T>> {
  using Type = T;
};

template <typename Value, typename Options>
bool is_whole(Value Options::* /*member*/) {
  return std::is_integral_v<typename ValueOf<Value>::Type>;
}

// A class of `Options` with an attribute a setting, each at its default. RANGES holds, by name,
// (whether whole numbers, least, greatest) of those that have a range.
template <typename Options>
void bind_struct(py::module_& m, const char* name, const char* about) {
  py::class_<Options> bound(m, name, about);
  bound.def(py::init<>());
  py::dict ranges;
  Options::each([&](const char* setting, auto member, auto... range) {
    bound.def_readwrite(setting, member);
    if constexpr (sizeof...(range) == 1) {
      for (const dt::Range& r : {range...}) {
        ranges[setting] = py::make_tuple(is_whole(member), r.low, r.high);
      }
    }
  });
  bound.attr("RANGES") = ranges;
}

}  // namespace

void bind_options(py::module_& m) {
  bind_struct<dt::GateOptions>(m, "GateOptions", "The silence gate.");
  bind_struct<dt::IdleOptions>(m, "IdleOptions", "What a face does beside speaking.");
  bind_struct<dt::CurveOptions>(m, "CurveOptions", "Post-processing of one curve.");
  bind_struct<dt::ContextConfig>(m, "ContextConfig", "Shape of the encoder's context.");
  bind_struct<dt::ModelConfig>(m, "ModelConfig", "Everything about a model but its weights.");
  m.attr("FRAME_RATE_RANGE_HZ") = py::make_tuple(dt::kFrameRateHz.low, dt::kFrameRateHz.high);
}

}  // namespace dt_python
