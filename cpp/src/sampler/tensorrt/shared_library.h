// A shared library opened at run time: dlopen or LoadLibrary, and what went wrong in words.
#pragma once

#include <string>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace dt {

class SharedLibrary {
 public:
  // Stays open for the life of the process: GPU libraries do not survive being unloaded.
  explicit SharedLibrary(const std::string& path) {
#ifdef _WIN32
    handle_ = ::LoadLibraryExA(path.c_str(), nullptr, LOAD_WITH_ALTERED_SEARCH_PATH);
    if (handle_ == nullptr) {
      error_ = path + ": LoadLibrary failed with error " + std::to_string(::GetLastError());
    }
#else
    handle_ = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ == nullptr) {
      const char* text = ::dlerror();
      error_ = text == nullptr ? path + ": unknown error" : text;
    }
#endif
  }

  explicit operator bool() const { return handle_ != nullptr; }
  const std::string& error() const { return error_; }

  // Null where the library has no such function.
  template <typename Function>
  Function find(const char* name) const {
#ifdef _WIN32
    return reinterpret_cast<Function>(reinterpret_cast<void*>(::GetProcAddress(handle_, name)));
#else
    return reinterpret_cast<Function>(::dlsym(handle_, name));
#endif
  }

 private:
#ifdef _WIN32
  HMODULE handle_ = nullptr;
#else
  void* handle_ = nullptr;
#endif
  std::string error_;
};

}  // namespace dt
