#include "weights/tensors.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "dt/log_mel.h"
#include "dt/options.h"
#include "refusal/text_stream.h"

namespace dt {
namespace {

// Keeps the first refusal; the checks after it do nothing.
class Checks {
 public:
  const MaybeRefusal& first() const { return first_; }
  bool failed() const { return first_.has_value(); }

  template <typename Expected, typename Got>
  void refuse(const std::string& where, const Expected& expected, const Got& got) {
    if (!failed()) {
      TextStream text;
      text << "model: " << where << ": expected " << expected << ", got " << got;
      first_ = Refusal{Refusal::Kind::kArgument, text.str()};
    }
  }

  void range(const std::string& where, double value, Range range) {
    // Written so that NaN fails too.
    if (!(value >= range.low && value <= range.high)) {
      TextStream expected;
      expected << "a value from " << range.low << " to " << range.high;
      refuse("config " + where, expected.str(), value);
    }
  }
  template <typename T>
  void range(const std::string& where, const std::vector<T>& values, Range r) {
    for (const T value : values) {
      range(where, static_cast<double>(value), r);
    }
  }
  template <typename T>
  void range(const std::string& where, T value, Range r) {
    range(where, static_cast<double>(value), r);
  }

  // Every setting of `options` that has a range; `before` and `after` stand around its name.
  template <typename Options>
  void ranges(const Options& options, const std::string& before = "",
              const std::string& after = "") {
    Options::each([&](const char* name, auto member, auto... limits) {
      if constexpr (sizeof...(limits) == 1) {
        range(before + name + after, options.*member, limits...);
      }
    });
  }

  void context(const ContextConfig& c) {
    ranges(c, "context ");
    if (!failed() && c.width % c.heads != 0) {
      refuse("config context heads", "a divisor of width " + std::to_string(c.width), c.heads);
    }
  }

  void steps(const ModelConfig& c) {
    const auto count = static_cast<std::int64_t>(c.alpha_bar.size());
    if (count < 1 || c.train_steps % count != 0) {
      refuse("config alpha_bar",
             "as many values as divide train_steps " + std::to_string(c.train_steps), count);
    }
    for (std::size_t n = 0; n < c.alpha_bar.size(); ++n) {
      const double above = n == 0 ? 1.0 : c.alpha_bar[n - 1];
      if (!(c.alpha_bar[n] > 0.0 && c.alpha_bar[n] < above)) {
        refuse("config alpha_bar[" + std::to_string(n) + "]",
               "values that fall from below 1 to above 0", c.alpha_bar[n]);
      }
    }
  }

  void gate(const GateOptions& g) {
    ranges(g, "gate ");
    range("gate floor_maximum_db", g.floor_maximum_db, {g.floor_minimum_db, 100.0});
    range("gate threshold_maximum_db", g.threshold_maximum_db, {g.threshold_minimum_db, 100.0});
  }

  void curves(const ModelConfig& c) {
    range("curves", static_cast<double>(c.curves.size()), {1, 4096});
    if (!c.noise_scale.empty() && c.noise_scale.size() != c.curves.size()) {
      refuse("config noise_scale", "none or one a curve (" + std::to_string(c.curves.size()) + ")",
             c.noise_scale.size());
    }
    if (c.curve_options.size() != c.curves.size()) {
      refuse("config curve_options", c.curves.size(), c.curve_options.size());
      return;
    }
    for (std::size_t i = 0; i < c.curves.size(); ++i) {
      const CurveOptions& o = c.curve_options[i];
      ranges(o, "postprocess ", " of " + c.curves[i]);
      if (o.minimum > o.maximum) {
        refuse("config postprocess of " + c.curves[i], "minimum <= maximum", o.minimum);
      }
    }
  }

  void tensor(const std::string& name, const TensorView& tensor,
              const std::vector<std::int64_t>& shape) {
    if (tensor.shape != shape) {
      refuse("tensor " + name, "shape " + shape_text(shape), "shape " + shape_text(tensor.shape));
      return;
    }
    if (tensor.data == nullptr) {
      refuse("tensor " + name, "floats", "int8 values");
      return;
    }
    const std::int64_t count = elements_of(shape);
    for (std::int64_t i = 0; i < count; ++i) {
      if (!std::isfinite(tensor.data[i])) {
        refuse("tensor " + name, "finite values",
               std::to_string(tensor.data[i]) + " at element " + std::to_string(i));
        return;
      }
    }
  }

  // Int8 values and the scale of each block of each row: above 0, or 0 where the block is zeros.
  void int8(const TensorSpec& spec, const TensorView& weights, const TensorMap& tensors) {
    if (weights.shape != spec.shape) {
      tensor(spec.name, weights, spec.shape);
      return;
    }
    const std::string name = spec.name + ".scale";
    const auto found = tensors.find(name);
    const std::int64_t rows = spec.shape[0];
    const auto blocks = static_cast<std::int64_t>(spec.blocks.size());
    if (found == tensors.end()) {
      refuse("tensor " + name, "shape " + shape_text({rows, blocks}), "no such tensor");
      return;
    }
    tensor(name, found->second, {rows, blocks});
    const std::int8_t* values = weights.values;
    for (std::int64_t i = 0; i < rows * blocks && !failed(); ++i) {
      const std::int64_t width = spec.blocks[static_cast<std::size_t>(i % blocks)];
      const float scale = found->second.data[i];
      const bool zeros = std::all_of(values, values + width, [](std::int8_t v) { return v == 0; });
      if (!(scale > 0.0F || (scale == 0.0F && zeros))) {
        TextStream got;
        got << scale << " at element " << i;
        refuse("tensor " + name, "scales above 0, or 0 for a row of zeros", got.str());
      }
      values += width;
    }
  }

 private:
  MaybeRefusal first_;
};

class Specs {
 public:
  void add(const std::string& name, std::vector<std::int64_t> shape) {
    specs.push_back({name, std::move(shape), {}});
  }
  void product(const std::string& name, std::vector<std::int64_t> shape,
               std::vector<std::int64_t> blocks = {}) {
    if (blocks.empty()) {
      blocks = {elements_of(shape) / shape[0]};
    }
    specs.push_back({name, std::move(shape), std::move(blocks)});
  }
  void norm(const std::string& name, std::int64_t size) {
    add(name + ".weight", {size});
    add(name + ".bias", {size});
  }
  void linear(const std::string& name, std::int64_t rows, std::int64_t depth) {
    product(name + ".weight", {rows, depth});
    add(name + ".bias", {rows});
  }
  void conv(const std::string& name, std::int64_t out, std::int64_t in) {
    product(name + ".weight", {out, in, 3});
    add(name + ".bias", {out});
  }
  void context(const ContextConfig& c, std::int64_t channels) {
    const std::string prefix = "encoder.context.";
    conv(prefix + "conv1", c.width, LogMel::kBands);
    conv(prefix + "conv2", c.width, c.width);
    add(prefix + "position", {c.width});
    for (std::int64_t i = 0; i < c.layers; ++i) {
      const std::string layer = prefix + "layers." + std::to_string(i);
      norm(layer + ".attention_norm", c.width);
      linear(layer + ".qkv", 3 * c.width, c.width);
      add(layer + ".distance", {c.heads, c.window});
      linear(layer + ".out", c.width, c.width);
      norm(layer + ".mlp_norm", c.width);
      linear(layer + ".fc1", c.hidden, c.width);
      linear(layer + ".fc2", c.width, c.hidden);
    }
    norm(prefix + "norm", c.width);
    product("encoder.mix.weight", {channels, c.width});
  }

  std::vector<TensorSpec> specs;
};

}  // namespace

std::int64_t elements_of(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    count *= size;
  }
  return count;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  TextStream text;
  text << "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text << (i == 0 ? "" : ", ") << shape[i];
  }
  text << (shape.size() == 1 ? ",)" : ")");
  return text.str();
}

std::vector<TensorSpec> network_tensors(const ModelConfig& c) {
  const auto curves = static_cast<std::int64_t>(c.curves.size());
  const std::int64_t channels = c.channels, gates = 3 * c.hidden;
  Specs s;
  s.conv("encoder.input", channels, LogMel::kBands);
  for (std::size_t i = 0; i < c.dilations.size(); ++i) {
    const std::string block = "encoder.blocks." + std::to_string(i);
    s.norm(block + ".norm", channels);
    s.conv(block + ".conv", channels, channels);
    s.linear(block + ".mix", channels, channels);
  }
  if (c.context) {
    s.context(*c.context, channels);
  }
  s.norm("encoder.norm", channels);
  s.add("decoder.steps.weight", {c.train_steps, c.step_dim});
  for (std::int64_t i = 0; i < c.layers; ++i) {
    const std::string layer = "_l" + std::to_string(i);
    if (i == 0) {  // audio, identity, step and x_t have scales of their own
      s.product("decoder.gru.weight_ih" + layer, {gates, 2 * channels + c.step_dim + curves},
                {channels, channels, c.step_dim, curves});
    } else {
      s.product("decoder.gru.weight_ih" + layer, {gates, c.hidden});
    }
    s.product("decoder.gru.weight_hh" + layer, {gates, c.hidden});
    s.add("decoder.gru.bias_ih" + layer, {gates});
    s.add("decoder.gru.bias_hh" + layer, {gates});
  }
  s.linear("decoder.head", curves, c.hidden);
  s.add("identity.pooled_mean", {channels});
  s.add("statistics.mean", {curves});
  s.add("statistics.std", {curves});
  return s.specs;
}

MaybeRefusal check_config(const ModelConfig& c) {
  Checks checks;
  checks.ranges(c);
  checks.range("frame_rate",
               static_cast<double>(c.frame_rate_num) / static_cast<double>(c.frame_rate_den),
               kFrameRateHz);
  if (c.context) {
    checks.context(*c.context);
  }
  if (!checks.failed()) {
    checks.steps(c);
  }
  checks.gate(c.gate);
  checks.ranges(c.idle, "idle ");
  if (c.precision != "int8" && c.precision != "float32") {
    checks.refuse("config precision", "int8 or float32", "'" + c.precision + "'");
  }
  checks.curves(c);
  return checks.first();
}

MaybeRefusal check_tensors(const ModelConfig& c, const TensorMap& tensors,
                           const TensorView& identity_features) {
  Checks checks;
  for (const TensorSpec& spec : network_tensors(c)) {
    const auto found = tensors.find(spec.name);
    if (found == tensors.end()) {
      checks.refuse("tensor " + spec.name, "shape " + shape_text(spec.shape), "no such tensor");
    } else if (found->second.values != nullptr && !spec.blocks.empty()) {
      checks.int8(spec, found->second, tensors);
    } else {
      checks.tensor(spec.name, found->second, spec.shape);
    }
    if (checks.failed()) {
      return checks.first();
    }
  }
  if (identity_features.shape.size() != 2 || identity_features.shape[0] < 1) {
    checks.refuse("identity_features", "shape (identities, " + std::to_string(c.channels) + ")",
                  "shape " + shape_text(identity_features.shape));
    return checks.first();
  }
  const std::vector<std::int64_t> library = {identity_features.shape[0], c.channels};
  checks.tensor("identity_features", identity_features, library);
  const auto keys = tensors.find("identity.keys");
  if (keys != tensors.end()) {
    checks.tensor("identity.keys", keys->second, library);
  }
  checks.range("default_identity", c.default_identity, {0.0, static_cast<double>(library[0] - 1)});
  return checks.first();
}

}  // namespace dt
