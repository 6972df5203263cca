// A model: its checked configuration and weights, shared by any number of runtimes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dt/options.h"
#include "dt/refusal.h"

namespace dt {

// The encoder's masked transformer over the past (docs/bundle.md).
struct ContextConfig {
  std::int64_t width = 384;
  std::int64_t heads = 6;  // a divisor of width
  std::int64_t layers = 4;
  std::int64_t hidden = 1536;  // of the MLPs
  std::int64_t window = 64;    // tokens that attention looks back on, 20 ms each

  template <typename Row>
  static void each(Row&& row) {
    row("width", &ContextConfig::width, Range{1, 4096});
    row("heads", &ContextConfig::heads, Range{1, 4096});
    row("layers", &ContextConfig::layers, Range{1, 64});
    row("hidden", &ContextConfig::hidden, Range{1, 16384});
    row("window", &ContextConfig::window, Range{1, 4096});
  }
};

// Frames a second: a frame waits for a column, and there are 100 of them.
constexpr Range kFrameRateHz{1.0, 100.0};

struct ModelConfig {
  std::vector<std::string> curves;   // names, in the model's order
  std::int64_t frame_rate_num = 60;  // Hz = num / den
  std::int64_t frame_rate_den = 1;
  std::int64_t channels = 128;          // of the encoder; the audio feature's size
  std::vector<std::int64_t> dilations;  // one residual block each
  std::int64_t lookahead_columns = 4;   // 10 ms each
  std::optional<ContextConfig> context;
  std::int64_t hidden = 256;       // of the GRU
  std::int64_t layers = 2;         // of the GRU
  std::int64_t step_dim = 64;      // width of the step table
  std::int64_t train_steps = 32;   // rows of the step table
  std::vector<double> alpha_bar;   // one for each sampling step, falling
  std::vector<float> noise_scale;  // of a curve's starting noise, 0 to 1; empty = 1 for all
  GateOptions gate;
  IdleOptions idle;
  std::vector<CurveOptions> curve_options;  // one a curve
  std::int64_t default_identity = 0;
  double unknown_cosine = -1.0;  // a voice less like any row than this gets the default identity
  std::string kernel;            // "" = DT_KERNEL from the environment, else the best
  // "int8": products of 8-bit weights and 7-bit activations, the same bits on every instruction
  // set. "float32": for comparison; its last bits depend on the instruction set.
  std::string precision = "int8";

  template <typename Row>
  static void each(Row&& row) {
    row("curves", &ModelConfig::curves);
    row("frame_rate_num", &ModelConfig::frame_rate_num, Range{1, 1000000});
    row("frame_rate_den", &ModelConfig::frame_rate_den, Range{1, 1000000});
    row("channels", &ModelConfig::channels, Range{1, 4096});
    row("dilations", &ModelConfig::dilations, Range{1, 1024});
    row("lookahead_columns", &ModelConfig::lookahead_columns, Range{0, 100});
    row("context", &ModelConfig::context);
    row("hidden", &ModelConfig::hidden, Range{1, 4096});
    row("layers", &ModelConfig::layers, Range{1, 16});
    row("step_dim", &ModelConfig::step_dim, Range{1, 4096});
    row("train_steps", &ModelConfig::train_steps, Range{1, 4096});
    row("alpha_bar", &ModelConfig::alpha_bar);
    row("noise_scale", &ModelConfig::noise_scale, Range{0.0, 1.0});
    row("gate", &ModelConfig::gate);
    row("idle", &ModelConfig::idle);
    row("curve_options", &ModelConfig::curve_options);
    row("default_identity", &ModelConfig::default_identity);
    row("unknown_cosine", &ModelConfig::unknown_cosine, Range{-1.0, 1.0});
    row("kernel", &ModelConfig::kernel);
    row("precision", &ModelConfig::precision);
  }
};

// A borrowed tensor, row-major and contiguous: float32, or the int8 values of weights, whose scales
// are the tensor of this one's name with ".scale" behind it (docs/bundle.md).
struct TensorView {
  std::vector<std::int64_t> shape;
  const float* data = nullptr;
  const std::int8_t* values = nullptr;
};
using TensorMap = std::map<std::string, TensorView>;

struct ModelWeights;

// Immutable after construction; shared by any number of runtimes and threads.
class Model {
 public:
  // Copies and packs the tensors (names and shapes: docs/bundle.md). `identity_features` is
  // (identities, channels): what the decoder is told and, without a tensor "identity.keys" of the
  // same shape, what voices are compared with. Throws std::invalid_argument with what, where,
  // expected, got.
  Model(const ModelConfig& config, const TensorMap& tensors, const TensorView& identity_features);
  // The same without exceptions: null, and why in `refusal`, where they do not make a model.
  static std::shared_ptr<const Model> make(const ModelConfig& config, const TensorMap& tensors,
                                           const TensorView& identity_features,
                                           MaybeRefusal* refusal);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const ModelConfig& config() const;
  std::int64_t lookahead_samples() const;
  std::int64_t curve_count() const;
  std::int64_t sample_steps() const;
  std::int64_t identities() const;
  const char* kernel() const;            // instruction set in use
  const std::string& precision() const;  // of its products: "int8" or "float32"

 private:
  friend struct ModelWeights;  // of(model), for the stages of this library
  explicit Model(std::unique_ptr<const ModelWeights> weights);
  static std::unique_ptr<const ModelWeights> load(const ModelConfig& config,
                                                  const TensorMap& tensors,
                                                  const TensorView& identity_features,
                                                  MaybeRefusal* refusal);

  std::unique_ptr<const ModelWeights> weights_;
};

// The identity that follows the voice, where a row of the library may be named.
constexpr std::int64_t kAutoIdentity = -1;

}  // namespace dt
