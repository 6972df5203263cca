// Counts what the calling thread allocates, and what all threads do; see allocations.cpp.
#pragma once

#include <cstdint>

namespace dt_test {

std::int64_t allocations();
std::int64_t allocations_of_all_threads();

}  // namespace dt_test
