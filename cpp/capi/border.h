// What every function at the C border does: handles that are what they say, errors as values.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dt.h"
#include "dt/bundle.h"
#include "dt/refusal.h"
#include "runtime/streams.h"

#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
#include <exception>
#include <new>
#define DT_HAS_EXCEPTIONS
#endif

// A handle begins with its kind; another kind, or one that was closed, is refused.
constexpr std::uint32_t kBundleMagic = 0x44544231;   // "DTB1"
constexpr std::uint32_t kRuntimeMagic = 0x44545231;  // "DTR1"

struct dt_bundle {
  std::uint32_t magic = kBundleMagic;
  std::shared_ptr<const dt::Bundle> bundle;
};

struct dt_runtime {
  std::uint32_t magic = kRuntimeMagic;
  mutable std::atomic<bool> busy{false};
  std::shared_ptr<const dt::Bundle> bundle;  // for the names of its identities
  std::unique_ptr<dt::Streams> streams;
  std::vector<dt::Voices::Chunk> chunks;  // of a step, so that it allocates none
};

namespace dt_c {

// Asks for no memory.
dt_code fail(dt_error* error, dt_code code, std::string_view text);
dt_code fail(dt_error* error, const dt::Refusal& refusal);
dt_code done(dt_error* error);

inline bool is_good(const dt_bundle* bundle) {
  return bundle != nullptr && bundle->magic == kBundleMagic;
}
inline bool is_good(const dt_runtime* runtime) {
  return runtime != nullptr && runtime->magic == kRuntimeMagic;
}

dt_code bad_handle(dt_error* error, const char* what, bool null);

// Calls `body`, which returns a dt_code. What is thrown, as for want of memory, becomes one.
template <typename Body>
dt_code guarded(dt_error* error, Body&& body) {
#if defined(DT_HAS_EXCEPTIONS)
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return fail(error, DT_OUT_OF_MEMORY, "there is not enough memory");
  } catch (const std::exception& problem) {
    return fail(error, DT_INTERNAL, problem.what());
  } catch (...) {
    return fail(error, DT_INTERNAL, "an unknown problem");
  }
#else
  (void)error;
  return body();
#endif
}

// One thread at a time in a runtime.
class Turn {
 public:
  explicit Turn(const dt_runtime* runtime) : busy_(&runtime->busy), mine_(!busy_->exchange(true)) {}
  ~Turn() {
    if (mine_) {
      busy_->store(false);
    }
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  bool mine() const { return mine_; }

 private:
  std::atomic<bool>* busy_;
  bool mine_;
};

// Calls `body` where `runtime` is one and no other thread is in it.
template <typename Body>
dt_code in_turn(const dt_runtime* runtime, dt_error* error, Body&& body) {
  if (!is_good(runtime)) {
    return bad_handle(error, "runtime", runtime == nullptr);
  }
  return guarded(error, [&]() -> dt_code {
    const Turn turn(runtime);
    if (!turn.mine()) {
      return fail(error, DT_BUSY, "runtime: another thread is using it");
    }
    return body();
  });
}

dt_code check_size(const char* what, const void* given, std::uint32_t size, std::uint32_t own,
                   dt_error* error);

// A caller's struct as this library knows it: fields that the caller's header did not have keep
// what `own` has. `Struct` begins with its size.
template <typename Struct>
dt_code read_struct(const char* what, const Struct* given, Struct* own, dt_error* error) {
  const std::uint32_t size = given == nullptr ? 0 : given->struct_size;
  const dt_code code = check_size(what, given, size, sizeof(Struct), error);
  if (code == DT_OK) {
    std::memcpy(own, given, size);
    own->struct_size = sizeof(Struct);
  }
  return code;
}

// The other way: writes as many of the fields as the caller knows.
template <typename Struct>
dt_code write_struct(const char* what, const Struct& own, Struct* given, dt_error* error) {
  const std::uint32_t size = given == nullptr ? 0 : given->struct_size;
  const dt_code code = check_size(what, given, size, sizeof(Struct), error);
  if (code == DT_OK) {
    std::memcpy(given, &own, size);
    given->struct_size = size;
  }
  return code;
}

}  // namespace dt_c
