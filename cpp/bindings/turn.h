// One thread at a time in an object with a state.
#pragma once

#include <atomic>
#include <stdexcept>

namespace dt_python {

// The GIL is released while a state moves on, so a second thread could come in between: it is
// refused.
class Turn {
 public:
  explicit Turn(std::atomic<bool>* busy) : busy_(busy) {
    if (busy_->exchange(true)) {
      throw std::runtime_error("this object is in use by another thread");
    }
  }
  ~Turn() { busy_->store(false); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  std::atomic<bool>* busy_;
};

}  // namespace dt_python
