// JSON without exceptions: parsing that refuses, and values as Python writes them.
#pragma once

// Where a value is not what is asked of it, nlohmann-json would throw; nothing here asks so.
#if !defined(__cpp_exceptions) && !defined(_CPPUNWIND) && !defined(JSON_NOEXCEPTION)
#define JSON_NOEXCEPTION
#endif
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace dt {

using Json = nlohmann::json;

// A parsed text. nlohmann-json asks for memory where an object or an array with anything in it is
// destroyed (its issue 5135), which ends the program where there is none: here all are emptied
// first, by a list that was grown while reading.
class JsonDocument {
 public:
  JsonDocument() = default;
  ~JsonDocument();
  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;

  // False, and why in `fault`, where `text` is not JSON.
  bool parse(std::string_view text, std::string* fault);
  const Json& root() const { return root_; }

 private:
  class Reader;
  void empty(Json* from);

  Json root_;
  std::vector<Json*> open_;  // objects and arrays around what is being read, or emptied
};

// As Python's repr writes it, so that the sentences of both readers are the same. Null, where there
// is nothing, is None.
std::string python_repr(const Json* json);

}  // namespace dt
