// Which tensors a model's network is made of, and what is wrong with those that are given.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dt/model.h"
#include "dt/refusal.h"

namespace dt {

struct TensorSpec {
  std::string name;
  std::vector<std::int64_t> shape;
  // Weights that multiply activations, which may be int8: the columns of each block of a row, which
  // has a scale of its own. Empty for all other tensors.
  std::vector<std::int64_t> blocks;
};

std::int64_t elements_of(const std::vector<std::int64_t>& shape);
// "(3, 32)", "(3,)".
std::string shape_text(const std::vector<std::int64_t>& shape);

// In the order of the network, for a configuration that was checked; without those that the
// identities are computed from, which the bundle's reader knows.
std::vector<TensorSpec> network_tensors(const ModelConfig& config);

// What is wrong with a configuration.
MaybeRefusal check_config(const ModelConfig& config);
// What is wrong with the tensors of one that is right.
MaybeRefusal check_tensors(const ModelConfig& config, const TensorMap& tensors,
                           const TensorView& identity_features);

}  // namespace dt
