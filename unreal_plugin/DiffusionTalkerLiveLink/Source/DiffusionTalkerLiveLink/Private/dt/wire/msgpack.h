// A reader of msgpack (the public msgpack specification) over bytes that are not trusted: nothing
// is allocated, no length is believed before the bytes are there, and nesting is bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dt {

class MsgpackReader {
 public:
  enum class Type {
    kNil,
    kBool,
    kUnsigned,
    kSigned,
    kFloat,
    kText,
    kBinary,
    kArray,
    kMap,
    kExtension
  };

  // One value, or the head of an array or a map whose elements follow.
  struct Value {
    Type type = Type::kNil;
    bool boolean = false;
    std::uint64_t whole = 0;    // kUnsigned
    std::int64_t negative = 0;  // kSigned: always below 0
    double number = 0.0;        // kFloat
    std::string_view bytes;     // kText (checked to be UTF-8), kBinary, kExtension
    std::uint32_t count = 0;    // kArray: elements; kMap: pairs
  };

  // What a text, a binary, an array and a map may hold at most; more fails the read.
  struct Limits {
    std::uint32_t text_bytes = 256;
    std::uint32_t binary_bytes = 256;
    std::uint32_t array_elements = 256;
    std::uint32_t map_pairs = 32;
  };

  MsgpackReader(std::string_view bytes, const Limits& limits) : rest_(bytes), limits_(limits) {}

  // Reads the next value's head. False at the end of the bytes or on malformed ones; then error()
  // says why and every later call fails too.
  bool read(Value* value);

  // Reads and drops one whole value with everything inside it.
  bool skip();

  bool at_end() const { return rest_.empty() && error_ == nullptr; }
  std::size_t remaining() const { return rest_.size(); }
  const char* error() const { return error_; }  // null while all went well

 private:
  bool skip_nested(int depth);
  bool fail(const char* why);
  bool take(std::size_t count, std::string_view* bytes);
  bool take_big_endian(std::size_t count, std::uint64_t* whole);
  bool take_text(std::uint64_t size, Value* value);
  bool take_binary(std::uint64_t size, Value* value);
  bool take_extension(std::uint64_t size);
  bool set_count(Type type, std::uint64_t count, Value* value);

  std::string_view rest_;
  Limits limits_;
  const char* error_ = nullptr;
};

// Whether `bytes` are well-formed UTF-8: no over-long forms, no surrogates, nothing past U+10FFFF.
bool is_utf8(std::string_view bytes);

}  // namespace dt
