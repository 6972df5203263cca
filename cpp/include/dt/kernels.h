// Instruction sets of this build and this processor.
#pragma once

#include <string>
#include <vector>

namespace dt {

// Instruction sets that this build and this processor have, the best first.
std::vector<std::string> available_kernels();
// The one that a Model uses by default. Throws std::invalid_argument if DT_KERNEL names another.
std::string default_kernel();

// Multiplications and additions a second of one core, of a product whose weights lie in the
// first-level cache and which serves a full batch of rows: what the instruction set gives at most.
// `kernel`: one of available_kernels(), "" for the default. Takes about 0.1 s. Throws
// std::invalid_argument.
struct PeakMultiplications {
  double int8, float32;
};
PeakMultiplications peak_multiplications(const std::string& kernel);

}  // namespace dt
