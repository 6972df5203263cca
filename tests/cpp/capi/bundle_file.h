// A small bundle with random weights, as its two files and as tar packs them.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "dt/curve_names.h"
#include "random_model.h"
#include "weights/bundle/json.h"
#include "weights/bundle/sha256.h"

namespace dt_test {

struct BundleFile {
  dt::Json manifest;
  std::string weights;

  // The digest of the weights as they are now.
  void seal() { manifest["weights"]["sha256"] = dt::sha256(weights.data(), weights.size()); }

  std::string packed() const {
    return entry("./manifest.json", manifest.dump()) + entry("./weights.safetensors", weights) +
           std::string(1024, '\0');
  }

  static std::string entry(const std::string& name, const std::string& contents) {
    std::array<char, 512> header{};
    std::memcpy(header.data(), name.data(), name.size());
    std::snprintf(&header[100], 8, "%07o", 0644U);
    std::snprintf(&header[124], 12, "%011llo", static_cast<unsigned long long>(contents.size()));
    std::memset(&header[148], ' ', 8);
    header[156] = '0';
    std::memcpy(&header[257], "ustar\00000", 8);
    unsigned sum = 0;
    for (const char c : header) {
      sum += static_cast<unsigned char>(c);
    }
    std::snprintf(&header[148], 8, "%06o", sum);
    return std::string(header.data(), header.size()) + contents +
           std::string((512 - contents.size() % 512) % 512, '\0');
  }
};

// Of a model with a context and two layers.
inline BundleFile bundle_of(RandomModel model) {
  constexpr std::int64_t kIdentityHidden = 6, kIdentitySize = 32;
  Random random(11);
  const std::int64_t channels = model.config.channels;
  const auto add = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
    std::int64_t count = 1;
    for (const std::int64_t size : shape) {
      count *= size;
    }
    model.tensors[name] = {shape, random.vector(count, 0.3F)};
  };
  add("identity.embeddings", {model.identities, kIdentitySize});
  add("identity.mlp.0.weight", {kIdentityHidden, kIdentitySize});
  add("identity.mlp.0.bias", {kIdentityHidden});
  add("identity.mlp.2.weight", {channels, kIdentityHidden});
  add("identity.mlp.2.bias", {channels});

  BundleFile file;
  dt::Json header;
  std::string values;
  for (const auto& [name, tensor] : model.tensors) {
    const std::size_t begin = values.size();
    values.append(reinterpret_cast<const char*>(tensor.second.data()), 4 * tensor.second.size());
    header[name] = {
        {"dtype", "F32"}, {"shape", tensor.first}, {"data_offsets", {begin, values.size()}}};
  }
  const std::string text = header.dump();
  for (unsigned i = 0; i < 8; ++i) {
    file.weights += static_cast<char>(text.size() >> (8 * i) & 255U);
  }
  file.weights += text + values;

  const dt::ModelConfig& c = model.config;
  file.manifest = {
      {"format", "diffusiontalker-bundle"},
      {"format_version", 2},
      {"name", "small"},
      {"curves", std::vector<std::string>(dt::kCurveNames.begin(), dt::kCurveNames.end())},
      {"frame_rate", {60, 1}},
      {"audio",
       {{"sample_rate", 16000}, {"features", "log_mel"}, {"hop_samples", 160}, {"bands", 80}}},
      {"encoder",
       {{"type", "causal_conv"},
        {"channels", channels},
        {"lookahead_columns", c.lookahead_columns},
        {"dilations", c.dilations},
        {"context",
         {{"width", c.context->width},
          {"heads", c.context->heads},
          {"layers", c.context->layers},
          {"hidden", c.context->hidden},
          {"window", c.context->window}}}}},
      {"decoder",
       {{"hidden", c.hidden},
        {"layers", 2},
        {"step_dim", c.step_dim},
        {"identity_hidden", kIdentityHidden}}},
      {"diffusion",
       {{"train_steps", c.train_steps},
        {"sample_steps", c.alpha_bar.size()},
        {"alpha_bar", c.alpha_bar},
        {"noise_scale", {{"jawOpen", 0.5}}}}},
      {"identities", {{"names", {"ann", "bob", "cat"}}, {"default", "bob"}}},
      {"gate", {{"hold_ms", 50.0}}},
      {"idle", {{"blink", 0.9}}},
      {"postprocess", {{"jawOpen", {{"smoothing_ms", 20.0}}}}},
      {"lookahead_samples", 947},
      {"training", {{"sources", {{{"name", "noise"}, {"licence", "CC0"}}}}}},
      {"weights", {{"file", "weights.safetensors"}, {"dtype", "float32"}}}};
  file.seal();
  return file;
}

inline BundleFile small_bundle() { return bundle_of(RandomModel::small_with_context()); }

}  // namespace dt_test
