#include "kernels/kernels.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "dt/kernels.h"
#include "dt/refusal.h"

#if defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
#include <intrin.h>
#endif
#if defined(__linux__)
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif
#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif
#if defined(_WIN32) && defined(_M_ARM64)
#include <processthreadsapi.h>
#endif

namespace dt {
namespace {

struct Processor {
  bool avx2 = false, avxvnni = false, avx512 = false, avx512vnni = false, amx = false;
  bool neondot = false;
};

#if defined(__x86_64__) || defined(_M_X64)

struct Leaf {
  unsigned a, b, c, d;
};

#if defined(_MSC_VER) && !defined(__clang__)
Leaf cpuid(unsigned leaf, unsigned part) {
  int r[4] = {};
  __cpuidex(r, static_cast<int>(leaf), static_cast<int>(part));
  return {static_cast<unsigned>(r[0]), static_cast<unsigned>(r[1]), static_cast<unsigned>(r[2]),
          static_cast<unsigned>(r[3])};
}
unsigned long long saved_registers() { return _xgetbv(0); }
#else
Leaf cpuid(unsigned leaf, unsigned part) {
  Leaf r;
  __asm__("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(part));
  return r;
}
unsigned long long saved_registers() {
  unsigned low = 0, high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<unsigned long long>(high) << 32U) | low;
}
#endif

// Linux keeps the tiles' registers from a process until it asks for them.
bool tiles_allowed() {
#if defined(__linux__) && defined(SYS_arch_prctl)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  static const bool allowed = syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return allowed;
#else
  return false;  // never tried elsewhere: VNNI serves there
#endif
}

Processor processor() {
  const auto bit = [](unsigned long long word, unsigned n) { return (word >> n & 1U) != 0; };
  Processor found;
  const unsigned leaves = cpuid(0, 0).a;
  const Leaf first = cpuid(1, 0);
  const bool fma = bit(first.c, 12), os_saves_registers = bit(first.c, 27);
  if (leaves < 7 || !fma || !os_saves_registers) {
    return found;
  }
  const unsigned long long saved = saved_registers();
  const Leaf features = cpuid(7, 0);
  const Leaf more = features.a >= 1 ? cpuid(7, 1) : Leaf{0, 0, 0, 0};
  found.avx2 = bit(features.b, 5) && (saved & 0x6) == 0x6;
  found.avxvnni = found.avx2 && bit(more.a, 4);
  // Foundation, BW and VL.
  found.avx512 = found.avx2 && bit(features.b, 16) && bit(features.b, 30) && bit(features.b, 31) &&
                 (saved & 0xE6) == 0xE6;
  found.avx512vnni = found.avx512 && bit(features.c, 11);
  found.amx = found.avx512vnni && bit(features.d, 24) && bit(features.d, 25) &&
              (saved & 0x60000) == 0x60000 && amx_kernels() != nullptr && tiles_allowed();
  return found;
}

#elif defined(__aarch64__) || defined(_M_ARM64)

Processor processor() {
  Processor found;
#if defined(__linux__)
  constexpr unsigned long kDotProducts = 1UL << 20U;  // HWCAP_ASIMDDP
  found.neondot = (getauxval(AT_HWCAP) & kDotProducts) != 0;
#elif defined(__APPLE__)
  int has = 0;
  std::size_t size = sizeof has;
  found.neondot =
      sysctlbyname("hw.optional.arm.FEAT_DotProd", &has, &size, nullptr, 0) == 0 && has != 0;
#elif defined(_WIN32)
  found.neondot = IsProcessorFeaturePresent(PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE) != 0;
#endif
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
       {cpu.amx ? amx_kernels() : nullptr, cpu.avx512vnni ? avx512vnni_kernels() : nullptr,
        cpu.avx512 ? avx512_kernels() : nullptr, cpu.avxvnni ? avxvnni_kernels() : nullptr,
        cpu.avx2 ? avx2_kernels() : nullptr, cpu.neondot ? neondot_kernels() : nullptr,
        neon_kernels(), wasmrelaxed_kernels(), wasm_kernels(), scalar_kernels()}) {
    if (kernels != nullptr) {
      found.push_back(kernels);
    }
  }
  return found;
}

}  // namespace

const Kernels* find_kernels(const char* name, char* refusal) {
  const char* from_environment = std::getenv("DT_KERNEL");
  const bool asked = *name != '\0';
  const std::string wanted = asked || from_environment == nullptr ? name : from_environment;
  static const std::vector<const Kernels*> found = available();
  if (wanted.empty()) {
    return found.front();
  }
  std::string names;
  for (const Kernels* kernels : found) {
    if (wanted == kernels->name) {
      return kernels;
    }
    names += (names.empty() ? "" : ", ") + std::string(kernels->name);
  }
  std::snprintf(refusal, kKernelsRefusal, "%s: expected one of %s on this machine, got '%s'",
                asked ? "kernel" : "environment variable DT_KERNEL", names.c_str(), wanted.c_str());
  return nullptr;
}

const Kernels& find_kernels(const char* name) {
  char refusal[kKernelsRefusal];
  const Kernels* found = find_kernels(name, refusal);
  if (found == nullptr) {
    raise({Refusal::Kind::kArgument, refusal});
  }
  return *found;
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
