// The causal audio encoder: log-mel columns -> audio features, both at 100 Hz. The state is the
// history that the convolutions reach back to, and the context's where the model has one; one
// forward serves streaming and whole recordings.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "dt/model.h"
#include "features/context.h"
#include "features/layers.h"
#include "kernels/aligned.h"
#include "weights/model.h"

namespace dt {

class Encoder {
 public:
  explicit Encoder(std::shared_ptr<const Model> model);

  // (count, 80) mel -> (count, channels) features; count >= 0, any split gives the same bits.
  void push(const float* mel, std::int64_t count, float* features);
  void reset();

 private:
  void push_group(const float* mel, std::int64_t count, float* features);

  std::shared_ptr<const Model> model_;
  const ModelWeights& weights_;
  std::int64_t channels_, stride_;
  History input_;
  std::vector<History> blocks_;
  std::optional<Context> context_;
  AlignedFloats hidden_, branch_;  // (kGroupColumns, stride_)
};

}  // namespace dt
