// Storage on cache-line boundaries, for weights and for what the kernels read and write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

namespace dt {

template <typename T>
struct CacheLineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kAlignment{64};

  CacheLineAllocator() = default;
  template <typename U>
  CacheLineAllocator(const CacheLineAllocator<U>&) {}

  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kAlignment)); }
  void deallocate(T* p, std::size_t) { ::operator delete(p, kAlignment); }

  template <typename U>
  bool operator==(const CacheLineAllocator<U>&) const {
    return true;
  }
  template <typename U>
  bool operator!=(const CacheLineAllocator<U>&) const {
    return false;
  }
};

template <typename T>
using Aligned = std::vector<T, CacheLineAllocator<T>>;

using AlignedFloats = Aligned<float>;

}  // namespace dt
