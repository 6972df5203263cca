#include "weights/bundle/tar.h"

#include <algorithm>
#include <cstdint>

namespace dt {
namespace {

constexpr std::size_t kBlock = 512;

// POSIX ustar: where the fields of a header lie.
struct Field {
  std::size_t at, size;
};
constexpr Field kName{0, 100}, kSize{124, 12}, kChecksum{148, 8}, kMagic{257, 5};
constexpr std::size_t kType = 156;

std::string_view text_of(std::string_view header, Field field) {
  const std::string_view whole = header.substr(field.at, field.size);
  return whole.substr(0, std::min(whole.find('\0'), whole.size()));
}

// Octal digits, with spaces around them; false for anything else.
bool number_of(std::string_view header, Field field, std::uint64_t* number) {
  std::string_view text = text_of(header, field);
  while (!text.empty() && text.front() == ' ') {
    text.remove_prefix(1);
  }
  while (!text.empty() && text.back() == ' ') {
    text.remove_suffix(1);
  }
  *number = 0;
  for (const char c : text) {
    if (c < '0' || c > '7') {
      return false;
    }
    *number = *number * 8 + static_cast<std::uint64_t>(c - '0');
  }
  return !text.empty();
}

bool checksum_holds(std::string_view header) {
  std::uint64_t expected = 0, sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    const bool own = i >= kChecksum.at && i < kChecksum.at + kChecksum.size;
    sum += own ? static_cast<unsigned>(' ') : static_cast<unsigned char>(header[i]);
  }
  return number_of(header, kChecksum, &expected) && expected == sum;
}

}  // namespace

bool find_in_tar(std::string_view archive, std::string_view name, std::string_view* contents,
                 std::string* fault) {
  for (std::size_t at = 0; archive.size() - at >= kBlock;) {
    const std::string_view header = archive.substr(at, kBlock);
    if (std::all_of(header.begin(), header.end(), [](char c) { return c == '\0'; })) {
      break;  // the end
    }
    std::uint64_t size = 0;
    if (text_of(header, kMagic).substr(0, kMagic.size) != "ustar" || !checksum_holds(header) ||
        !number_of(header, kSize, &size)) {
      *fault = "not an archive that tar made (byte " + std::to_string(at) + ")";
      return false;
    }
    at += kBlock;
    if (size > archive.size() - at) {
      *fault = "the archive is cut off (byte " + std::to_string(archive.size()) + ")";
      return false;
    }
    const std::string_view path = text_of(header, kName);
    const bool is_file = header[kType] == '0' || header[kType] == '\0';
    if (is_file && path.substr(path.rfind('/') + 1) == name) {
      *contents = archive.substr(at, static_cast<std::size_t>(size));
      return true;
    }
    const auto padded = static_cast<std::size_t>((size + kBlock - 1) / kBlock * kBlock);
    at += std::min(padded, archive.size() - at);
  }
  *fault = std::string(name) + " is missing";
  return false;
}

}  // namespace dt
