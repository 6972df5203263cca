// How everything here reports what is wrong: a sentence, thrown up to the border (api.cpp).
#pragma once

#include <stdexcept>
#include <string>

namespace dt::tensorrt {

[[noreturn]] inline void refuse(const std::string& text) { throw std::runtime_error(text); }

}  // namespace dt::tensorrt
