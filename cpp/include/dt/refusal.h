// Why something cannot be: a value, so that what is checked needs no exceptions. They are raised in
// one place (cpp/src/refusal/raise.cpp), for callers who want them.
#pragma once

#include <optional>
#include <string>

namespace dt {

struct Refusal {
  enum class Kind {
    kArgument,  // std::invalid_argument: a value that cannot be
    kState,     // std::logic_error: not now, as a step after a flush
    kMachine,   // std::runtime_error: not on this machine
    kNotFound,  // std::runtime_error: a file that is not there
    kNewer,     // std::runtime_error: of a version that is not known yet
    kDamaged,   // std::runtime_error: a file that is not what it should be
  };
  Kind kind;
  std::string text;  // one sentence: what, where, expected, got
};

// None: nothing is wrong.
using MaybeRefusal = std::optional<Refusal>;

// Throws what the kind says; ends the program where the library was built without exceptions.
[[noreturn]] void raise(const Refusal& refusal);

inline void raise_if(const MaybeRefusal& refusal) {
  if (refusal) {
    raise(*refusal);
  }
}

}  // namespace dt
