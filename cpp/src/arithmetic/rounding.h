// How the processor rounds while this project computes.
#pragma once

#include <cstdint>

namespace dt::arithmetic {

// While it lives, this thread rounds as IEEE 754 has it by default: to the nearest, numbers below
// the smallest normal one kept. Programs with sound switch to "flush to zero", and libraries that
// were linked with -ffast-math do so by being loaded; the same audio would give other bits there.
// Restores what was. Does nothing on processors without a switch.
class StandardRounding {
 public:
  StandardRounding();
  ~StandardRounding();
  StandardRounding(const StandardRounding&) = delete;
  StandardRounding& operator=(const StandardRounding&) = delete;

 private:
  std::uint64_t before_;
};

}  // namespace dt::arithmetic
