// A digest of numbers, the same on every machine that has the same bits.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

namespace dt_digest {

// FNV-1a over the bits of what is added, lowest byte first on every machine.
class Digest {
 public:
  void add(std::uint32_t word) {
    for (int byte = 0; byte < 4; ++byte) {
      hash_ = (hash_ ^ (word >> (8 * byte) & 0xFFU)) * 0x100000001B3U;
    }
  }
  void add(float value) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    add(bits);
  }
  void add(double value) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    add(static_cast<std::uint32_t>(bits));
    add(static_cast<std::uint32_t>(bits >> 32));
  }
  void add(const std::vector<float>& values) {
    for (const float value : values) {
      add(value);
    }
  }
  std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xCBF29CE484222325U;
};

}  // namespace dt_digest
