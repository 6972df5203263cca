// Threads that wait for work in equal parts.
#pragma once

#include <cstdint>
#include <functional>

// WebAssembly without its threads has no header for them either.
#if defined(__wasm__) && !defined(_REENTRANT)
#define DT_ONE_THREAD
#else
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>
#endif

namespace dt {

#if defined(DT_ONE_THREAD)

class Crew {
 public:
  explicit Crew(std::int64_t size) : size_(size) {}
  // Calls work(0) to work(size - 1), one after the other.
  void run(const std::function<void(std::int64_t)>& work) {
    for (std::int64_t number = 0; number < size_; ++number) {
      work(number);
    }
  }

 private:
  std::int64_t size_;
};

#else

class Crew {
 public:
  // `size` >= 1 workers, of which the caller is one.
  explicit Crew(std::int64_t size);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // Calls work(0) to work(size - 1), each on a thread of its own, and returns when all have. Throws
  // what one of them threw.
  void run(const std::function<void(std::int64_t)>& work);

 private:
  void leave();
  void wait_for_work(std::int64_t number);
  void call(std::int64_t number);

  std::mutex mutex_;
  std::condition_variable begun_, done_;
  const std::function<void(std::int64_t)>* work_ = nullptr;
  std::int64_t round_ = 0, busy_ = 0;
  bool leaving_ = false;
  std::exception_ptr error_;
  std::vector<std::thread> threads_;
};

#endif

}  // namespace dt
