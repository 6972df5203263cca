#include "weights/bundle/json.h"

#include <cstddef>
#include <utility>

namespace dt {
namespace {

// What lies deeper is not shown: a file of brackets alone must not fill the stack.
constexpr int kDeepest = 8;

// Whether an object or an array has anything in it.
bool is_filled(const Json& json) { return json.is_structured() && !json.empty(); }

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

class JsonDocument::Reader : public nlohmann::json_sax<Json> {
 public:
  explicit Reader(JsonDocument* document) : document_(document) {}
  std::size_t fault_at() const { return fault_at_; }

  bool null() override { return take(Json()); }
  bool boolean(bool value) override { return take(value); }
  bool number_integer(number_integer_t value) override { return take(value); }
  bool number_unsigned(number_unsigned_t value) override { return take(value); }
  bool number_float(number_float_t value, const string_t&) override { return take(value); }
  bool string(string_t& value) override { return take(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // is in no text
  bool start_object(std::size_t) override { return open(Json::value_t::object); }
  bool start_array(std::size_t) override { return open(Json::value_t::array); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    member_ = &(*document_->open_.back()->get_ptr<Json::object_t*>())[name];
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    fault_at_ = position;
    return false;
  }

 private:
  // Where the value now stands.
  Json* put(Json&& value) {
    if (document_->open_.empty()) {
      document_->root_ = std::move(value);
      return &document_->root_;
    }
    if (auto* array = document_->open_.back()->get_ptr<Json::array_t*>()) {
      array->push_back(std::move(value));
      return &array->back();
    }
    document_->empty(member_);  // a name that comes twice: the last one counts
    *member_ = std::move(value);
    return member_;
  }
  bool take(Json&& value) {
    put(std::move(value));
    return true;
  }
  bool open(Json::value_t type) {
    document_->open_.push_back(put(Json(type)));
    return true;
  }
  bool close() {
    document_->open_.pop_back();
    return true;
  }

  JsonDocument* document_;
  Json* member_ = nullptr;
  std::size_t fault_at_ = 0;
};

JsonDocument::~JsonDocument() {
  open_.clear();
  empty(&root_);
}

// Without asking for memory: the list was as long while all that is in there was read.
void JsonDocument::empty(Json* from) {
  const std::size_t floor = open_.size();
  const auto enter = [this](Json* json) {
    if (is_filled(*json)) {
      open_.push_back(json);
    }
    return is_filled(*json);
  };
  enter(from);
  while (open_.size() > floor) {
    Json* json = open_.back();
    if (json->empty()) {
      open_.pop_back();
    } else if (auto* array = json->get_ptr<Json::array_t*>()) {
      if (!enter(&array->back())) {
        array->pop_back();
      }
    } else {
      auto* object = json->get_ptr<Json::object_t*>();
      if (!enter(&object->begin()->second)) {
        object->erase(object->begin());
      }
    }
  }
}

bool JsonDocument::parse(std::string_view text, std::string* fault) {
  Reader reader(this);
  const bool whole = Json::sax_parse(text.begin(), text.end(), &reader);
  if (!whole) {
    *fault = "byte " + std::to_string(reader.fault_at()) + " of " + std::to_string(text.size());
  }
  return whole;
}

std::string python_repr(const Json* json) {
  std::string out;
  const Json none;
  write(json == nullptr ? none : *json, 0, &out);
  return out;
}

}  // namespace dt
