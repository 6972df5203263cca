// The extension `_picture`: the canvas alone, apart from the runtime, which needs no pictures.
#include "picture/canvas.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arrays.h"
#include "picture/faults.h"

namespace dt_python {
namespace {

using ByteArray = py::array_t<std::uint8_t, py::array::c_style>;
using IndexArray = py::array_t<std::uint32_t, py::array::c_style>;
using JointArray = py::array_t<std::int32_t, py::array::c_style>;

void expect(bool holds, const std::string& what) {
  if (!holds) throw py::value_error("Canvas: " + what);
}

void expect_none(const std::string& fault) { expect(fault.empty(), fault); }

const dt::picture::Shading& shading(bool plain) {
  return plain ? dt::picture::plain_shading() : dt::picture::fastest_shading();
}

std::unique_ptr<dt::picture::Canvas> make(const FloatArray& background, const ByteArray& tones,
                                          bool plain) {
  expect(background.ndim() == 3 && background.shape(2) == 3,
         "expected a background of shape (height, width, 3), got " + shape_text(background));
  const py::ssize_t height = background.shape(0), width = background.shape(1);
  expect(tones.ndim() == 1, "expected tones of shape (n,), got " + shape_text(tones));
  expect_none(dt::picture::canvas_fault(width, height, static_cast<std::size_t>(tones.size())));
  return std::make_unique<dt::picture::Canvas>(
      static_cast<int>(width), static_cast<int>(height),
      std::vector<float>(background.data(), background.data() + background.size()),
      std::vector<std::uint8_t>(tones.data(), tones.data() + tones.size()), shading(plain));
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
  expect_none(dt::picture::scene_fault(scene));
  ByteArray out({static_cast<py::ssize_t>(canvas.height()),
                 static_cast<py::ssize_t>(canvas.width()), static_cast<py::ssize_t>(3)});
  std::uint8_t* bytes = out.mutable_data();
  {
    const py::gil_scoped_release unlocked;
    canvas.draw(scene, bytes);
  }
  return out;
}

// Shapes of a head, kept as far as they move anything.
class Shapes {
 public:
  Shapes(FloatArray points, const FloatArray& shapes) : points_(std::move(points)) {
    expect(points_.ndim() == 2 && points_.shape(1) == 3 && shapes.ndim() == 3 &&
               shapes.shape(1) == points_.shape(0) && shapes.shape(2) == 3,
           "expected points (n, 3) and shapes (m, n, 3)");
    const auto numbers = static_cast<std::size_t>(points_.size());
    for (py::ssize_t shape = 0; shape < shapes.shape(0); ++shape) {
      const float* from = shapes.data() + static_cast<std::size_t>(shape) * numbers;
      for (std::size_t at = 0; at < numbers; at += kRun) {
        const std::size_t count = std::min(kRun, numbers - at);
        if (std::all_of(from + at, from + at + count, [](float x) { return x == 0.0F; })) continue;
        runs_.push_back({shape, at, count, moved_.size()});
        moved_.insert(moved_.end(), from + at, from + at + count);
      }
    }
    // Place by place: what is moved stays at hand.
    std::stable_sort(runs_.begin(), runs_.end(),
                     [](const Run& a, const Run& b) { return a.at < b.at; });
    count_ = shapes.shape(0);
  }

  FloatArray posed(const FloatArray& weights) const {
    expect(weights.ndim() == 1 && weights.shape(0) == count_, "expected a weight a shape");
    FloatArray out({points_.shape(0), static_cast<py::ssize_t>(3)});
    float* to = out.mutable_data();
    std::copy_n(points_.data(), points_.size(), to);
    const py::gil_scoped_release unlocked;
    const auto move = shading(false).move;
    for (const Run& run : runs_) {
      const float weight = weights.data()[run.shape];
      if (weight != 0.0F) move(&moved_[run.from], weight, run.count, to + run.at);
    }
    return out;
  }

 private:
  static constexpr std::size_t kRun = 192;
  struct Run {
    py::ssize_t shape;
    std::size_t at, count, from;  // numbers of the points; of what they move by
  };

  FloatArray points_;
  std::vector<Run> runs_;
  std::vector<float> moved_;
  py::ssize_t count_ = 0;
};

// (height * 3 / 2, width): the planes one after the other, as FFmpeg's yuv420p has them.
ByteArray yuv420(const ByteArray& picture, bool plain) {
  expect(picture.ndim() == 3 && picture.shape(2) == 3 && picture.shape(0) % 2 == 0 &&
             picture.shape(1) % 2 == 0,
         "expected a picture (height, width, 3) of even sides, got " + shape_text(picture));
  const py::ssize_t height = picture.shape(0), width = picture.shape(1);
  ByteArray out({height / 2 * 3, width});
  std::uint8_t* luma = out.mutable_data();
  std::uint8_t* blue = luma + height * width;
  std::uint8_t* red = blue + height / 2 * (width / 2);
  const std::uint8_t* rgb = picture.data();
  const py::gil_scoped_release unlocked;
  for (py::ssize_t y = 0; y < height; y += 2) {
    shading(plain).yuv(rgb + y * width * 3, static_cast<int>(width), luma + y * width,
                       blue + y / 2 * (width / 2), red + y / 2 * (width / 2));
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
      .def(py::init(&dt_python::make), py::arg("background"), py::arg("tones"), py::kw_only(),
           py::arg("plain") = false,
           "(height, width, 3) float32, linear light; the bytes for linear light from 0 to "
           "BRIGHTEST in equal steps. `plain` goes without the processor's own instructions.")
      .def("draw", &dt_python::draw, py::arg("points"), py::arg("colours"), py::arg("joints"),
           py::arg("triangles"), py::arg("surface"), py::arg("surfaces"), py::arg("focal"),
           py::arg("centre_x"), py::arg("centre_y"),
           "(height, width, 3) uint8, sRGB. Points are in the camera's axes, metres; surfaces are "
           "rows of gloss, sharpness, wrap, blended, two-sided.")
      .def_property_readonly(
          "shading", [](const dt::picture::Canvas& canvas) { return canvas.shading().name; },
          "What it is drawn with: avx2 or plain.")
      .def_property_readonly_static(
          "BRIGHTEST", [](const py::object&) { return dt::picture::Canvas::kBrightest; });
  py::class_<dt_python::Shapes>(m, "Shapes", "Shapes of a head, and what they make of its points.")
      .def(py::init<dt_python::FloatArray, const dt_python::FloatArray&>(), py::arg("points"),
           py::arg("shapes"), "(n, 3) and (m, n, 3) float32.")
      .def("posed", &dt_python::Shapes::posed, py::arg("weights"), "(n, 3) under (m,) weights.");
  m.def(
      "yuv420", &dt_python::yuv420, py::arg("picture"), py::kw_only(), py::arg("plain") = false,
      "(height * 3 / 2, width) uint8: BT.709 in 4:2:0, studio range, of (height, width, 3) sRGB.");
}
