// Replaces the global operator new in the test program, to count, and to fail when asked to.
#include "allocations.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

thread_local std::int64_t count = 0;
std::atomic<std::int64_t> of_all_threads{0}, given_back{0};
constexpr std::int64_t kNever = -1, kFailed = -2;
thread_local std::int64_t until_failure = kNever;
thread_local dt_test::Failing failing_now = dt_test::Failing::kOne;

bool fails() {
  if (until_failure >= 0 && until_failure-- == 0) {
    until_failure = kFailed;
    return true;
  }
  return until_failure == kFailed && failing_now == dt_test::Failing::kAllFromThere;
}

void* counted(std::size_t size) {
  if (fails()) {
    throw std::bad_alloc();
  }
  ++count;
  of_all_threads.fetch_add(1, std::memory_order_relaxed);
  if (void* p = std::malloc(size == 0 ? 1 : size)) {
    return p;
  }
  throw std::bad_alloc();
}

void* counted_or_null(std::size_t size) noexcept {
  try {
    return counted(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

// The distance from malloc's pointer is kept in front of the aligned one.
void* counted(std::size_t size, std::align_val_t alignment) {
  const auto align = static_cast<std::size_t>(alignment);
  auto* base = static_cast<unsigned char*>(counted(size + align + sizeof(void*)));
  const auto address = reinterpret_cast<std::uintptr_t>(base) + sizeof(void*) + align - 1;
  unsigned char* aligned =
      base + (address / align * align - reinterpret_cast<std::uintptr_t>(base));
  reinterpret_cast<void**>(aligned)[-1] = base;
  return aligned;
}

void give_back(void* p) {
  if (p != nullptr) {
    given_back.fetch_add(1, std::memory_order_relaxed);
    std::free(p);
  }
}

void give_back_aligned(void* p) {
  if (p != nullptr) {
    give_back(static_cast<void**>(p)[-1]);
  }
}

}  // namespace

namespace dt_test {

std::int64_t allocations() { return count; }
std::int64_t allocations_of_all_threads() { return of_all_threads.load(); }
std::int64_t allocated_now() { return of_all_threads.load() - given_back.load(); }

FailingAllocation::FailingAllocation(std::int64_t number, Failing failing) {
  until_failure = number;
  failing_now = failing;
}
FailingAllocation::~FailingAllocation() { until_failure = kNever; }
bool FailingAllocation::failed() const { return until_failure == kFailed; }

}  // namespace dt_test

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
// std::stable_sort asks so.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return counted_or_null(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return counted_or_null(size);
}
void* operator new(std::size_t size, std::align_val_t align) { return counted(size, align); }
void* operator new[](std::size_t size, std::align_val_t align) { return counted(size, align); }
void operator delete(void* p) noexcept { give_back(p); }
void operator delete[](void* p) noexcept { give_back(p); }
void operator delete(void* p, std::size_t) noexcept { give_back(p); }
void operator delete[](void* p, std::size_t) noexcept { give_back(p); }
void operator delete(void* p, std::align_val_t) noexcept { give_back_aligned(p); }
void operator delete[](void* p, std::align_val_t) noexcept { give_back_aligned(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { give_back_aligned(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { give_back_aligned(p); }
