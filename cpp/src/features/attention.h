// A layer's attention over the past: a token's query against the keys of the last `window` tokens,
// itself included, and the mean of their values by the softmax of the scores.
#pragma once

#include <cstdint>
#include <vector>

#include "dt/model.h"
#include "kernels/aligned.h"
#include "kernels/kernels.h"
#include "kernels/matrix.h"
#include "weights/model.h"

namespace dt {

struct AttentionShape {
  AttentionShape(const ContextConfig& context, Precision of);
  std::int64_t width, heads, window, size;  // of a head: size = width / heads
  std::int64_t slots;                       // the window, padded
  Precision precision;
};

// What one layer looks back on: token i at slot i % window. In int8, keys are a matrix a head whose
// rows are the slots, and values one whose depths are, so that both products are the kernels'.
struct AttentionMemory {
  explicit AttentionMemory(const AttentionShape& shape);
  AlignedFloats keys, values;  // float32: (width, slots), so that a query's scores lie beside each
                               // other, and (window, width)
  Aligned<std::int8_t> key_bytes, value_bytes;  // int8: (heads), Int8Panels each
  AlignedFloats key_scales;                     // (heads, slots)
  Aligned<std::int32_t> key_offsets;            // (heads, slots)
  AlignedFloats value_scales;                   // (heads, slots)
};

class Attention {
 public:
  Attention(const AttentionShape& shape, const Kernels& kernels, std::int64_t part_stride);

  // Token number `token`: `qkv` holds its query, key and value, part_stride apart; its key and
  // value join the memory. `distance`: see ContextWeights. Writes `width` floats.
  void push(const float* distance, AttentionMemory& memory, std::int64_t token, const float* qkv,
            float* out);

 private:
  void push_floats(const float* distance, AttentionMemory& memory, std::int64_t slot,
                   std::int64_t known, const float* qkv, float* out);
  void push_int8(const float* distance, AttentionMemory& memory, std::int64_t head,
                 std::int64_t slot, std::int64_t known, const float* qkv, float* out);
  float quantise_head(const float* values, std::int64_t head, float steps, std::int32_t zero,
                      std::uint8_t* out);

  AttentionShape shape_;
  const Kernels& kernels_;
  std::int64_t part_stride_;
  std::int64_t key_depth_, value_depth_, value_rows_;
  float query_scale_;
  AlignedFloats scores_, head_, mean_;
  Aligned<std::uint8_t> query_, shares_, stored_;
  AlignedFloats ones_;
  Aligned<std::int32_t> zeros_;
};

}  // namespace dt
