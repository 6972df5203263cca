#include "runtime/crew.h"

namespace dt {

Crew::Crew(std::int64_t size) {
  try {
    for (std::int64_t number = 1; number < size; ++number) {
      threads_.emplace_back([this, number] { wait_for_work(number); });
    }
  } catch (...) {
    leave();  // the system has no more threads: those that began must not outlive this
    throw;
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
  try {
    (*work_)(number);
  } catch (...) {
    const std::lock_guard<std::mutex> lock(mutex_);
    error_ = std::current_exception();
  }
}

}  // namespace dt
