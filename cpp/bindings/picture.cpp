// The extension `_picture`: the canvas alone, apart from the runtime, which needs no pictures.
#include "picture/canvas.h"

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arrays.h"

namespace dt_python {
namespace {

using ByteArray = py::array_t<std::uint8_t, py::array::c_style>;
using IndexArray = py::array_t<std::uint32_t, py::array::c_style>;
using JointArray = py::array_t<std::int32_t, py::array::c_style>;

// Large enough for any screen, small enough that a slip does not ask for all memory.
constexpr int kLargestSide = 8192;
constexpr float kFarthest = 1000.0F;

void expect(bool holds, const std::string& what) {
  if (!holds) throw py::value_error("Canvas: " + what);
}

std::unique_ptr<dt::picture::Canvas> make(const FloatArray& background, const ByteArray& tones) {
  expect(background.ndim() == 3 && background.shape(2) == 3,
         "expected a background of shape (height, width, 3), got " + shape_text(background));
  const py::ssize_t height = background.shape(0), width = background.shape(1);
  expect(height >= 2 && width >= 2 && height <= kLargestSide && width <= kLargestSide,
         "expected sides of 2 to " + std::to_string(kLargestSide) + " pixels, got " +
             shape_text(background));
  expect(tones.ndim() == 1 && tones.size() >= 2, "expected two tones or more");
  return std::make_unique<dt::picture::Canvas>(
      static_cast<int>(width), static_cast<int>(height),
      std::vector<float>(background.data(), background.data() + background.size()),
      std::vector<std::uint8_t>(tones.data(), tones.data() + tones.size()));
}

ByteArray draw(dt::picture::Canvas& canvas, const FloatArray& points, const FloatArray& colours,
               const JointArray& joints, const IndexArray& triangles, const ByteArray& surface,
               const FloatArray& surfaces, float focal, float centre_x, float centre_y) {
  const py::ssize_t count = points.ndim() == 2 ? points.shape(0) : 0;
  expect(points.ndim() == 2 && points.shape(1) == 3,
         "expected points of shape (n, 3), got " + shape_text(points));
  expect(colours.ndim() == 2 && colours.shape(0) == count && colours.shape(1) == 4,
         "expected a colour (RGBA) a point, got " + shape_text(colours));
  expect(joints.ndim() == 1 && joints.shape(0) == count, "expected a joint a point");
  expect(triangles.ndim() == 2 && triangles.shape(1) == 3,
         "expected triangles of shape (n, 3), got " + shape_text(triangles));
  expect(surface.ndim() == 1 && surface.shape(0) == triangles.shape(0),
         "expected a surface a triangle");
  expect(surfaces.ndim() == 2 && surfaces.shape(1) == 5, "expected surfaces of shape (n, 5)");
  const auto all = [](const auto& array, const auto& holds) {
    bool so = true;
    for (py::ssize_t i = 0; i < array.size(); ++i) so &= holds(array.data()[i]);
    return so;
  };
  expect(all(points, [](float x) { return std::fabs(x) < kFarthest; }),
         "a point is no number, or a kilometre away");
  expect(all(joints, [=](std::int32_t joint) { return (joint >= 0) & (joint < count); }),
         "a joint is no point");
  expect(all(triangles, [=](std::uint32_t corner) { return corner < count; }),
         "a corner is no point");
  const py::ssize_t kinds = surfaces.shape(0);
  expect(all(surface, [=](std::uint8_t kind) { return kind < kinds; }),
         "a triangle's surface is not there");
  dt::picture::Scene scene{static_cast<int>(count),
                           points.data(),
                           colours.data(),
                           joints.data(),
                           static_cast<int>(triangles.shape(0)),
                           triangles.data(),
                           surface.data(),
                           {},
                           focal,
                           centre_x,
                           centre_y};
  for (py::ssize_t i = 0; i < surfaces.shape(0); ++i) {
    const float* row = surfaces.data(i, 0);
    scene.surfaces.push_back({row[0], row[1], row[2], row[3] != 0.0F, row[4] != 0.0F});
  }
  ByteArray out({static_cast<py::ssize_t>(canvas.height()),
                 static_cast<py::ssize_t>(canvas.width()), static_cast<py::ssize_t>(3)});
  std::uint8_t* bytes = out.mutable_data();
  {
    const py::gil_scoped_release unlocked;
    canvas.draw(scene, bytes);
  }
  return out;
}

}  // namespace
}  // namespace dt_python

PYBIND11_MODULE(_picture, m) {
  namespace py = pybind11;
  m.doc() = "Draws a head without a graphics card.";
  py::class_<dt::picture::Canvas>(
      m, "Canvas", "A picture that heads are drawn into; one thread at a time may draw.")
      .def(py::init(&dt_python::make), py::arg("background"), py::arg("tones"),
           "(height, width, 3) float32, linear light; the bytes for linear light from 0 to "
           "BRIGHTEST in equal steps.")
      .def("draw", &dt_python::draw, py::arg("points"), py::arg("colours"), py::arg("joints"),
           py::arg("triangles"), py::arg("surface"), py::arg("surfaces"), py::arg("focal"),
           py::arg("centre_x"), py::arg("centre_y"),
           "(height, width, 3) uint8, sRGB. Points are in the camera's axes, metres; surfaces are "
           "rows of gloss, sharpness, wrap, blended, two-sided.")
      .def_property_readonly_static(
          "BRIGHTEST", [](const py::object&) { return dt::picture::Canvas::kBrightest; });
}
