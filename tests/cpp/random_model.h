// A model with random weights and an audio signal, for tests and benchmarks that do not depend on
// what was learnt.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "dt/model.h"
#include "dt/options.h"
#include "dt/runtime.h"
#include "embedded_shape.h"

namespace dt_test {

// Uniform in [-1, 1), the same on every platform (std::uniform_real_distribution is not).
class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  float uniform() { return static_cast<float>(engine_() >> 8) / 8388608.0F - 1.0F; }
  std::int64_t below(std::int64_t n) { return static_cast<std::int64_t>(engine_() % n); }
  std::vector<float> vector(std::int64_t n, float scale = 1.0F, float offset = 0.0F) {
    std::vector<float> out(static_cast<std::size_t>(n));
    for (float& value : out) {
      value = offset + scale * uniform();
    }
    return out;
  }

 private:
  std::mt19937 engine_;
};

// T = 32 scaled linear betas, subsampled to `steps`.
inline std::vector<double> alpha_bar(std::int64_t steps) {
  std::vector<double> out;
  double product = 1.0;
  for (int t = 1; t <= 32; ++t) {
    product *= 1.0 - (0.1 + (20.0 - 0.1) * (t - 1) / 31.0) / 32.0;
    if (t % (32 / steps) == 0) {
      out.push_back(product);
    }
  }
  return out;
}

struct RandomModel {
  dt::ModelConfig config;
  std::map<std::string, std::pair<std::vector<std::int64_t>, std::vector<float>>> tensors;
  std::vector<float> identity_features;
  std::int64_t identities;

  // Small, with sizes that fill no panel of the kernels.
  static RandomModel small(std::int64_t steps = 8) { return RandomModel(20, 24, {1, 2, 4}, steps); }
  // The same with a context, whose sizes fill no panel either and whose window is soon full.
  static RandomModel small_with_context() { return small().with_context({24, 3, 2, 40, 5}); }
  // The embedded model's shape, whatever it is.
  static RandomModel embedded() { return RandomModel(embedded_shape(), kEmbeddedIdentities); }
  // The same with eight convolution blocks and no context: the other encoder there is.
  static RandomModel with_blocks() {
    dt::ModelConfig shape = embedded_shape();
    shape.dilations = {1, 2, 4, 8, 1, 2, 4, 8};
    shape.context.reset();
    return RandomModel(std::move(shape), kEmbeddedIdentities);
  }

  RandomModel(std::int64_t channels, std::int64_t hidden, std::vector<std::int64_t> dilations,
              std::int64_t steps)
      : RandomModel(shape_of(channels, hidden, std::move(dilations), steps), 3) {}

  // With the sizes of `shape`; its curves get options of every kind.
  RandomModel(dt::ModelConfig shape, std::int64_t identity_count)
      : config(std::move(shape)), identities(identity_count) {
    const auto curves = static_cast<std::int64_t>(config.curves.size());
    const std::int64_t channels = config.channels, hidden = config.hidden;
    for (std::int64_t i = 0; i < curves; ++i) {
      dt::CurveOptions options;
      options.gated = i % 2 == 1;
      options.minimum = -5.0F;
      options.maximum = 5.0F;
      options.rest = i == 1 ? 0.125F : 0.0F;
      options.smoothing_ms = i % 5 == 0 ? 30.0F : 0.0F;
      config.curve_options.push_back(options);
    }

    const std::int64_t gates = 3 * hidden;
    weight("encoder.input", {channels, 80, 3});
    for (std::size_t i = 0; i < config.dilations.size(); ++i) {
      const std::string block = "encoder.blocks." + std::to_string(i);
      norm(block + ".norm", channels);
      weight(block + ".conv", {channels, channels, 3});
      weight(block + ".mix", {channels, channels});
    }
    norm("encoder.norm", channels);
    add("decoder.steps.weight", {config.train_steps, config.step_dim}, 1.0F);
    for (std::int64_t layer = 0; layer < config.layers; ++layer) {
      const std::string suffix = "_l" + std::to_string(layer);
      const std::int64_t width = layer == 0 ? 2 * channels + config.step_dim + curves : hidden;
      add("decoder.gru.weight_ih" + suffix, {gates, width}, fan_in(width));
      add("decoder.gru.weight_hh" + suffix, {gates, hidden}, fan_in(hidden));
      add("decoder.gru.bias_ih" + suffix, {gates}, 0.1F);
      add("decoder.gru.bias_hh" + suffix, {gates}, 0.1F);
    }
    weight("decoder.head", {curves, hidden});
    add("identity.pooled_mean", {channels}, 0.1F);
    add("statistics.mean", {curves}, 0.1F, 0.2F);
    add("statistics.std", {curves}, 0.05F, 0.2F);
    identity_features = random.vector(identities * channels);
    if (config.context) {
      add_context(*config.context);
    }
  }

  RandomModel with_context(const dt::ContextConfig& context) {
    add_context(context);
    return *this;
  }

  dt::TensorMap views() const {
    dt::TensorMap out;
    for (const auto& [name, tensor] : tensors) {
      out[name] = {tensor.first, tensor.second.data()};
    }
    return out;
  }

  std::shared_ptr<const dt::Model> build(const std::string& kernel = "",
                                         const std::string& precision = "int8") const {
    dt::ModelConfig chosen = config;
    chosen.kernel = kernel;
    chosen.precision = precision;
    return std::make_shared<const dt::Model>(
        chosen, views(), dt::TensorView{{identities, config.channels}, identity_features.data()});
  }

 private:
  static dt::ModelConfig shape_of(std::int64_t channels, std::int64_t hidden,
                                  std::vector<std::int64_t> dilations, std::int64_t steps) {
    dt::ModelConfig shape;
    for (int i = 0; i < 52; ++i) {
      shape.curves.push_back("curve" + std::to_string(i));
    }
    shape.channels = channels;
    shape.hidden = hidden;
    shape.dilations = std::move(dilations);
    shape.step_dim = 12;
    shape.alpha_bar = alpha_bar(steps);
    return shape;
  }

  void add_context(const dt::ContextConfig& context) {
    const std::string prefix = "encoder.context.";
    const std::int64_t width = context.width;
    config.context = context;
    weight(prefix + "conv1", {width, 80, 3});
    weight(prefix + "conv2", {width, width, 3});
    add(prefix + "position", {width}, 0.5F);
    for (std::int64_t i = 0; i < context.layers; ++i) {
      const std::string layer = prefix + "layers." + std::to_string(i);
      norm(layer + ".attention_norm", width);
      weight(layer + ".qkv", {3 * width, width});
      add(layer + ".distance", {context.heads, context.window}, 1.0F);
      weight(layer + ".out", {width, width});
      norm(layer + ".mlp_norm", width);
      weight(layer + ".fc1", {context.hidden, width});
      weight(layer + ".fc2", {width, context.hidden});
    }
    norm(prefix + "norm", width);
    add("encoder.mix.weight", {config.channels, width}, fan_in(width));
  }

  static float fan_in(std::int64_t n) { return 1.7F / std::sqrt(static_cast<float>(n)); }

  void add(const std::string& name, const std::vector<std::int64_t>& shape, float scale,
           float offset = 0.0F) {
    std::int64_t count = 1;
    for (const std::int64_t size : shape) {
      count *= size;
    }
    tensors[name] = {shape, random.vector(count, scale, offset)};
  }
  void weight(const std::string& name, const std::vector<std::int64_t>& shape) {
    add(name + ".weight", shape, fan_in(shape.size() == 3 ? 3 * shape[1] : shape[1]));
    add(name + ".bias", {shape[0]}, 0.1F);
  }
  void norm(const std::string& name, std::int64_t size) {
    add(name + ".weight", {size}, 0.2F, 1.0F);
    add(name + ".bias", {size}, 0.1F);
  }

  Random random{7};
};

// A buzz in syllables with pauses over faint noise, full scale 1.0, 16 kHz.
inline std::vector<float> speech_like(std::int64_t samples, std::uint32_t seed = 1) {
  Random random(seed);
  std::vector<float> out(static_cast<std::size_t>(samples));
  for (std::int64_t i = 0; i < samples; ++i) {
    const double t = static_cast<double>(i) / 16000.0;
    const double loud = std::max(0.0, std::sin(2.0 * 3.14159265358979 * 1.7 * t));
    const double buzz = std::fmod(t * (120.0 + 20.0 * std::sin(3.0 * t)), 1.0) - 0.5;
    out[static_cast<std::size_t>(i)] =
        static_cast<float>(0.4 * loud * buzz) + 1e-4F * random.uniform();
  }
  return out;
}

// All frames of `audio`: steps of the given sizes (then the rest), and the flush.
inline std::vector<float> run(dt::Runtime& runtime, std::int64_t curves,
                              const std::vector<float>& audio,
                              const std::vector<std::int64_t>& sizes = {}) {
  std::vector<float> frames;
  const auto append = [&](std::int64_t due) {
    frames.resize(frames.size() + static_cast<std::size_t>(due * curves));
    return frames.data() + frames.size() - due * curves;
  };
  const auto total = static_cast<std::int64_t>(audio.size());
  std::int64_t at = 0;
  for (std::size_t i = 0; at < total || i < sizes.size(); ++i) {
    const std::int64_t wanted = i < sizes.size() ? sizes[i] : total;
    const std::int64_t count = wanted < total - at ? wanted : total - at;
    float* out = append(runtime.frames_due(count));
    runtime.step(audio.data() + at, count, out);
    at += count;
  }
  float* out = append(runtime.frames_owed());
  runtime.flush(out);
  return frames;
}

}  // namespace dt_test
