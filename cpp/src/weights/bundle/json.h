// JSON without exceptions: parsing that refuses, and values as Python writes them.
#pragma once

// Where a value is not what is asked of it, nlohmann-json would throw; nothing here asks so.
#if !defined(__cpp_exceptions) && !defined(_CPPUNWIND) && !defined(JSON_NOEXCEPTION)
#define JSON_NOEXCEPTION
#endif
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace dt {

using Json = nlohmann::json;

// False, and why in `fault`, where `text` is not JSON.
bool parse_json(std::string_view text, Json* json, std::string* fault);

// As Python's repr writes it, so that the sentences of both readers are the same. Null, where there
// is nothing, is None.
std::string python_repr(const Json* json);

}  // namespace dt
