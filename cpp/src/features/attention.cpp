#include "features/attention.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>

namespace dt {
namespace {

std::size_t size_of(std::int64_t n) { return static_cast<std::size_t>(n); }

}  // namespace

AttentionShape::AttentionShape(const ContextConfig& context, Precision of)
    : width(context.width),
      heads(context.heads),
      window(context.window),
      size(width / heads),
      slots(padded(window)),
      precision(of) {}

AttentionMemory::AttentionMemory(const AttentionShape& s) {
  if (s.precision == Precision::kFloat32) {
    keys.assign(size_of(s.width * s.slots), 0.0F);
    values.assign(size_of(s.window * s.width), 0.0F);
    return;
  }
  key_bytes.assign(size_of(s.heads * s.slots * padded(s.size, kDepthStep)), 0);
  value_bytes.assign(size_of(s.heads * padded(s.size) * padded(s.window, kDepthStep)), 0);
  key_scales.assign(size_of(s.heads * s.slots), 0.0F);
  key_offsets.assign(size_of(s.heads * s.slots), 0);
  value_scales.assign(size_of(s.heads * s.slots), 0.0F);
}

Attention::Attention(const AttentionShape& shape, const Kernels& kernels, std::int64_t part_stride)
    : shape_(shape),
      kernels_(kernels),
      part_stride_(part_stride),
      key_depth_(padded(shape.size, kDepthStep)),
      value_depth_(padded(shape.window, kDepthStep)),
      value_rows_(padded(shape.size)),
      query_scale_(1.0F / std::sqrt(static_cast<float>(shape.size))),
      scores_(size_of(shape.slots), 0.0F),
      head_(size_of(value_rows_), 0.0F),
      mean_(head_),
      query_(size_of(key_depth_), 0),
      shares_(size_of(value_depth_), 0),
      stored_(query_),
      ones_(size_of(value_rows_), 1.0F),
      zeros_(size_of(value_rows_), 0) {}

void Attention::push(const float* distance, AttentionMemory& memory, std::int64_t token,
                     const float* qkv, float* out) {
  const std::int64_t slot = token % shape_.window;
  const std::int64_t known = std::min(token + 1, shape_.window);  // in slots 0 .. known - 1
  if (shape_.precision == Precision::kFloat32) {
    push_floats(distance, memory, slot, known, qkv, out);
    return;
  }
  for (std::int64_t head = 0; head < shape_.heads; ++head) {
    push_int8(distance, memory, head, slot, known, qkv, out);
  }
}

void Attention::push_floats(const float* distance, AttentionMemory& memory, std::int64_t slot,
                            std::int64_t known, const float* qkv, float* out) {
  const std::int64_t size = shape_.size, window = shape_.window;
  for (std::int64_t i = 0; i < shape_.width; ++i) {
    memory.keys[size_of(i * shape_.slots + slot)] = qkv[part_stride_ + i];
  }
  std::copy(qkv + 2 * part_stride_, qkv + 2 * part_stride_ + shape_.width,
            &memory.values[size_of(slot * shape_.width)]);
  std::fill(out, out + shape_.width, 0.0F);
  for (std::int64_t head = 0; head < shape_.heads; ++head) {
    const float* from = distance + head * 2 * window + window - slot;
    std::copy(from, from + known, scores_.begin());
    for (std::int64_t i = head * size; i < (head + 1) * size; ++i) {
      const float query = qkv[i] * query_scale_;
      const float* key = &memory.keys[size_of(i * shape_.slots)];
      for (std::int64_t s = 0; s < known; ++s) {
        scores_[size_of(s)] += query * key[s];
      }
    }
    kernels_.softmax(scores_.data(), known);
    for (std::int64_t s = 0; s < known; ++s) {
      const float share = scores_[size_of(s)];
      const float* value = &memory.values[size_of(s * shape_.width + head * size)];
      for (std::int64_t i = 0; i < size; ++i) {
        out[head * size + i] += share * value[i];
      }
    }
  }
}

// A head's part of `values` as bytes; what lies behind it is zeros.
float Attention::quantise_head(const float* values, std::int64_t head, float steps,
                               std::int32_t zero, std::uint8_t* out) {
  const float* from = values + head * shape_.size;
  std::copy(from, from + shape_.size, head_.begin());
  return kernels_.quantise(head_.data(), value_rows_, steps, zero, out);
}

void Attention::push_int8(const float* distance, AttentionMemory& memory, std::int64_t head,
                          std::int64_t slot, std::int64_t known, const float* qkv, float* out) {
  const std::int64_t size = shape_.size, window = shape_.window, at = head * shape_.slots + slot;
  std::int8_t* keys = &memory.key_bytes[size_of(head * shape_.slots * key_depth_)];
  std::int8_t* values = &memory.value_bytes[size_of(head * value_rows_ * value_depth_)];

  memory.key_scales[size_of(at)] =
      quantise_head(qkv + part_stride_, head, kWeightSteps, 0, stored_.data());
  std::int32_t sum = 0;
  for (std::int64_t k = 0; k < size; k += 4) {
    std::memcpy(keys + int8_index(slot, k, key_depth_), &stored_[size_of(k)], 4);
    for (std::int64_t i = k; i < k + 4; ++i) {
      sum += static_cast<std::int8_t>(stored_[size_of(i)]);
    }
  }
  memory.key_offsets[size_of(at)] = kZeroPoint * sum;
  memory.value_scales[size_of(at)] =
      quantise_head(qkv + 2 * part_stride_, head, kWeightSteps, 0, stored_.data());
  for (std::int64_t i = 0; i < size; ++i) {
    values[int8_index(i, slot, value_depth_)] = static_cast<std::int8_t>(stored_[size_of(i)]);
  }

  const float* from = distance + head * 2 * window + window - slot;
  std::copy(from, from + known, scores_.begin());
  const float query_scale =
      quantise_head(qkv, head, kActivationSteps, kZeroPoint, query_.data()) * query_scale_;
  const std::int64_t first = head * shape_.slots;
  const Int8Panels key_panels = {keys,
                                 &memory.key_scales[size_of(first)],
                                 &memory.key_offsets[size_of(first)],
                                 padded(known) / kPanelLanes,
                                 key_depth_,
                                 nullptr};
  kernels_.multiply_add_int8(key_panels, query_.data(), key_depth_, &query_scale, 1, scores_.data(),
                             0, scores_.data(), shape_.slots);
  kernels_.softmax(scores_.data(), known);
  // A value's scale goes into its share: shares then have one scale, as activations do.
  for (std::int64_t s = 0; s < known; ++s) {
    scores_[size_of(s)] *= memory.value_scales[size_of(first + s)];
  }
  const float share_scale =
      kernels_.quantise(scores_.data(), padded(known), kShareSteps, 0, shares_.data());
  std::fill(shares_.begin() + padded(known), shares_.end(), std::uint8_t{0});
  std::fill(mean_.begin(), mean_.end(), 0.0F);
  const Int8Panels value_panels = {
      values, ones_.data(), zeros_.data(), value_rows_ / kPanelLanes, value_depth_, nullptr};
  kernels_.multiply_add_int8(value_panels, shares_.data(), value_depth_, &share_scale, 1,
                             mean_.data(), 0, mean_.data(), value_rows_);
  std::copy(mean_.begin(), mean_.begin() + size, out + head * size);
}

}  // namespace dt
