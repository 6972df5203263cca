// Instruction sets of this build and this processor.
#pragma once

#include <string>
#include <vector>

namespace dt {

// Instruction sets that this build and this processor have, the best first.
std::vector<std::string> available_kernels();
// The one that a Model uses by default. Throws std::invalid_argument if DT_KERNEL names another.
std::string default_kernel();

}  // namespace dt
