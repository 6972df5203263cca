// The manifest, checked field by field: a row a field, in the order of the rows of Python's table
// (python/diffusiontalker/bundle/manifest.py), and in the same words; a test holds both to one list
// of refusals.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dt/model.h"
#include "weights/bundle/json.h"

namespace dt {

// What is wrong with a value; `got` as Python's repr has it.
struct Fault {
  std::string where, expected, got;
};
using MaybeFault = std::optional<Fault>;

// What a manifest says, beside the settings of the model.
struct Manifest {
  std::int64_t format_version = 0;
  std::string name, weights_dtype = "float32", weights_sha256, licences;
  std::string weights_sha256_shown;  // as a refusal has it
  std::int64_t identity_hidden = 0;
  bool keys = false;
  std::vector<std::string> identities;
  ModelConfig config;
};

// Fills `manifest`, or says what is wrong.
MaybeFault read_manifest(const Json& json, Manifest* manifest);

}  // namespace dt
