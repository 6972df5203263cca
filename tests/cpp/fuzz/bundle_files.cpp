// Takes any bytes as what a bundle is made of: JSON, a file of weights, an archive of both. Each
// ends in what was read, within the bytes, or in a reason.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "weights/bundle/json.h"
#include "weights/bundle/safetensors.h"
#include "weights/bundle/tar.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void require_inside(const char* begin, std::size_t count, std::string_view file) {
  require(begin >= file.data() && count <= file.size());
  require(static_cast<std::size_t>(begin - file.data()) <= file.size() - count);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  std::string fault;

  dt::JsonDocument document;
  if (document.parse(bytes, &fault)) {
    dt::python_repr(&document.root());
  } else {
    require(!fault.empty());
  }

  fault.clear();
  dt::StoredTensors tensors;
  if (dt::read_safetensors(bytes, &tensors, &fault)) {
    for (const auto& [name, tensor] : tensors) {
      require(tensor.bytes >= 0);
      require_inside(tensor.data, static_cast<std::size_t>(tensor.bytes), bytes);
      dt::numpy_name(tensor.type);
    }
  } else {
    require(!fault.empty());
  }

  fault.clear();
  std::string_view contents;
  if (dt::find_in_tar(bytes, "manifest.json", &contents, &fault)) {
    require_inside(contents.data(), contents.size(), bytes);
  } else {
    require(!fault.empty());
  }
  return 0;
}
