#include "runtime/crew.h"

#if !defined(DT_ONE_THREAD)

// A program that was built without exceptions ends where a thread cannot be had.
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
#define DT_TRY try
#define DT_CATCH_ALL catch (...)
#define DT_RETHROW throw
#define DT_THIS_ERROR std::current_exception()
#else
#define DT_TRY
#define DT_CATCH_ALL if constexpr (false)
#define DT_RETHROW
#define DT_THIS_ERROR nullptr
#endif

namespace dt {

Crew::Crew(std::int64_t size) {
  DT_TRY {
    for (std::int64_t number = 1; number < size; ++number) {
      threads_.emplace_back([this, number] { wait_for_work(number); });
    }
  }
  DT_CATCH_ALL {
    leave();  // the system has no more threads: those that began must not outlive this
    DT_RETHROW;
  }
}

Crew::~Crew() { leave(); }

void Crew::leave() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    leaving_ = true;
  }
  begun_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void Crew::run(const std::function<void(std::int64_t)>& work) {
  if (threads_.empty()) {
    work(0);
    return;
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    work_ = &work;
    busy_ = static_cast<std::int64_t>(threads_.size());
    error_ = nullptr;
    ++round_;
  }
  begun_.notify_all();
  call(0);
  std::unique_lock<std::mutex> lock(mutex_);
  done_.wait(lock, [this] { return busy_ == 0; });
  if (error_ != nullptr) {
    std::rethrow_exception(error_);
  }
}

void Crew::wait_for_work(std::int64_t number) {
  std::int64_t seen = 0;
  for (;;) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      begun_.wait(lock, [&] { return leaving_ || round_ != seen; });
      if (leaving_) {
        return;
      }
      seen = round_;
    }
    call(number);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      --busy_;
    }
    done_.notify_one();
  }
}

void Crew::call(std::int64_t number) {
  DT_TRY { (*work_)(number); }
  DT_CATCH_ALL {
    const std::lock_guard<std::mutex> lock(mutex_);
    error_ = DT_THIS_ERROR;
  }
}

}  // namespace dt

#endif
