#pragma once

// The engine's forgets objects that were collected; here the tests own them for as long as needed.
template <typename T>
class TWeakObjectPtr {
 public:
  TWeakObjectPtr& operator=(T* InObject) {
    Object = InObject;
    return *this;
  }
  T* Get() const { return Object; }

 private:
  T* Object = nullptr;
};
