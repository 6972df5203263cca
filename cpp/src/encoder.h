// The causal audio encoder: log-mel columns -> audio features, both at 100 Hz. The state is the
// history that the convolutions reach back to; one forward serves streaming and whole recordings.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "aligned.h"
#include "model.h"

namespace dt {

class Encoder {
 public:
  explicit Encoder(std::shared_ptr<const Model> model);

  // (count, 80) mel -> (count, channels) features; count >= 0, any split gives the same bits.
  void push(const float* mel, std::int64_t count, float* features);
  void reset();

 private:
  static constexpr std::int64_t kGroupColumns = 8;

  // The inputs of a convolution: what it still reaches back to, then room for a group.
  struct History {
    History(std::int64_t dilation, std::int64_t width_floats);
    float* group() { return &columns[static_cast<std::size_t>(past * width)]; }
    void advance(std::int64_t count);  // the group's first `count` columns become the past
    std::int64_t past, width;
    AlignedFloats columns;
  };

  void push_group(const float* mel, std::int64_t count, float* features);
  void convolve(const ConvWeights& conv, History& history, std::int64_t count, float* out) const;

  std::shared_ptr<const Model> model_;
  const ModelWeights& weights_;
  std::int64_t channels_, stride_;
  History input_;
  std::vector<History> blocks_;
  AlignedFloats hidden_, branch_;  // (kGroupColumns, stride_)
};

}  // namespace dt
