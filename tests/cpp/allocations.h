// Counts what the calling thread allocates, and what all threads do; see allocations.cpp.
#pragma once

#include <cstdint>

namespace dt_test {

std::int64_t allocations();
std::int64_t allocations_of_all_threads();

enum class Failing { kOne, kAllFromThere };

// While it lives, the `number`-th allocation of the calling thread from now on fails (0: the
// first), and those behind it where asked.
class FailingAllocation {
 public:
  explicit FailingAllocation(std::int64_t number, Failing failing = Failing::kOne);
  ~FailingAllocation();
  FailingAllocation(const FailingAllocation&) = delete;
  FailingAllocation& operator=(const FailingAllocation&) = delete;
  bool failed() const;  // whether it has come to that
};

// What all threads have allocated and not given back.
std::int64_t allocated_now();

}  // namespace dt_test
