#include "weights/bundle/safetensors.h"

#include <cstddef>

#include "weights/bundle/json.h"

namespace dt {
namespace {

struct Type {
  const char *name, *numpy;
  std::int64_t bytes;
};
constexpr Type kTypes[] = {{"F64", "float64", 8}, {"F32", "float32", 4}, {"F16", "float16", 2},
                           {"I8", "int8", 1},     {"U8", "uint8", 1},    {"I32", "int32", 4}};

const Type* find_type(const std::string& name) {
  for (const Type& type : kTypes) {
    if (name == type.name) {
      return &type;
    }
  }
  return nullptr;
}

// A list of whole numbers from 0 to `most`.
bool whole_numbers(const Json& entry, const char* key, std::int64_t most,
                   std::vector<std::int64_t>* numbers) {
  const auto found = entry.find(key);
  if (found == entry.end() || !found->is_array()) {
    return false;
  }
  for (const Json& value : *found) {
    const auto* number = value.get_ptr<const Json::number_unsigned_t*>();
    if (number == nullptr || *number > static_cast<std::uint64_t>(most)) {
      return false;
    }
    numbers->push_back(static_cast<std::int64_t>(*number));
  }
  return true;
}

// The number of elements where it is `most` at the most, else -1.
std::int64_t elements_within(const std::vector<std::int64_t>& shape, std::int64_t most) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    if (size != 0 && count > most / size) {
      return -1;
    }
    count *= size;
  }
  return count;
}

// False, and what is wrong with it, where the header's entry is no tensor of the values.
bool read_entry(const Json& entry, std::string_view values, StoredTensor* tensor,
                std::string* fault) {
  if (!entry.is_object()) {
    *fault = "has no type, shape and place";
    return false;
  }
  const auto name = entry.find("dtype");
  const auto* text = name == entry.end() ? nullptr : name->get_ptr<const std::string*>();
  const Type* type = text == nullptr ? nullptr : find_type(*text);
  if (type == nullptr) {
    *fault = "is of type " + python_repr(name == entry.end() ? nullptr : &*name);
    return false;
  }
  const auto size = static_cast<std::int64_t>(values.size());
  std::vector<std::int64_t> place;
  if (!whole_numbers(entry, "shape", size, &tensor->shape) ||
      !whole_numbers(entry, "data_offsets", size, &place) || place.size() != 2 ||
      place[0] > place[1]) {
    *fault = "has a shape or a place that cannot be";
    return false;
  }
  tensor->type = type->name;
  tensor->bytes = place[1] - place[0];
  const std::int64_t count = elements_within(tensor->shape, size);
  if (count < 0 || count * type->bytes != tensor->bytes) {
    *fault = "lies at " + std::to_string(place[0]) + " to " + std::to_string(place[1]) +
             ", which is not its shape's size";
    return false;
  }
  tensor->data = values.data() + place[0];
  return true;
}

}  // namespace

std::string numpy_name(const std::string& type) {
  const Type* found = find_type(type);
  return found == nullptr ? "" : found->numpy;
}

bool read_safetensors(std::string_view file, StoredTensors* tensors, std::string* fault) {
  constexpr std::size_t kSizeBytes = 8;
  if (file.size() < kSizeBytes) {
    *fault = "it has " + std::to_string(file.size()) + " bytes";
    return false;
  }
  std::uint64_t size = 0;
  for (std::size_t i = kSizeBytes; i-- > 0;) {
    size = size << 8U | static_cast<unsigned char>(file[i]);
  }
  file.remove_prefix(kSizeBytes);
  if (size > file.size()) {
    *fault = "its header of " + std::to_string(size) + " bytes does not fit";
    return false;
  }
  JsonDocument document;
  std::string where;
  if (!document.parse(file.substr(0, static_cast<std::size_t>(size)), &where)) {
    *fault = "its header is not JSON: " + where;
    return false;
  }
  const Json& header = document.root();
  if (!header.is_object()) {
    *fault = "its header is no object";
    return false;
  }
  const std::string_view values = file.substr(static_cast<std::size_t>(size));
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      continue;
    }
    StoredTensor tensor{};
    if (!read_entry(entry, values, &tensor, &where)) {
      *fault = "tensor " + name + " " + where;
      return false;
    }
    (*tensors)[name] = std::move(tensor);
  }
  return true;
}

}  // namespace dt
