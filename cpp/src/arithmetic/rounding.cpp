#include "arithmetic/rounding.h"

#include <cstdint>

#if defined(__SSE2__) || defined(_M_X64)
#include <xmmintrin.h>
#elif defined(_M_ARM64)
#include <intrin.h>
#endif

namespace dt::arithmetic {
namespace {

// The register that holds the mode, and its value for the default one.
#if defined(__SSE2__) || defined(_M_X64)
constexpr std::uint64_t kDefault = 0x1F80;  // MXCSR with every exception masked
std::uint64_t mode() { return _mm_getcsr(); }
void set_mode(std::uint64_t value) { _mm_setcsr(static_cast<unsigned int>(value)); }
#elif defined(__aarch64__)
constexpr std::uint64_t kDefault = 0;  // FPCR
std::uint64_t mode() {
  std::uint64_t value = 0;
  __asm__ __volatile__("mrs %0, fpcr" : "=r"(value));
  return value;
}
void set_mode(std::uint64_t value) { __asm__ __volatile__("msr fpcr, %0" : : "r"(value)); }
#elif defined(_M_ARM64)
constexpr std::uint64_t kDefault = 0;
std::uint64_t mode() { return static_cast<std::uint64_t>(_ReadStatusReg(ARM64_FPCR)); }
void set_mode(std::uint64_t value) {
  _WriteStatusReg(ARM64_FPCR, static_cast<std::int64_t>(value));
}
#else
constexpr std::uint64_t kDefault = 0;
std::uint64_t mode() { return kDefault; }
void set_mode(std::uint64_t) {}
#endif

}  // namespace

StandardRounding::StandardRounding() : before_(mode()) { set_mode(kDefault); }

StandardRounding::~StandardRounding() { set_mode(before_); }

}  // namespace dt::arithmetic
