// The causal audio encoder: log-mel columns -> audio features, both at 100 Hz. A voice's state is
// what the convolutions reach back to, and its context's where the model has one; one forward
// serves streaming, whole recordings, and many voices at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "dt/model.h"
#include "features/context.h"
#include "features/layers.h"
#include "kernels/aligned.h"
#include "kernels/matrix.h"
#include "weights/model.h"

namespace dt {

// One voice's past.
struct EncoderState {
  explicit EncoderState(const Model& model);
  void reset();

  History input;
  std::vector<History> blocks;
  std::optional<ContextState> context;
};

class Encoder {
 public:
  explicit Encoder(std::shared_ptr<const Model> model);

  // The next columns of one voice: mel (columns, 80) -> features (columns, channels).
  struct Job {
    EncoderState* state;
    const float* mel;
    std::int64_t columns;
    float* features;
  };

  // Of different voices. Any split of a voice's columns, and whatever other voices come along,
  // gives the same bits.
  void push(const Job* jobs, std::int64_t count);

 private:
  void push_batch(std::int64_t columns);

  std::shared_ptr<const Model> model_;
  const ModelWeights& weights_;
  std::int64_t channels_, stride_;
  std::vector<Job> batch_;  // what goes through the layers at once
  std::vector<Context::Slice> slices_;
  std::optional<Context> context_;
  AlignedFloats hidden_, branch_, normed_;  // (kBatchColumns, stride_)
  Operand taps_, block_taps_, mix_;
};

}  // namespace dt
