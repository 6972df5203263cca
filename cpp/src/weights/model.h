// What a Model holds: the checked configuration and the tensors, packed for the kernels.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dt/log_mel.h"
#include "dt/model.h"
#include "dt/time_base.h"
#include "kernels/aligned.h"
#include "kernels/kernels.h"
#include "kernels/matrix.h"

namespace dt {

// A causal convolution of three taps: output m reads inputs m - 2 dilation, m - dilation and m.
struct ConvWeights {
  std::int64_t dilation;
  Matrix matrix;  // of the three inputs laid end to end, the oldest first
  AlignedFloats bias;
};

struct NormWeights {
  std::int64_t size;
  AlignedFloats scale, shift;  // padded
};

struct LinearWeights {
  Matrix matrix;
  AlignedFloats bias;
};

// The encoder's masked transformer; see context.h.
struct ContextWeights {
  ConvWeights conv1, conv2;
  AlignedFloats position;
  struct Layer {
    NormWeights attention_norm;
    LinearWeights qkv;  // the rows of query, key and value, padded each
    // (heads, 2 window): added to a score. [h][window - n + s] is that of slot s when slot n is the
    // newest: how far back s lies there.
    std::vector<float> distance;
    LinearWeights out;
    NormWeights mlp_norm;
    LinearWeights fc1, fc2;
  };
  std::vector<Layer> layers;
  NormWeights norm;
  Matrix mix;  // (channels, width)
};

struct EncoderWeights {
  ConvWeights input;
  struct Block {
    NormWeights norm;
    ConvWeights conv;
    LinearWeights mix;
  };
  std::vector<Block> blocks;
  std::optional<ContextWeights> context;
  NormWeights norm;
};

struct GruWeights {
  Matrix input, recurrent;  // the first layer's input is x_t alone: see DecoderWeights
  AlignedFloats input_bias, recurrent_bias;
};

// The first layer reads concat(audio, identity, step, x_t). Its product is split: audio and
// identity once a frame, the step's once and for all, and only x_t's at every step.
struct DecoderWeights {
  Matrix audio, identity;
  std::vector<float> step_table;  // (sample_steps, step_dim): the rows looked up, as step_rows
  AlignedFloats step_rows;  // (sample_steps, 3 hidden), in the order of sampling: step K first
  std::vector<GruWeights> layers;
  Matrix head;
  AlignedFloats head_bias;
};

// One step of the sampler's DDIM update: x <- x_scale x + x0_scale x0.
struct DdimStep {
  float x_scale, x0_scale;
};

// In the order of sampling, of every stride-th noise level; the last step has none.
std::vector<DdimStep> ddim_steps(const std::vector<double>& alpha_bar, std::int64_t stride = 1);

struct ModelWeights {
  ModelWeights(const ModelConfig& checked_config, const Kernels& chosen_kernels)
      : config(checked_config),
        kernels(chosen_kernels),
        precision(checked_config.precision == "float32" ? Precision::kFloat32 : Precision::kInt8),
        time(config.frame_rate_num, config.frame_rate_den, config.lookahead_columns) {}

  static const ModelWeights& of(const Model& model) { return *model.weights_; }

  ModelConfig config;
  const Kernels& kernels;
  Precision precision;
  TimeBase time;
  LogMel log_mel;
  EncoderWeights encoder;
  DecoderWeights decoder;
  std::int64_t identities = 0;
  std::vector<float> identity_features;  // (identities, channels)
  std::vector<float> identity_keys;      // likewise: what voices are compared with
  std::vector<float> pooled_mean;        // (channels)
  std::vector<float> mean, std;          // (curves): curve = x0 std + mean

  std::int64_t curves() const { return static_cast<std::int64_t>(config.curves.size()); }
  std::int64_t sample_steps() const { return static_cast<std::int64_t>(config.alpha_bar.size()); }
};

}  // namespace dt
