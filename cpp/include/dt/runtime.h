// The public C++ interface: speech at 16 kHz in, curve values out, synchronously (Runtime) or
// through a worker thread (LiveRuntime). Knows no file format, no Python and no sound card.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace dt {

// Silence gate: a voiced frame opens the gated curves, silence moves them to their rest values.
struct GateOptions {
  double floor_initial_db = -70.0;      // noise floor before any audio, dBFS
  double floor_minimum_db = -80.0;      // lowest floor
  double floor_maximum_db = -45.0;      // highest floor
  double rise_db_s = 3.0;               // how fast the floor follows rising noise
  double margin_db = 12.0;              // voiced means this far above the floor
  double threshold_minimum_db = -58.0;  // limits of floor + margin
  double threshold_maximum_db = -35.0;
  double lookback_ms = 20.0;  // columns this long before a frame count as its own
  double hold_ms = 60.0;      // stays open this long after the last voiced frame
  double attack_ms = 40.0;    // time from shut to open
  double release_ms = 100.0;  // time from open to shut
};

// Post-processing of one curve, in the order of the fields.
struct CurveOptions {
  float gain = 1.0F;
  float offset = 0.0F;
  float minimum = 0.0F;
  float maximum = 1.0F;
  float smoothing_ms = 0.0F;  // time constant of a one-pole low-pass; 0 = off
  float rest = 0.0F;          // value in silence, if gated
  bool gated = false;         // follows the silence gate
};

// The encoder's masked transformer over the past (docs/bundle.md).
struct ContextConfig {
  std::int64_t width = 384;
  std::int64_t heads = 6;  // a divisor of width
  std::int64_t layers = 4;
  std::int64_t hidden = 1536;  // of the MLPs
  std::int64_t window = 64;    // tokens that attention looks back on, 20 ms each
};

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
  std::vector<CurveOptions> curve_options;  // one a curve
  std::int64_t default_identity = 0;
  double unknown_cosine = -1.0;  // a voice less like any row than this gets the default identity
  std::string kernel;            // "" = DT_KERNEL from the environment, else the best
};

// An engine file of the sampler (docs/tensorrt.md).
struct TensorRtEngine {
  std::string path;
  std::int64_t frames = 1;                 // frames a launch
  std::string library_version;             // of the TensorRT that built it: major.minor.patch
  std::vector<std::int32_t> capabilities;  // compute capabilities it is for: 10 major + minor
};

// What runs the denoising network.
struct BackendOptions {
  BackendOptions() = default;
  BackendOptions(const char* backend) : name(backend) {}
  BackendOptions(std::string backend) : name(std::move(backend)) {}

  std::string name = "cpu";             // or "tensorrt", which wants the rest:
  std::string plugin;                   // file of the backend's own library; "" = not built
  std::string library;                  // file of TensorRT's library; "" = by its usual name
  std::vector<TensorRtEngine> engines;  // one of them for single frames; longer ones are used
                                        // where as many frames are due at once
};

// A borrowed float32 tensor, row-major and contiguous.
struct TensorView {
  std::vector<std::int64_t> shape;
  const float* data = nullptr;
};
using TensorMap = std::map<std::string, TensorView>;

struct ModelWeights;

// Immutable after construction; shared by any number of runtimes and threads.
class Model {
 public:
  // Copies and packs the tensors (names and shapes: docs/bundle.md). `identity_features` is
  // (identities, channels). Throws std::invalid_argument with what, where, expected, got.
  Model(const ModelConfig& config, const TensorMap& tensors, const TensorView& identity_features);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const ModelConfig& config() const;
  const ModelWeights& weights() const { return *weights_; }  // for the stages of this library
  std::int64_t lookahead_samples() const;
  std::int64_t curve_count() const;
  std::int64_t sample_steps() const;
  std::int64_t identities() const;
  const char* kernel() const;  // instruction set in use

 private:
  std::unique_ptr<const ModelWeights> weights_;
};

constexpr std::int64_t kAutoIdentity = -1;

// One stream of speech. Not thread-safe; nothing allocates after construction.
class Runtime {
 public:
  // `identity` is a row of the library, or kAutoIdentity to follow the voice. Throws
  // std::invalid_argument for an identity or a backend that does not exist, std::runtime_error for
  // a backend that cannot be used here.
  Runtime(std::shared_ptr<const Model> model, std::uint64_t seed, std::int64_t identity,
          const BackendOptions& backend = {});
  ~Runtime();
  Runtime(Runtime&&) noexcept;

  // Number of frames that step() with `more_samples` samples, or flush(), will write.
  std::int64_t frames_due(std::int64_t more_samples) const;
  std::int64_t frames_owed() const;

  // Takes `count` >= 0 samples (mono, 16 kHz, full scale 1.0) and writes frames_due(count) frames,
  // each curve_count() floats. The result does not depend on how the audio is cut into steps.
  // Throws, leaving the state as it was: std::invalid_argument for a sample that is not finite or
  // beyond kSampleLimit, std::logic_error after flush().
  void step(const float* samples, std::int64_t count, float* frames);

  // Ends the stream as if silence followed and writes frames_owed() frames: with those of step(),
  // ceil(duration x frame rate). Throws std::logic_error when called twice without reset().
  void flush(float* frames);

  void reset();

  std::int64_t identity() const;                      // the row in use now
  const std::vector<float>& identity_scores() const;  // latest cosine with each row
  std::int64_t position_samples() const;              // samples taken
  std::int64_t frames() const;                        // frames written
  float level_db() const;                             // newest analysis window, dBFS
  double compute_seconds() const;                     // spent in step() and flush()

  // Far beyond any audio, and small enough that no sum in the features overflows.
  static constexpr float kSampleLimit = 1e6F;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A Runtime behind a ring buffer, on a worker thread of its own. push() may be called from one
// thread (an audio callback), everything else from one other.
class LiveRuntime {
 public:
  LiveRuntime(std::shared_ptr<const Model> model, std::uint64_t seed, std::int64_t identity,
              const BackendOptions& backend = {}, std::int64_t ring_capacity_samples = 64000,
              std::int64_t frame_capacity = 512);
  ~LiveRuntime();  // stops and joins

  // Takes samples and returns how many fitted. Never locks, blocks, allocates or throws. What does
  // not fit is dropped and counted, and as many zeros take its place later, so that the clock stays
  // true. A sample that is not finite or beyond Runtime::kSampleLimit counts as zero. After
  // finish() or stop() nothing is taken.
  std::int64_t push(const float* samples, std::int64_t count) noexcept;

  // Waits up to `timeout_s` for a frame and returns how many are ready. Throws std::runtime_error
  // if the worker failed.
  std::int64_t wait(double timeout_s);

  // Takes up to `max_frames` frames, which are consecutive. The queue holds the newest
  // `frame_capacity` frames; older ones that nobody took are counted in dropped_frames().
  struct Batch {
    std::int64_t first_frame;
    std::int64_t count;
  };
  Batch take(std::int64_t max_frames, float* frames);

  void finish();          // no more audio comes: the worker computes the rest and flushes
  bool finished() const;  // everything after finish() has been taken
  void stop();            // ends the worker at once and joins it; frames already out stay
  void reset();           // back to the start, running; no push() may be under way

  std::int64_t dropped_samples() const;
  std::int64_t dropped_frames() const;
  std::int64_t invalid_samples() const;
  std::int64_t position_samples() const;  // samples the worker has taken, filled gaps included
  std::int64_t frames() const;            // frames computed
  std::int64_t identity() const;
  float level_db() const;
  double compute_seconds() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Instruction sets that this build and this processor have, the best first.
std::vector<std::string> available_kernels();
// The one that a Model uses by default. Throws std::invalid_argument if DT_KERNEL names another.
std::string default_kernel();

}  // namespace dt
