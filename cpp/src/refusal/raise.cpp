#include <cstdlib>
#include <stdexcept>

#include "dt/refusal.h"

namespace dt {

#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
void raise(const Refusal& refusal) {
  switch (refusal.kind) {
    case Refusal::Kind::kArgument:
      throw std::invalid_argument(refusal.text);
    case Refusal::Kind::kState:
      throw std::logic_error(refusal.text);
    default:
      throw std::runtime_error(refusal.text);
  }
}
#else
// Whoever builds without exceptions asks the functions that return refusals first.
void raise(const Refusal& /*refusal*/) { std::abort(); }
#endif

}  // namespace dt
