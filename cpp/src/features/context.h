// The encoder's context: Whisper's audio encoder (Radford et al. 2022) with its attention kept to
// the past, log-mel columns (100 Hz) -> tokens (50 Hz). Token i hears the columns up to 2i + 2 and
// is mixed into the encoder's columns from that one on. There are no absolute positions, so that a
// stream may go on for ever.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dt/model.h"
#include "features/attention.h"
#include "features/layers.h"
#include "kernels/aligned.h"
#include "kernels/matrix.h"
#include "weights/model.h"

namespace dt {

// One voice's past.
struct ContextState {
  explicit ContextState(const ModelWeights& weights);
  void reset();

  std::int64_t columns = 0, tokens = 0;   // taken and made
  History convolved;                      // what the second convolution reaches back to
  std::vector<AttentionMemory> memories;  // a layer
  AlignedFloats mixed;                    // of the newest token
};

class Context {
 public:
  // For a model that has a context.
  explicit Context(std::shared_ptr<const Model> model);

  // The next columns of one voice, 0 <= count: `hidden` is its first row of the batch, to which the
  // newest token that the columns up to its own allow is added, and so on for the rows behind.
  struct Slice {
    ContextState* state;
    std::int64_t count;
    float* hidden;
  };

  // `taps` holds each column's three log-mel columns, slice after slice. Any split of a voice's
  // columns, and whatever other voices share the batch, gives the same bits.
  void push(const Operand& taps, const std::vector<Slice>& slices, std::int64_t hidden_stride);

 private:
  void convolve_columns(const Operand& taps, const std::vector<Slice>& slices);
  std::int64_t make_tokens(const std::vector<Slice>& slices);
  void run_layer(std::size_t layer, const std::vector<Slice>& slices, std::int64_t count);
  void mix(const std::vector<Slice>& slices, std::int64_t hidden_stride);
  float* hidden(std::int64_t token) { return &hidden_[static_cast<std::size_t>(token * stride_)]; }

  std::shared_ptr<const Model> model_;
  const ModelWeights& weights_;
  const ContextWeights& context_;
  std::int64_t channels_;
  std::int64_t stride_, mixed_stride_;  // floats from row to row
  Attention attention_;

  // A batch has kBatchColumns columns at the most, and so many tokens.
  std::vector<std::int64_t> tokens_;  // a slice
  AlignedFloats convolved_, hidden_, qkv_, mixed_;
  Operand convolved_taps_, normed_, attended_, inner_;
};

}  // namespace dt
