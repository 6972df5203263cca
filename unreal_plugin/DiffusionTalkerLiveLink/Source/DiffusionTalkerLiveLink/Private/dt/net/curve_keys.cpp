// Keys as files: ZeroMQ's certificates, in a folder for each receiver.
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "dt/net/curve.h"

#if defined(_WIN32)
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#if defined(_MSC_VER)
#pragma warning(push, 0)
#endif
#include <windows.h>
#if defined(_MSC_VER)
#pragma warning(pop)
#endif
#endif

namespace dt {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFileBytes = 65536;
constexpr std::size_t kMaxFiles = 1000;

fs::path path_of(const std::string& utf8) {
#if defined(_WIN32)
  const int size = static_cast<int>(utf8.size());
  std::wstring wide(utf8.size(), L'\0');
  wide.resize(static_cast<std::size_t>(
      MultiByteToWideChar(CP_UTF8, 0, utf8.data(), size, wide.data(), size)));
  return fs::path(wide);
#else
  return fs::path(utf8);
#endif
}

// The beginning of a file; empty if it cannot be read.
std::string contents(const fs::path& path) {
  std::error_code none;
  if (!fs::is_regular_file(path, none)) return std::string();
  std::ifstream file(path, std::ios::binary);
  std::string bytes(kMaxFileBytes, '\0');
  file.read(&bytes[0], static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  return bytes;
}

// The value of `name = "..."` on a line of its own, in either kind of quotes.
bool find_key(const std::string& bytes, const std::string& name, CurveKey* key) {
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t end =
        bytes.find('\n', at) == std::string::npos ? bytes.size() : bytes.find('\n', at);
    std::string line = bytes.substr(at, end - at);
    at = end + 1;
    line.erase(0, line.find_first_not_of(" \t\r") == std::string::npos
                      ? line.size()
                      : line.find_first_not_of(" \t\r"));
    if (line.compare(0, name.size(), name) != 0) continue;
    const std::size_t first = line.find_first_of("\"'");
    const std::size_t last = line.find_last_of("\"'");
    return first < last &&
           read_z85(std::string_view(line).substr(first + 1, last - first - 1), key);
  }
  return false;
}

}  // namespace

bool read_z85(std::string_view text, CurveKey* key) {
  constexpr std::string_view kLetters =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
  if (text.size() != key->size() / 4 * 5) return false;
  for (std::size_t i = 0; i < text.size(); i += 5) {
    std::uint64_t whole = 0;
    for (const char letter : text.substr(i, 5)) {
      const std::size_t value = kLetters.find(letter);
      if (value == std::string_view::npos) return false;
      whole = whole * 85 + value;
    }
    if (whole > 0xFFFFFFFFu) return false;
    for (std::size_t byte = 0; byte < 4; ++byte) {
      (*key)[i / 5 * 4 + byte] = static_cast<unsigned char>(whole >> (24 - 8 * byte));
    }
  }
  return true;
}

bool read_curve_keys(const std::string& folder, CurveKeys* keys, std::string* why) {
  const fs::path place = path_of(folder);
  std::error_code failure;
  std::vector<fs::path> secrets;
  std::size_t seen = 0;
  fs::directory_iterator entry(place, failure);
  for (; !failure && entry != fs::directory_iterator() && seen < kMaxFiles;
       entry.increment(failure), ++seen) {
    if (entry->path().extension() == ".key_secret") secrets.push_back(entry->path());
  }
  const std::string begin = "keys \"" + folder + "\": ";
  if (failure) {
    *why = begin + "no such folder";
    return false;
  }
  if (secrets.size() != 1 || secrets[0].stem() == "sender") {
    *why = begin + "expected the folder of one receiver, with its NAME.key_secret and sender.key " +
           "(dt-stream keygen makes it)";
    return false;
  }
  const std::string secret = contents(secrets[0]);
  if (!find_key(secret, "public-key", &keys->own_public) ||
      !find_key(secret, "secret-key", &keys->own_secret)) {
    *why = begin + "its NAME.key_secret is no certificate of ZeroMQ's";
    return false;
  }
  if (!find_key(contents(place / "sender.key"), "public-key", &keys->sender_public)) {
    *why = begin + "sender.key is missing, or no certificate of ZeroMQ's";
    return false;
  }
  return true;
}

}  // namespace dt
