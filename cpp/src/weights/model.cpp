#include "weights/model.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "arithmetic/rounding.h"
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
  if (c.precision != "int8" && c.precision != "float32") {
    refuse("config precision", "int8 or float32", "'" + c.precision + "'");
  }
  check_curves(c);
}

std::int64_t elements_of(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    count *= size;
  }
  return count;
}

const float* checked(const std::string& name, const TensorView& tensor,
                     const std::vector<std::int64_t>& shape) {
  if (tensor.shape != shape) {
    refuse("tensor " + name, "shape " + shape_text(shape), "shape " + shape_text(tensor.shape));
  }
  if (tensor.data == nullptr) {
    refuse("tensor " + name, "floats", "int8 values");
  }
  const std::int64_t count = elements_of(shape);
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
  Loader(const TensorMap& tensors, Precision precision)
      : tensors_(tensors), precision_(precision) {}

  const float* get(const std::string& name, const std::vector<std::int64_t>& shape) const {
    return checked(name, find(name, shape), shape);
  }

  // Weights of a product, (rows, ...): floats, or int8 values with the tensor `name`.scale, which
  // has a value for each block of a row. `blocks` has the blocks' widths; none: a row is one block.
  Elements weights(const std::string& name, const std::vector<std::int64_t>& shape,
                   std::vector<std::int64_t> blocks = {}) const {
    const TensorView& tensor = find(name, shape);
    Elements elements;
    elements.row_stride = elements_of(shape) / shape[0];
    if (tensor.values == nullptr) {
      elements.floats = checked(name, tensor, shape);
      return elements;
    }
    if (tensor.shape != shape) {
      refuse("tensor " + name, "shape " + shape_text(shape), "shape " + shape_text(tensor.shape));
    }
    if (blocks.empty()) {
      blocks = {elements.row_stride};
    }
    elements.values = tensor.values;
    elements.scales = scales(name + ".scale", tensor.values, shape[0], blocks);
    elements.scale_stride = static_cast<std::int64_t>(blocks.size());
    return elements;
  }

  AlignedFloats vector(const std::string& name, std::int64_t size) const {
    return pack_bias(get(name, {size}), 1, size);
  }

  NormWeights norm(const std::string& name, std::int64_t size) const {
    return {size, vector(name + ".weight", size), vector(name + ".bias", size)};
  }

  Matrix packed(const Elements& elements, std::int64_t groups, std::int64_t rows,
                std::int64_t depth) const {
    return pack(precision_, elements, groups, rows, depth);
  }

  std::vector<float> unpacked(const Elements& elements, std::int64_t rows,
                              std::int64_t depth) const {
    return weights_of(precision_, elements, rows, depth);
  }

  Matrix matrix(const std::string& name, std::int64_t rows, std::int64_t depth) const {
    return packed(weights(name, {rows, depth}), 1, rows, depth);
  }

  // Of `groups` groups of `rows` rows, each padded.
  LinearWeights linear(const std::string& name, std::int64_t rows, std::int64_t depth,
                       std::int64_t groups = 1) const {
    return {packed(weights(name + ".weight", {groups * rows, depth}), groups, rows, depth),
            pack_bias(get(name + ".bias", {groups * rows}), groups, rows)};
  }

  ConvWeights conv(const std::string& name, std::int64_t out, std::int64_t in,
                   std::int64_t dilation) const {
    Elements taps = weights(name + ".weight", {out, in, 3});
    taps.depth_stride = 3;
    taps.part = in;
    taps.part_stride = 1;
    return {dilation, packed(taps, 1, out, 3 * in), vector(name + ".bias", out)};
  }

 private:
  const TensorView& find(const std::string& name, const std::vector<std::int64_t>& shape) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) {
      refuse("tensor " + name, "shape " + shape_text(shape), "no such tensor");
    }
    return found->second;
  }

  // A scale a block of each row of `values`: above 0, or 0 where the block is zeros.
  const float* scales(const std::string& name, const std::int8_t* values, std::int64_t rows,
                      const std::vector<std::int64_t>& blocks) const {
    const auto count = static_cast<std::int64_t>(blocks.size());
    const float* data = get(name, {rows, count});
    for (std::int64_t i = 0; i < rows * count; ++i) {
      const std::int64_t width = blocks[static_cast<std::size_t>(i % count)];
      const bool zeros = std::all_of(values, values + width, [](std::int8_t v) { return v == 0; });
      if (!(data[i] > 0.0F || (data[i] == 0.0F && zeros))) {
        std::ostringstream got;
        got << data[i] << " at element " << i;
        refuse("tensor " + name, "scales above 0, or 0 for a row of zeros", got.str());
      }
      values += width;
    }
    return data;
  }

  const TensorMap& tensors_;
  Precision precision_;
};

// (heads, window), by how far back -> (heads, 2 window), see ContextWeights.
std::vector<float> by_slot(const float* distance, std::int64_t heads, std::int64_t window) {
  std::vector<float> out;
  for (std::int64_t h = 0; h < heads; ++h) {
    for (std::int64_t j = 0; j < 2 * window; ++j) {
      out.push_back(distance[h * window + (2 * window - j) % window]);
    }
  }
  return out;
}

ContextWeights load_context(const ContextConfig& c, std::int64_t channels, const Loader& load) {
  const std::string prefix = "encoder.context.";
  ContextWeights context;
  context.conv1 = load.conv(prefix + "conv1", c.width, LogMel::kBands, 1);
  context.conv2 = load.conv(prefix + "conv2", c.width, c.width, 1);
  context.position = load.vector(prefix + "position", c.width);
  for (std::int64_t i = 0; i < c.layers; ++i) {
    const std::string name = prefix + "layers." + std::to_string(i);
    ContextWeights::Layer layer;
    layer.attention_norm = load.norm(name + ".attention_norm", c.width);
    layer.qkv = load.linear(name + ".qkv", c.width, c.width, 3);
    layer.distance = by_slot(load.get(name + ".distance", {c.heads, c.window}), c.heads, c.window);
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

// Row s is the first layer's product with the embedding of sampling step s, of (3 hidden, step_dim)
// weights.
AlignedFloats step_rows(const ModelConfig& c, const std::vector<float>& embeddings,
                        const std::vector<float>& weights) {
  const auto steps = static_cast<std::int64_t>(c.alpha_bar.size());
  const std::int64_t gates = 3 * c.hidden;
  AlignedFloats rows;
  std::vector<float> row(static_cast<std::size_t>(gates));
  for (std::int64_t s = 0; s < steps; ++s) {
    const float* embedding = &embeddings[static_cast<std::size_t>(s * c.step_dim)];
    for (std::int64_t r = 0; r < gates; ++r) {
      double sum = 0.0;
      for (std::int64_t k = 0; k < c.step_dim; ++k) {
        const float weight = weights[static_cast<std::size_t>(r * c.step_dim + k)];
        sum += static_cast<double>(weight) * static_cast<double>(embedding[k]);
      }
      row[static_cast<std::size_t>(r)] = static_cast<float>(sum);
    }
    const AlignedFloats padded_row = pack_bias(row.data(), 3, c.hidden);
    rows.insert(rows.end(), padded_row.begin(), padded_row.end());
  }
  return rows;
}

// The columns of a matrix from `column` on, whose int8 values have the scales of `block`.
Elements columns_of(Elements matrix, std::int64_t column, std::int64_t block) {
  if (matrix.floats != nullptr) {
    matrix.floats += column;
  } else {
    matrix.values += column;
    matrix.scales += block;
  }
  return matrix;
}

DecoderWeights load_decoder(const ModelConfig& c, const Loader& load) {
  const auto curves = static_cast<std::int64_t>(c.curves.size());
  const std::int64_t audio = c.channels, hidden = c.hidden, gates = 3 * hidden;
  const std::int64_t width = 2 * audio + c.step_dim + curves;
  DecoderWeights decoder;
  for (std::int64_t i = 0; i < c.layers; ++i) {
    const std::string layer = "_l" + std::to_string(i);
    const std::int64_t depth = i == 0 ? width : hidden;
    // Audio, identity, step and x_t have scales of their own.
    const Elements input =
        load.weights("decoder.gru.weight_ih" + layer, {gates, depth},
                     i == 0 ? std::vector<std::int64_t>{audio, audio, c.step_dim, curves}
                            : std::vector<std::int64_t>{});
    GruWeights gru;
    if (i == 0) {
      const float* table = load.get("decoder.steps.weight", {c.train_steps, c.step_dim});
      decoder.audio = load.packed(columns_of(input, 0, 0), 3, hidden, audio);
      decoder.identity = load.packed(columns_of(input, audio, 1), 3, hidden, audio);
      decoder.step_table = step_table(c, table);
      decoder.step_rows = step_rows(
          c, decoder.step_table, load.unpacked(columns_of(input, 2 * audio, 2), gates, c.step_dim));
      gru.input = load.packed(columns_of(input, 2 * audio + c.step_dim, 3), 3, hidden, curves);
    } else {
      gru.input = load.packed(input, 3, hidden, depth);
    }
    gru.recurrent = load.packed(load.weights("decoder.gru.weight_hh" + layer, {gates, hidden}), 3,
                                hidden, hidden);
    gru.input_bias = pack_bias(load.get("decoder.gru.bias_ih" + layer, {gates}), 3, hidden);
    gru.recurrent_bias = pack_bias(load.get("decoder.gru.bias_hh" + layer, {gates}), 3, hidden);
    decoder.layers.push_back(std::move(gru));
  }
  decoder.head = load.matrix("decoder.head.weight", curves, hidden);
  decoder.head_bias = load.vector("decoder.head.bias", curves);
  return decoder;
}

}  // namespace

// DDIM (Song et al. 2021, eq. 12 with sigma = 0): eps = (x - sqrt(a_n) x0) / sqrt(1 - a_n), then
// x = sqrt(a_{n-1}) x0 + sqrt(1 - a_{n-1}) eps, collected by x and x0.
std::vector<DdimStep> ddim_steps(const std::vector<double>& alpha_bar, std::int64_t stride) {
  std::vector<DdimStep> steps;
  const auto every = static_cast<std::size_t>(stride);
  for (std::size_t n = alpha_bar.size(); n > every; n -= every) {
    const double from = alpha_bar[n - 1], to = alpha_bar[n - 1 - every];
    const double x_scale = std::sqrt((1.0 - to) / (1.0 - from));
    steps.push_back({static_cast<float>(x_scale),
                     static_cast<float>(std::sqrt(to) - x_scale * std::sqrt(from))});
  }
  return steps;
}

Model::Model(const ModelConfig& config, const TensorMap& tensors,
             const TensorView& identity_features) {
  const arithmetic::StandardRounding rounding;  // floats are quantised here
  check_config(config);
  auto weights = std::make_unique<ModelWeights>(config, find_kernels(config.kernel.c_str()));
  const Loader load(tensors, weights->precision);
  weights->encoder = load_encoder(config, load);
  weights->decoder = load_decoder(config, load);
  const auto floats = [&load](const std::string& name, std::int64_t size) {
    const float* data = load.get(name, {size});
    return std::vector<float>(data, data + size);
  };
  weights->pooled_mean = floats("identity.pooled_mean", config.channels);
  weights->mean = floats("statistics.mean", weights->curves());
  weights->std = floats("statistics.std", weights->curves());

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
const std::string& Model::precision() const { return weights_->config.precision; }

}  // namespace dt
