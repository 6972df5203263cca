// The file of weights: 8 bytes with the size of a header, the header (JSON: type, shape and place
// of each tensor), and the values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dt {

struct StoredTensor {
  std::string type;  // as the file calls it: "F32", "F16", "I8" ...
  std::vector<std::int64_t> shape;
  const char* data;  // in the file; not aligned
  std::int64_t bytes;
};
using StoredTensors = std::map<std::string, StoredTensor>;

// NumPy's name of a type, "" for one that is not known.
std::string numpy_name(const std::string& type);

// The tensors of a file's bytes. False, and why in `fault`, where it is no such file.
bool read_safetensors(std::string_view file, StoredTensors* tensors, std::string* fault);

}  // namespace dt
