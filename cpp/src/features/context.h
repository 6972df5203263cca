// The encoder's context: Whisper's audio encoder (Radford et al. 2022) with its attention kept to
// the past, log-mel columns (100 Hz) -> tokens (50 Hz). Token i hears the columns up to 2i + 2 and
// is mixed into the encoder's columns from that one on. There are no absolute positions, so that a
// stream may go on for ever.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dt/model.h"
#include "features/layers.h"
#include "kernels/aligned.h"
#include "weights/model.h"

namespace dt {

class Context {
 public:
  // For a model that has a context.
  explicit Context(std::shared_ptr<const Model> model);

  // Takes the next columns, mel (count, 80), 0 <= count <= kGroupColumns, and adds to each of the
  // `count` rows of `hidden` the newest token that the columns up to its own allow. Any split
  // gives the same bits.
  void push(const float* mel, std::int64_t count, float* hidden, std::int64_t hidden_stride);
  void reset();

 private:
  static constexpr std::int64_t kGroupTokens = (kGroupColumns + 1) / 2;

  // What attention looks back on: token i at slot i % window. The keys are transposed,
  // (width, window), so that the scores of a query lie beside each other; values (window, width).
  struct Memory {
    std::vector<float> keys, values;
  };

  std::int64_t make_tokens(const float* mel, std::int64_t count);
  void run_layer(const ContextWeights::Layer& layer, Memory& memory, std::int64_t count);
  void attend(const ContextWeights::Layer& layer, Memory& memory, std::int64_t token,
              const float* qkv, float* out);

  std::shared_ptr<const Model> model_;
  const ModelWeights& weights_;
  const ContextWeights& context_;
  std::int64_t width_, heads_, window_, channels_;
  std::int64_t stride_, inner_stride_, mixed_stride_;  // floats from row to row

  // The state, with the first row of mixed_.
  std::int64_t columns_ = 0, tokens_ = 0;  // taken and made
  History mel_, convolved_;                // what the two convolutions reach back to
  std::vector<Memory> memories_;           // a layer

  AlignedFloats mixed_;  // (1 + kGroupTokens, mixed_stride_): the newest token, then the group's
  AlignedFloats hidden_, normed_, attended_;  // (kGroupTokens, stride_)
  AlignedFloats qkv_;                         // (kGroupTokens, 3 stride_)
  AlignedFloats inner_;                       // (kGroupTokens, inner_stride_)
  std::vector<float> scores_, shares_;        // (window): by slot, and from the oldest on
};

}  // namespace dt
