// A bundle: a model on disk, read and checked (docs/bundle.md). A refusal is one sentence: what,
// where, expected, got; nothing is raised.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dt/model.h"
#include "dt/refusal.h"

namespace dt {

class Bundle {
 public:
  // The newest format that is read.
  static constexpr std::int64_t kFormatVersion = 3;

  // A folder with manifest.json and weights.safetensors, or a file in which tar has packed them.
  // `path` is UTF-8. Null, and why in `refusal`, where it cannot be used.
  static std::shared_ptr<const Bundle> open(const std::string& path, MaybeRefusal* refusal);
  // Such a file's bytes, which are copied.
  static std::shared_ptr<const Bundle> open_memory(const void* bytes, std::size_t count,
                                                   MaybeRefusal* refusal);

  // A model of it. `kernel` and `precision` as in ModelConfig.
  std::shared_ptr<const Model> model(const std::string& kernel, const std::string& precision,
                                     MaybeRefusal* refusal) const;

  std::int64_t format_version() const { return format_version_; }
  const std::string& name() const { return name_; }
  const std::string& sha256() const { return sha256_; }      // of the weights' file
  const std::string& licences() const { return licences_; }  // a line a source of training
  const std::string& manifest() const { return manifest_; }  // its text
  const ModelConfig& config() const { return config_; }
  const std::vector<std::string>& identities() const { return identities_; }

 private:
  friend class BundleReader;

  static std::shared_ptr<const Bundle> open_packed(const std::string& where, const char* bytes,
                                                   std::size_t count, MaybeRefusal* refusal);

  std::int64_t format_version_ = 0;
  std::string name_, sha256_, licences_, manifest_;
  ModelConfig config_;
  std::vector<std::string> identities_;
  std::vector<char> file_;                  // the weights' file
  std::vector<std::vector<float>> floats_;  // of tensors that do not lie in it as floats
  TensorMap tensors_;
  std::vector<float> identity_features_;  // (identities, channels)
};

}  // namespace dt
