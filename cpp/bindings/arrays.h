// NumPy arrays in and out; nothing but the layout is converted.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>

namespace dt_python {

namespace py = pybind11;

using FloatArray = py::array_t<float, py::array::c_style>;
using Int8Array = py::array_t<std::int8_t, py::array::c_style>;

inline std::string shape_text(const py::array& array) {
  return py::str(py::tuple(array.attr("shape")));
}

// What stands where an array was expected: the type of its elements, or its own.
inline std::string kind_of(const py::handle& object) {
  return py::isinstance<py::array>(object)
             ? py::str(py::reinterpret_borrow<py::array>(object).dtype())
             : py::str(py::type::of(object).attr("__name__"));
}

// `object` as a contiguous float32 array of `rank` dimensions; nothing but the layout is converted.
inline FloatArray floats(const std::string& what, const py::handle& object, py::ssize_t rank) {
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
inline FloatArray matrix(const std::string& what, const py::handle& object, py::ssize_t columns) {
  const FloatArray array = floats(what, object, 2);
  if (array.shape(1) != columns) {
    throw py::value_error(what + ": expected shape (n, " + std::to_string(columns) + "), got " +
                          shape_text(array));
  }
  return array;
}

inline FloatArray frames_array(py::ssize_t frames, std::int64_t width) {
  return FloatArray({frames, static_cast<py::ssize_t>(width)});
}

}  // namespace dt_python
