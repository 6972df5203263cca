// A model in a file of its own, as digests.py writes it: settings, one a line, then tensors.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dt/model.h"

namespace dt_digest {

// Says why and ends the program: exit code 2.
[[noreturn]] void stop(const std::string& why);

class ModelFile {
 public:
  // Stops with the file and what is wrong with it.
  explicit ModelFile(const std::string& path);

  std::shared_ptr<const dt::Model> build(const std::string& kernel) const;

 private:
  std::vector<std::uint64_t> storage_;  // the file; 64-bit words, so that tensors are aligned
  dt::ModelConfig config_;
  dt::TensorMap tensors_;
  dt::TensorView identity_features_;
};

// Little-endian float32 values of a whole file.
std::vector<float> read_floats(const std::string& path);

}  // namespace dt_digest
