// The digest by which a manifest knows its weights.
#pragma once

#include <cstddef>
#include <string>

namespace dt {

// SHA-256 (FIPS 180-4) of bytes, in hex.
std::string sha256(const char* bytes, std::size_t count);

}  // namespace dt
