#include "kernels/kernels.h"

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "dt/kernels.h"

#if defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
#include <intrin.h>
#endif

namespace dt {
namespace {

struct Processor {
  bool avx2 = false;
  bool avx512 = false;
};

#if defined(_MSC_VER) && !defined(__clang__) && (defined(_M_X64) || defined(_M_IX86))
Processor processor() {
  int leaf[4] = {};
  __cpuid(leaf, 0);
  const int leaves = leaf[0];
  __cpuid(leaf, 1);
  const bool fma = (leaf[2] & (1 << 12)) != 0;
  const bool os_saves_registers = (leaf[2] & (1 << 27)) != 0;
  if (leaves < 7 || !fma || !os_saves_registers) {
    return {};
  }
  const unsigned long long saved = _xgetbv(0);
  __cpuidex(leaf, 7, 0);
  Processor found;
  found.avx2 = (leaf[1] & (1 << 5)) != 0 && (saved & 0x6) == 0x6;
  found.avx512 = found.avx2 && (leaf[1] & (1 << 16)) != 0 && (saved & 0xE6) == 0xE6;
  return found;
}
#elif defined(__x86_64__) || defined(__i386__)
Processor processor() {
  __builtin_cpu_init();
  Processor found;
  found.avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
  found.avx512 = found.avx2 && __builtin_cpu_supports("avx512f") != 0;
  return found;
}
#else
Processor processor() { return {}; }
#endif

// The best first.
std::vector<const Kernels*> available() {
  const Processor cpu = processor();
  std::vector<const Kernels*> found;
  for (const Kernels* kernels :
       {cpu.avx512 ? avx512_kernels() : nullptr, cpu.avx2 ? avx2_kernels() : nullptr,
        neon_kernels(), scalar_kernels()}) {
    if (kernels != nullptr) {
      found.push_back(kernels);
    }
  }
  return found;
}

}  // namespace

const Kernels& find_kernels(const char* name) {
  const char* from_environment = std::getenv("DT_KERNEL");
  const bool asked = *name != '\0';
  const std::string wanted = asked || from_environment == nullptr ? name : from_environment;
  const std::vector<const Kernels*> found = available();
  if (wanted.empty()) {
    return *found.front();
  }
  std::string names;
  for (const Kernels* kernels : found) {
    if (wanted == kernels->name) {
      return *kernels;
    }
    names += (names.empty() ? "" : ", ") + std::string(kernels->name);
  }
  throw std::invalid_argument(std::string(asked ? "kernel" : "environment variable DT_KERNEL") +
                              ": expected one of " + names + " on this machine, got '" + wanted +
                              "'");
}

std::vector<std::string> available_kernels() {
  std::vector<std::string> names;
  for (const Kernels* kernels : available()) {
    names.emplace_back(kernels->name);
  }
  return names;
}

std::string default_kernel() { return find_kernels("").name; }

}  // namespace dt
