#pragma once

#include <thread>

#include "HAL/Runnable.h"

enum EThreadPriority { TPri_Normal, TPri_AboveNormal };

class FRunnableThread {
 public:
  static FRunnableThread* Create(FRunnable* Runnable, const TCHAR* Name, uint32 StackSize = 0,
                                 EThreadPriority Priority = TPri_Normal) {
    check(Runnable != nullptr && Name != nullptr && StackSize == 0);
    (void)Priority;
    if (FailNext()) {
      FailNext() = false;
      return nullptr;
    }
    return new FRunnableThread(Runnable);
  }
  virtual ~FRunnableThread() { check(!Thread.joinable()); }
  virtual void WaitForCompletion() { Thread.join(); }

  // For the tests: the next Create fails, as it does when the system has no threads left.
  static bool& FailNext() {
    static bool bFail = false;
    return bFail;
  }

 private:
  explicit FRunnableThread(FRunnable* Runnable)
      : Thread([Runnable] {
          if (Runnable->Init()) Runnable->Run();
          Runnable->Exit();
        }) {}

  std::thread Thread;
};
