#include <pybind11/stl.h>

#include <memory>
#include <string>
#include <vector>

#include "arrays.h"
#include "module.h"

namespace dt_python {
namespace {

std::vector<std::int64_t> shape_of(const py::array& array) {
  return {array.shape(), array.shape() + array.ndim()};
}

dt::TensorView view(const FloatArray& array) { return {shape_of(array), array.data()}; }

// Float32 or int8. `arrays` keeps the array, or its copy if it was not contiguous.
dt::TensorView view(const std::string& name, const py::handle& object,
                    std::vector<py::array>* arrays) {
  const std::string what = "model: tensor " + name;
  if (py::isinstance<py::array_t<std::int8_t>>(object)) {
    const Int8Array values = Int8Array::ensure(object);
    arrays->push_back(values);
    return {shape_of(values), nullptr, values.data()};
  }
  if (!py::isinstance<py::array_t<float>>(object)) {
    throw py::type_error(what + ": expected a float32 or int8 array, got " + kind_of(object));
  }
  const FloatArray array = FloatArray::ensure(object);
  arrays->push_back(array);
  return view(array);
}

ModelPointer make_model(const dt::ModelConfig& config, const py::object& mapping,
                        const py::array& identity_features) {
  const py::dict tensors(mapping);
  std::vector<py::array> arrays;
  dt::TensorMap views;
  for (const auto& item : tensors) {
    const std::string name = py::str(item.first);
    views[name] = view(name, item.second, &arrays);
  }
  const FloatArray identities = floats("model: identity_features", identity_features, 2);
  const dt::TensorView identity_view = view(identities);
  py::gil_scoped_release release;
  return std::make_shared<const dt::Model>(config, views, identity_view);
}

}  // namespace

void bind_model(py::module_& m) {
  py::class_<dt::Model, std::shared_ptr<dt::Model>>(
      m, "Model", "Checked and packed weights; immutable, shared by any number of runtimes.")
      .def(py::init([](const dt::ModelConfig& config, const py::object& tensors,
                       const py::array& identity_features) {
             return std::const_pointer_cast<dt::Model>(
                 make_model(config, tensors, identity_features));
           }),
           py::arg("config"), py::arg("tensors"), py::arg("identity_features"),
           "Settings, tensors by name (float32, or int8 with scales), identity features "
           "(identities, channels). "
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
      .def_property_readonly("kernel", &dt::Model::kernel)
      .def_property_readonly("precision", &dt::Model::precision);
}

}  // namespace dt_python
