#include "weights/model.h"

#include <cmath>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arithmetic/rounding.h"
#include "dt/refusal.h"
#include "kernels/kernels.h"
#include "weights/tensors.h"

namespace dt {
namespace {

// Finds tensors by name, which were checked, and turns them into what the stages hold.
class Loader {
 public:
  Loader(const TensorMap& tensors, Precision precision)
      : tensors_(tensors), precision_(precision) {}

  const float* get(const std::string& name) const { return tensors_.find(name)->second.data; }

  // Weights of a product, (rows, ...): floats, or int8 values with the tensor `name`.scale, which
  // has a value for each of the `blocks` of a row.
  Elements weights(const std::string& name, const std::vector<std::int64_t>& shape,
                   std::int64_t blocks = 1) const {
    const TensorView& tensor = tensors_.find(name)->second;
    Elements elements;
    elements.row_stride = elements_of(shape) / shape[0];
    elements.floats = tensor.data;
    if (tensor.values != nullptr) {
      elements.values = tensor.values;
      elements.scales = get(name + ".scale");
      elements.scale_stride = blocks;
    }
    return elements;
  }

  AlignedFloats vector(const std::string& name, std::int64_t size) const {
    return pack_bias(get(name), 1, size);
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
            pack_bias(get(name + ".bias"), groups, rows)};
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
    layer.distance = by_slot(load.get(name + ".distance"), c.heads, c.window);
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
        load.weights("decoder.gru.weight_ih" + layer, {gates, depth}, i == 0 ? 4 : 1);
    GruWeights gru;
    if (i == 0) {
      const float* table = load.get("decoder.steps.weight");
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
    gru.input_bias = pack_bias(load.get("decoder.gru.bias_ih" + layer), 3, hidden);
    gru.recurrent_bias = pack_bias(load.get("decoder.gru.bias_hh" + layer), 3, hidden);
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

Model::Model(std::unique_ptr<const ModelWeights> weights) : weights_(std::move(weights)) {}

Model::Model(const ModelConfig& config, const TensorMap& tensors,
             const TensorView& identity_features) {
  MaybeRefusal refusal;
  weights_ = load(config, tensors, identity_features, &refusal);
  raise_if(refusal);
}

std::shared_ptr<const Model> Model::make(const ModelConfig& config, const TensorMap& tensors,
                                         const TensorView& identity_features,
                                         MaybeRefusal* refusal) {
  auto weights = load(config, tensors, identity_features, refusal);
  return weights == nullptr ? nullptr : std::shared_ptr<const Model>(new Model(std::move(weights)));
}

std::unique_ptr<const ModelWeights> Model::load(const ModelConfig& config, const TensorMap& tensors,
                                                const TensorView& identity_features,
                                                MaybeRefusal* refusal) {
  const arithmetic::StandardRounding rounding;  // floats are quantised here
  *refusal = check_config(config);
  if (*refusal) {
    return nullptr;
  }
  char no_kernels[kKernelsRefusal];
  const Kernels* kernels = find_kernels(config.kernel.c_str(), no_kernels);
  if (kernels == nullptr) {
    *refusal = Refusal{Refusal::Kind::kArgument, no_kernels};
    return nullptr;
  }
  *refusal = check_tensors(config, tensors, identity_features);
  if (*refusal) {
    return nullptr;
  }
  auto weights = std::make_unique<ModelWeights>(config, *kernels);
  const Loader load(tensors, weights->precision);
  weights->encoder = load_encoder(config, load);
  weights->decoder = load_decoder(config, load);
  const auto floats = [](const float* data, std::int64_t size) {
    return std::vector<float>(data, data + size);
  };
  weights->pooled_mean = floats(load.get("identity.pooled_mean"), config.channels);
  weights->mean = floats(load.get("statistics.mean"), weights->curves());
  weights->std = floats(load.get("statistics.std"), weights->curves());
  weights->identities = identity_features.shape[0];
  const std::int64_t values = weights->identities * config.channels;
  weights->identity_features = floats(identity_features.data, values);
  const bool own_keys = tensors.count("identity.keys") != 0;
  weights->identity_keys =
      floats(own_keys ? load.get("identity.keys") : identity_features.data, values);
  return weights;
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
