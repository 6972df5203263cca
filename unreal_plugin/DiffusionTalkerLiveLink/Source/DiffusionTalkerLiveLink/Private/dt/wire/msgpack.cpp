#include "dt/wire/msgpack.h"

#include <cstring>

namespace dt {

namespace {

constexpr int kMaxDepth = 16;

template <typename Float, typename Bits>
double float_from_bits(std::uint64_t whole) {
  static_assert(sizeof(Float) == sizeof(Bits), "same size");
  const Bits bits = static_cast<Bits>(whole);
  Float value;
  std::memcpy(&value, &bits, sizeof value);
  return static_cast<double>(value);
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  const auto* const end = at + bytes.size();
  while (at < end) {
    const unsigned lead = *at++;
    if (lead < 0x80) continue;
    const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    if (lead < 0xC2 || lead > 0xF4 || end - at < more) return false;
    std::uint32_t code = lead & (0x3Fu >> more);
    for (int i = 0; i < more; ++i) {
      if ((*at & 0xC0) != 0x80) return false;
      code = (code << 6) | (*at++ & 0x3Fu);
    }
    const std::uint32_t least = more == 1 ? 0x80 : more == 2 ? 0x800 : 0x10000;
    if (code < least || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return false;
  }
  return true;
}

bool MsgpackReader::fail(const char* why) {
  if (error_ == nullptr) error_ = why;
  return false;
}

bool MsgpackReader::take(std::size_t count, std::string_view* bytes) {
  if (count > rest_.size()) return fail("the bytes end inside a value");
  *bytes = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return true;
}

bool MsgpackReader::take_big_endian(std::size_t count, std::uint64_t* whole) {
  std::string_view bytes;
  if (!take(count, &bytes)) return false;
  *whole = 0;
  for (const char byte : bytes) *whole = (*whole << 8) | static_cast<unsigned char>(byte);
  return true;
}

bool MsgpackReader::take_text(std::uint64_t size, Value* value) {
  if (size > limits_.text_bytes) return fail("a text is too long");
  if (!take(static_cast<std::size_t>(size), &value->bytes)) return false;
  value->type = Type::kText;
  return is_utf8(value->bytes) || fail("a text is not UTF-8");
}

bool MsgpackReader::take_binary(std::uint64_t size, Value* value) {
  if (size > limits_.binary_bytes) return fail("a binary is too long");
  value->type = Type::kBinary;
  return take(static_cast<std::size_t>(size), &value->bytes);
}

bool MsgpackReader::take_extension(std::uint64_t size) {
  std::uint64_t type = 0;
  if (!take_big_endian(1, &type)) return false;
  return size == 0 || fail("extension types are not part of the wire");
}

bool MsgpackReader::set_count(Type type, std::uint64_t count, Value* value) {
  const bool is_map = type == Type::kMap;
  if (count > (is_map ? limits_.map_pairs : limits_.array_elements)) {
    return fail(is_map ? "a map is too long" : "an array is too long");
  }
  value->type = type;
  value->count = static_cast<std::uint32_t>(count);
  return true;
}

bool MsgpackReader::read(Value* value) {
  *value = Value();
  if (error_ != nullptr) return false;
  std::uint64_t head = 0;
  if (!take_big_endian(1, &head)) return false;

  if (head < 0x80) {
    value->type = Type::kUnsigned;
    value->whole = head;
    return true;
  }
  if (head < 0x90) return set_count(Type::kMap, head & 0x0F, value);
  if (head < 0xA0) return set_count(Type::kArray, head & 0x0F, value);
  if (head < 0xC0) return take_text(head & 0x1F, value);
  if (head >= 0xE0) {
    value->type = Type::kSigned;
    value->negative = static_cast<std::int64_t>(head) - 256;
    return true;
  }

  std::uint64_t whole = 0;
  switch (head) {
    case 0xC0:
      return true;
    case 0xC2:
    case 0xC3:
      value->type = Type::kBool;
      value->boolean = head == 0xC3;
      return true;
    case 0xC4:
      return take_big_endian(1, &whole) && take_binary(whole, value);
    case 0xC5:
      return take_big_endian(2, &whole) && take_binary(whole, value);
    case 0xC6:
      return take_big_endian(4, &whole) && take_binary(whole, value);
    case 0xC7:
      value->type = Type::kExtension;
      return take_big_endian(1, &whole) && take_extension(whole);
    case 0xC8:
      value->type = Type::kExtension;
      return take_big_endian(2, &whole) && take_extension(whole);
    case 0xC9:
      value->type = Type::kExtension;
      return take_big_endian(4, &whole) && take_extension(whole);
    case 0xCA:
      value->type = Type::kFloat;
      if (!take_big_endian(4, &whole)) return false;
      value->number = float_from_bits<float, std::uint32_t>(whole);
      return true;
    case 0xCB:
      value->type = Type::kFloat;
      if (!take_big_endian(8, &whole)) return false;
      value->number = float_from_bits<double, std::uint64_t>(whole);
      return true;
    case 0xCC:
    case 0xCD:
    case 0xCE:
    case 0xCF:
      value->type = Type::kUnsigned;
      return take_big_endian(std::size_t{1} << (head - 0xCC), &value->whole);
    case 0xD0:
    case 0xD1:
    case 0xD2:
    case 0xD3: {
      const std::size_t size = std::size_t{1} << (head - 0xD0);
      if (!take_big_endian(size, &whole)) return false;
      const bool negative = (whole >> (8 * size - 1)) != 0;
      if (!negative) {
        value->type = Type::kUnsigned;
        value->whole = whole;
        return true;
      }
      // Fills the bits above the value with its sign.
      if (size < 8) whole |= ~std::uint64_t{0} << (8 * size);
      value->type = Type::kSigned;
      std::memcpy(&value->negative, &whole, sizeof whole);
      return true;
    }
    case 0xD4:
    case 0xD5:
    case 0xD6:
    case 0xD7:
    case 0xD8:
      return fail("extension types are not part of the wire");
    case 0xD9:
      return take_big_endian(1, &whole) && take_text(whole, value);
    case 0xDA:
      return take_big_endian(2, &whole) && take_text(whole, value);
    case 0xDB:
      return take_big_endian(4, &whole) && take_text(whole, value);
    case 0xDC:
      return take_big_endian(2, &whole) && set_count(Type::kArray, whole, value);
    case 0xDD:
      return take_big_endian(4, &whole) && set_count(Type::kArray, whole, value);
    case 0xDE:
      return take_big_endian(2, &whole) && set_count(Type::kMap, whole, value);
    case 0xDF:
      return take_big_endian(4, &whole) && set_count(Type::kMap, whole, value);
    default:
      return fail("a byte that msgpack does not use");
  }
}

bool MsgpackReader::skip() { return skip_nested(0); }

bool MsgpackReader::skip_nested(int depth) {
  if (depth > kMaxDepth) return fail("nested too deeply");
  Value value;
  if (!read(&value)) return false;
  const bool is_map = value.type == Type::kMap;
  if (!is_map && value.type != Type::kArray) return true;
  const std::uint32_t inside = is_map ? 2 * value.count : value.count;
  for (std::uint32_t i = 0; i < inside; ++i) {
    if (is_map && i % 2 == 0) {
      // Keys are text or binary, as in the sender's own reader.
      Value key;
      if (!read(&key)) return false;
      if (key.type != Type::kText && key.type != Type::kBinary)
        return fail("a map key is not text");
      continue;
    }
    if (!skip_nested(depth + 1)) return false;
  }
  return true;
}

}  // namespace dt
