#include "weights/model.h"

#include <cmath>
#include <cstddef>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

#include "dt/options.h"
#include "kernels/kernels.h"

namespace dt {
namespace {

template <typename Expected, typename Got>
[[noreturn]] void refuse(const std::string& where, const Expected& expected, const Got& got) {
  std::ostringstream text;
  text << "model: " << where << ": expected " << expected << ", got " << got;
  throw std::invalid_argument(text.str());
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::ostringstream text;
  text << "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text << (i == 0 ? "" : ", ") << shape[i];
  }
  text << (shape.size() == 1 ? ",)" : ")");
  return text.str();
}

void check_range(const std::string& where, double value, Range range) {
  // Written so that NaN fails too.
  if (!(value >= range.low && value <= range.high)) {
    std::ostringstream expected;
    expected << "a value from " << range.low << " to " << range.high;
    refuse("config " + where, expected.str(), value);
  }
}

template <typename T>
void check_range(const std::string& where, const std::vector<T>& values, Range range) {
  for (const T value : values) {
    check_range(where, static_cast<double>(value), range);
  }
}

template <typename T>
void check_range(const std::string& where, T value, Range range) {
  check_range(where, static_cast<double>(value), range);
}

// Every setting of `options` that has a range; `before` and `after` stand around its name.
template <typename Options>
void check_ranges(const Options& options, const std::string& before = "",
                  const std::string& after = "") {
  Options::each([&](const char* name, auto member, auto... range) {
    if constexpr (sizeof...(range) == 1) {
      check_range(before + name + after, options.*member, range...);
    }
  });
}

void check_context(const ContextConfig& c) {
  check_ranges(c, "context ");
  if (c.width % c.heads != 0) {
    refuse("config context heads", "a divisor of width " + std::to_string(c.width), c.heads);
  }
}

void check_steps(const ModelConfig& c) {
  const auto steps = static_cast<std::int64_t>(c.alpha_bar.size());
  if (steps < 1 || c.train_steps % steps != 0) {
    refuse("config alpha_bar",
           "as many values as divide train_steps " + std::to_string(c.train_steps), steps);
  }
  for (std::size_t n = 0; n < c.alpha_bar.size(); ++n) {
    const double above = n == 0 ? 1.0 : c.alpha_bar[n - 1];
    if (!(c.alpha_bar[n] > 0.0 && c.alpha_bar[n] < above)) {
      refuse("config alpha_bar[" + std::to_string(n) + "]",
             "values that fall from below 1 to above 0", c.alpha_bar[n]);
    }
  }
}

void check_gate(const GateOptions& g) {
  check_ranges(g, "gate ");
  check_range("gate floor_maximum_db", g.floor_maximum_db, {g.floor_minimum_db, 100.0});
  check_range("gate threshold_maximum_db", g.threshold_maximum_db, {g.threshold_minimum_db, 100.0});
}

void check_curves(const ModelConfig& c) {
  check_range("curves", static_cast<double>(c.curves.size()), {1, 4096});
  if (!c.noise_scale.empty() && c.noise_scale.size() != c.curves.size()) {
    refuse("config noise_scale", "none or one a curve (" + std::to_string(c.curves.size()) + ")",
           c.noise_scale.size());
  }
  if (c.curve_options.size() != c.curves.size()) {
    refuse("config curve_options", c.curves.size(), c.curve_options.size());
  }
  for (std::size_t i = 0; i < c.curves.size(); ++i) {
    const CurveOptions& o = c.curve_options[i];
    check_ranges(o, "postprocess ", " of " + c.curves[i]);
    if (o.minimum > o.maximum) {
      refuse("config postprocess of " + c.curves[i], "minimum <= maximum", o.minimum);
    }
  }
}

void check_config(const ModelConfig& c) {
  check_ranges(c);
  check_range("frame_rate",
              static_cast<double>(c.frame_rate_num) / static_cast<double>(c.frame_rate_den),
              kFrameRateHz);
  if (c.context) {
    check_context(*c.context);
  }
  check_steps(c);
  check_gate(c.gate);
  check_ranges(c.idle, "idle ");
  check_curves(c);
}

const float* checked(const std::string& name, const TensorView& tensor,
                     const std::vector<std::int64_t>& shape) {
  if (tensor.shape != shape) {
    refuse("tensor " + name, "shape " + shape_text(shape), "shape " + shape_text(tensor.shape));
  }
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    count *= size;
  }
  for (std::int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(tensor.data[i])) {
      refuse("tensor " + name, "finite values",
             std::to_string(tensor.data[i]) + " at element " + std::to_string(i));
    }
  }
  return tensor.data;
}

// Finds and checks tensors by name, and turns them into what the stages hold.
class Loader {
 public:
  explicit Loader(const TensorMap& tensors) : tensors_(tensors) {}

  const float* get(const std::string& name, const std::vector<std::int64_t>& shape) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) {
      refuse("tensor " + name, "shape " + shape_text(shape), "no such tensor");
    }
    return checked(name, found->second, shape);
  }

  std::vector<float> vector(const std::string& name, std::int64_t size) const {
    const float* data = get(name, {size});
    return std::vector<float>(data, data + size);
  }

  NormWeights norm(const std::string& name, std::int64_t size) const {
    return {vector(name + ".weight", size), vector(name + ".bias", size)};
  }

  PackedMatrix matrix(const std::string& name, std::int64_t rows, std::int64_t depth) const {
    return pack(get(name, {rows, depth}), 1, rows, depth, depth);
  }

  // Of `groups` groups of `rows` rows, each padded.
  LinearWeights linear(const std::string& name, std::int64_t rows, std::int64_t depth,
                       std::int64_t groups = 1) const {
    return {pack(get(name + ".weight", {groups * rows, depth}), groups, rows, depth, depth),
            pack_bias(get(name + ".bias", {groups * rows}), groups, rows)};
  }

  ConvWeights conv(const std::string& name, std::int64_t out, std::int64_t in,
                   std::int64_t dilation) const {
    const float* weight = get(name + ".weight", {out, in, 3});
    ConvWeights conv;
    conv.dilation = dilation;
    for (std::int64_t tap = 0; tap < 3; ++tap) {
      conv.taps[tap] = pack(weight + tap, 1, out, in, 3 * in, 3);
    }
    conv.bias = pack_bias(get(name + ".bias", {out}), 1, out);
    return conv;
  }

 private:
  const TensorMap& tensors_;
};

ContextWeights load_context(const ContextConfig& c, std::int64_t channels, const Loader& load) {
  const std::string prefix = "encoder.context.";
  ContextWeights context;
  context.conv1 = load.conv(prefix + "conv1", c.width, LogMel::kBands, 1);
  context.conv2 = load.conv(prefix + "conv2", c.width, c.width, 1);
  context.position = pack_bias(load.get(prefix + "position", {c.width}), 1, c.width);
  for (std::int64_t i = 0; i < c.layers; ++i) {
    const std::string name = prefix + "layers." + std::to_string(i);
    ContextWeights::Layer layer;
    layer.attention_norm = load.norm(name + ".attention_norm", c.width);
    layer.qkv = load.linear(name + ".qkv", c.width, c.width, 3);
    const float* distance = load.get(name + ".distance", {c.heads, c.window});
    layer.distance.assign(distance, distance + c.heads * c.window);
    layer.out = load.linear(name + ".out", c.width, c.width);
    layer.mlp_norm = load.norm(name + ".mlp_norm", c.width);
    layer.fc1 = load.linear(name + ".fc1", c.hidden, c.width);
    layer.fc2 = load.linear(name + ".fc2", c.width, c.hidden);
    context.layers.push_back(std::move(layer));
  }
  context.norm = load.norm(prefix + "norm", c.width);
  context.mix = load.matrix("encoder.mix.weight", channels, c.width);
  return context;
}

EncoderWeights load_encoder(const ModelConfig& c, const Loader& load) {
  EncoderWeights encoder;
  encoder.input = load.conv("encoder.input", c.channels, LogMel::kBands, 1);
  for (std::size_t i = 0; i < c.dilations.size(); ++i) {
    const std::string name = "encoder.blocks." + std::to_string(i);
    EncoderWeights::Block block;
    block.norm = load.norm(name + ".norm", c.channels);
    block.conv = load.conv(name + ".conv", c.channels, c.channels, c.dilations[i]);
    block.mix = load.linear(name + ".mix", c.channels, c.channels);
    encoder.blocks.push_back(std::move(block));
  }
  if (c.context) {
    encoder.context = load_context(*c.context, c.channels, load);
  }
  encoder.norm = load.norm("encoder.norm", c.channels);
  return encoder;
}

// The embeddings that the sampling steps look up: step n of K = row n T / K of the table, 1-based,
// K first.
std::vector<float> step_table(const ModelConfig& c, const float* table) {
  const auto steps = static_cast<std::int64_t>(c.alpha_bar.size());
  std::vector<float> rows;
  for (std::int64_t n = steps; n >= 1; --n) {
    const float* row = table + (n * c.train_steps / steps - 1) * c.step_dim;
    rows.insert(rows.end(), row, row + c.step_dim);
  }
  return rows;
}

// Row s is the first layer's product with the embedding of sampling step s.
AlignedFloats step_rows(const ModelConfig& c, const std::vector<float>& embeddings,
                        const float* weight, std::int64_t row_stride) {
  const auto steps = static_cast<std::int64_t>(c.alpha_bar.size());
  const std::int64_t gates = 3 * c.hidden;
  AlignedFloats rows;
  std::vector<float> row(static_cast<std::size_t>(gates));
  for (std::int64_t s = 0; s < steps; ++s) {
    const float* embedding = &embeddings[static_cast<std::size_t>(s * c.step_dim)];
    for (std::int64_t r = 0; r < gates; ++r) {
      double sum = 0.0;
      for (std::int64_t k = 0; k < c.step_dim; ++k) {
        sum += static_cast<double>(weight[r * row_stride + k]) * static_cast<double>(embedding[k]);
      }
      row[static_cast<std::size_t>(r)] = static_cast<float>(sum);
    }
    const AlignedFloats padded_row = pack_bias(row.data(), 3, c.hidden);
    rows.insert(rows.end(), padded_row.begin(), padded_row.end());
  }
  return rows;
}

DecoderWeights load_decoder(const ModelConfig& c, const Loader& load) {
  const auto curves = static_cast<std::int64_t>(c.curves.size());
  const std::int64_t audio = c.channels, hidden = c.hidden, gates = 3 * hidden;
  const std::int64_t width = 2 * audio + c.step_dim + curves;
  DecoderWeights decoder;
  for (std::int64_t i = 0; i < c.layers; ++i) {
    const std::string layer = "_l" + std::to_string(i);
    const std::int64_t depth = i == 0 ? width : hidden;
    const float* input = load.get("decoder.gru.weight_ih" + layer, {gates, depth});
    const float* recurrent = load.get("decoder.gru.weight_hh" + layer, {gates, hidden});
    GruWeights gru;
    if (i == 0) {
      const float* table = load.get("decoder.steps.weight", {c.train_steps, c.step_dim});
      decoder.audio = pack(input, 3, hidden, audio, width);
      decoder.identity = pack(input + audio, 3, hidden, audio, width);
      decoder.step_table = step_table(c, table);
      decoder.step_rows = step_rows(c, decoder.step_table, input + 2 * audio, width);
      gru.input = pack(input + 2 * audio + c.step_dim, 3, hidden, curves, width);
    } else {
      gru.input = pack(input, 3, hidden, depth, depth);
    }
    gru.recurrent = pack(recurrent, 3, hidden, hidden, hidden);
    gru.input_bias = pack_bias(load.get("decoder.gru.bias_ih" + layer, {gates}), 3, hidden);
    gru.recurrent_bias = pack_bias(load.get("decoder.gru.bias_hh" + layer, {gates}), 3, hidden);
    decoder.layers.push_back(std::move(gru));
  }
  decoder.head = load.matrix("decoder.head.weight", curves, hidden);
  decoder.head_bias = pack_bias(load.get("decoder.head.bias", {curves}), 1, curves);
  return decoder;
}

// DDIM (Song et al. 2021, eq. 12 with sigma = 0): eps = (x - sqrt(a_n) x0) / sqrt(1 - a_n), then
// x = sqrt(a_{n-1}) x0 + sqrt(1 - a_{n-1}) eps, collected by x and x0.
std::vector<DdimStep> ddim_steps(const std::vector<double>& alpha_bar) {
  std::vector<DdimStep> steps;
  for (std::size_t n = alpha_bar.size() - 1; n >= 1; --n) {
    const double from = alpha_bar[n], to = alpha_bar[n - 1];
    const double x_scale = std::sqrt((1.0 - to) / (1.0 - from));
    steps.push_back({static_cast<float>(x_scale),
                     static_cast<float>(std::sqrt(to) - x_scale * std::sqrt(from))});
  }
  return steps;
}

}  // namespace

Model::Model(const ModelConfig& config, const TensorMap& tensors,
             const TensorView& identity_features) {
  check_config(config);
  auto weights = std::make_unique<ModelWeights>(config, find_kernels(config.kernel.c_str()));
  const Loader load(tensors);
  weights->encoder = load_encoder(config, load);
  weights->decoder = load_decoder(config, load);
  weights->ddim = ddim_steps(config.alpha_bar);
  weights->pooled_mean = load.vector("identity.pooled_mean", config.channels);
  weights->mean = load.vector("statistics.mean", weights->curves());
  weights->std = load.vector("statistics.std", weights->curves());

  if (identity_features.shape.size() != 2 || identity_features.shape[0] < 1) {
    refuse("identity_features", "shape (identities, " + std::to_string(config.channels) + ")",
           "shape " + shape_text(identity_features.shape));
  }
  weights->identities = identity_features.shape[0];
  const float* rows =
      checked("identity_features", identity_features, {weights->identities, config.channels});
  weights->identity_features.assign(rows, rows + weights->identities * config.channels);
  const float* keys = tensors.count("identity.keys") != 0
                          ? load.get("identity.keys", {weights->identities, config.channels})
                          : rows;
  weights->identity_keys.assign(keys, keys + weights->identities * config.channels);
  check_range("default_identity", config.default_identity,
              {0.0, static_cast<double>(weights->identities - 1)});
  weights_ = std::move(weights);
}

Model::~Model() = default;

const ModelConfig& Model::config() const { return weights_->config; }
std::int64_t Model::lookahead_samples() const { return weights_->time.lookahead_samples(); }
std::int64_t Model::curve_count() const { return weights_->curves(); }
std::int64_t Model::sample_steps() const { return weights_->sample_steps(); }
std::int64_t Model::identities() const { return weights_->identities; }
const char* Model::kernel() const { return weights_->kernels.name; }

}  // namespace dt
