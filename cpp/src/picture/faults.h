// What cannot be drawn, found before it is tried: the canvas itself believes what it is given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "picture/scene.h"

namespace dt::picture {

// Large enough for any screen, small enough that a slip does not ask for all memory.
inline constexpr std::int64_t kLeastSide = 2, kLargestSide = 8192;

// What is wrong with a canvas of so many pixels and tones; "" where nothing is.
std::string canvas_fault(std::int64_t width, std::int64_t height, std::size_t tones);
// The same of a scene whose arrays are as long as it says.
std::string scene_fault(const Scene& scene);

}  // namespace dt::picture
