// Counts what the calling thread allocates; see allocations.cpp.
#pragma once

#include <cstdint>

namespace dt_test {

std::int64_t allocations();

}  // namespace dt_test
