// Allocation n fails, for every n: whoever asked is told, nothing leaks, and the next try succeeds.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <new>
#include <type_traits>

#include "allocations.h"

namespace dt_test {

// Runs `work` with its first, its second, ... allocation failing until none is left to fail; every
// fifth where all behind it fail too, as the first to fail is nearly always the last. To be told is
// a std::bad_alloc, or false where `work` returns whether it went well. Returns how many
// allocations there were.
template <typename Work>
std::int64_t fail_each(const Work& work, Failing failing = Failing::kOne) {
  const auto goes_well = [&] {
    try {
      if constexpr (std::is_void_v<decltype(work())>) {
        work();
        return true;
      } else {
        return work();
      }
    } catch (const std::bad_alloc&) {
      return false;
    }
  };
  EXPECT_TRUE(goes_well());  // whatever is made once and stays
  const std::int64_t step = failing == Failing::kOne ? 1 : 5;
  for (std::int64_t n = 0;; n += step) {
    const std::int64_t before = allocated_now();
    bool went_well = false, failed = false;
    {
      const FailingAllocation allocation(n, failing);
      went_well = goes_well();
      failed = allocation.failed();
    }
    EXPECT_EQ(went_well, !failed) << "allocation " << n
                                  << (failed ? " failed and nobody was told" : " did not fail");
    EXPECT_EQ(allocated_now(), before) << "allocation " << n << " failed, and leaked";
    if (!failed || testing::Test::HasFailure()) {
      return n;
    }
  }
}

}  // namespace dt_test
