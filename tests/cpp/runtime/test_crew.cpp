#include "runtime/crew.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace dt {
namespace {

TEST(Crew, CallsEachPartOnceOnAThreadOfItsOwn) {
  for (const std::int64_t size : {1, 2, 5}) {
    Crew crew(size);
    for (int round = 0; round < 50; ++round) {
      std::vector<int> calls(static_cast<std::size_t>(size), 0);
      std::vector<std::thread::id> threads(calls.size());
      crew.run([&](std::int64_t part) {
        ++calls[static_cast<std::size_t>(part)];
        threads[static_cast<std::size_t>(part)] = std::this_thread::get_id();
      });
      ASSERT_EQ(calls, std::vector<int>(calls.size(), 1));
      ASSERT_EQ(std::set<std::thread::id>(threads.begin(), threads.end()).size(), calls.size());
      ASSERT_EQ(threads.front(), std::this_thread::get_id());
    }
  }
}

TEST(Crew, ThrowsWhatAPartThrewAndGoesOn) {
  Crew crew(3);
  for (std::int64_t bad = 0; bad < 3; ++bad) {
    std::vector<int> calls(3, 0);
    try {
      crew.run([&](std::int64_t part) {
        ++calls[static_cast<std::size_t>(part)];
        if (part == bad) {
          throw std::runtime_error("part " + std::to_string(part));
        }
      });
      FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_EQ(error.what(), "part " + std::to_string(bad));
    }
    EXPECT_EQ(calls, std::vector<int>(3, 1)) << "the others were not waited for";
    crew.run([&](std::int64_t part) { ++calls[static_cast<std::size_t>(part)]; });
    EXPECT_EQ(calls, std::vector<int>(3, 2));
  }
}

// Built and left without work, as fast as threads can begin.
TEST(Crew, LeavesAtOnce) {
  for (int round = 0; round < 20; ++round) {
    Crew idle(4);
  }
  for (int round = 0; round < 20; ++round) {
    Crew crew(4);
    crew.run([](std::int64_t) {});
  }
}

}  // namespace
}  // namespace dt
