#include "weights/bundle/json.h"

#include <cstddef>

namespace dt {
namespace {

// What lies deeper is not shown: a file of brackets alone must not fill the stack.
constexpr int kDeepest = 8;

// Takes all and keeps nothing but where it ends to be JSON.
struct Fault : nlohmann::json_sax<Json> {
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    at = position;
    return false;
  }
  std::size_t at = 0;
};

void quote(const std::string& text, std::string* out) {
  const bool has_single = text.find('\'') != std::string::npos;
  const char mark = has_single && text.find('"') == std::string::npos ? '"' : '\'';
  *out += mark;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == mark || c == '\\') {
      *out += '\\';
      *out += c;
    } else if (c == '\n' || c == '\r' || c == '\t') {
      *out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      *out += "\\x";
      *out += "0123456789abcdef"[byte >> 4U];
      *out += "0123456789abcdef"[byte & 15U];
    } else {
      *out += c;
    }
  }
  *out += mark;
}

void write(const Json& json, int depth, std::string* out) {
  if (depth > kDeepest) {
    *out += "...";
    return;
  }
  const char* between = "";
  switch (json.type()) {
    case Json::value_t::boolean:
      *out += json == true ? "True" : "False";
      break;
    case Json::value_t::string:
      quote(*json.get_ptr<const std::string*>(), out);
      break;
    case Json::value_t::array:
      *out += '[';
      for (const Json& value : json) {
        *out += between;
        write(value, depth + 1, out);
        between = ", ";
      }
      *out += ']';
      break;
    case Json::value_t::object:
      *out += '{';
      for (const auto& [key, value] : json.items()) {
        *out += between;
        quote(key, out);
        *out += ": ";
        write(value, depth + 1, out);
        between = ", ";
      }
      *out += '}';
      break;
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
    case Json::value_t::number_float:
      *out += json.dump();
      break;
    default:
      *out += "None";
  }
}

}  // namespace

bool parse_json(std::string_view text, Json* json, std::string* fault) {
  *json = Json::parse(text.begin(), text.end(), nullptr, false);
  if (!json->is_discarded()) {
    return true;
  }
  Fault found;
  Json::sax_parse(text.begin(), text.end(), &found);
  *fault = "byte " + std::to_string(found.at) + " of " + std::to_string(text.size());
  return false;
}

std::string python_repr(const Json* json) {
  std::string out;
  write(json == nullptr ? Json() : *json, 0, &out);
  return out;
}

}  // namespace dt
