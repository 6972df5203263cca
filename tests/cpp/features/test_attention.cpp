// Attention over a window of the past, against its definition.
#include "features/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "dt/kernels.h"
#include "dt/model.h"
#include "kernels/kernels.h"
#include "kernels/matrix.h"
#include "random_model.h"

namespace dt {
namespace {

using dt_test::Random;

class AttentionOn : public testing::TestWithParam<std::string> {
 protected:
  const Kernels& kernels_ = find_kernels(GetParam().c_str());
};

INSTANTIATE_TEST_SUITE_P(Kernels, AttentionOn, testing::ValuesIn(available_kernels()),
                         [](const auto& test) { return test.param; });

// One layer of attention and a voice's tokens through it.
struct Layer {
  Layer(const ContextConfig& context, std::int64_t tokens, std::uint32_t seed)
      : config(context), size(context.width / context.heads), stride(padded(context.width)) {
    Random random(seed);
    by_distance = random.vector(config.heads * config.window);
    // As a model holds it: a score's offset by slot and newest slot.
    for (std::int64_t h = 0; h < config.heads; ++h) {
      for (std::int64_t j = 0; j < 2 * config.window; ++j) {
        const std::int64_t back = (2 * config.window - j) % config.window;
        distance.push_back(by_distance[static_cast<std::size_t>(h * config.window + back)]);
      }
    }
    for (std::int64_t t = 0; t < tokens; ++t) {
      qkv.push_back(random.vector(3 * stride, t % 5 == 4 ? 3.0F : 1.0F));
    }
  }

  std::vector<float> push(Attention& attention, AttentionMemory& memory, std::int64_t token,
                          const std::vector<float>& row) const {
    // What lies behind is not written.
    std::vector<float> out(static_cast<std::size_t>(config.width) + 1, 7.0F);
    attention.push(distance.data(), memory, token, row.data(), out.data());
    EXPECT_EQ(out.back(), 7.0F);
    out.pop_back();
    return out;
  }

  // All tokens through an attention of their own.
  std::vector<std::vector<float>> alone(const Kernels& kernels, Precision precision) const {
    const AttentionShape shape(config, precision);
    Attention attention(shape, kernels, stride);
    AttentionMemory memory(shape);
    std::vector<std::vector<float>> out;
    for (std::size_t t = 0; t < qkv.size(); ++t) {
      out.push_back(push(attention, memory, static_cast<std::int64_t>(t), qkv[t]));
    }
    return out;
  }

  ContextConfig config;
  std::int64_t size, stride;
  std::vector<float> by_distance, distance;
  std::vector<std::vector<float>> qkv;
};

// A head's part of a token's query (0), key (1) or value (2).
struct Head {
  Head(const Layer& layer, std::size_t token, std::int64_t part, std::int64_t head)
      : at(&layer.qkv[token][static_cast<std::size_t>(part * layer.stride + head * layer.size)]),
        size(layer.size) {
    for (std::int64_t i = 0; i < size; ++i) {
      most = std::max(most, std::fabs(static_cast<double>(at[i])));
      sum += std::fabs(static_cast<double>(at[i]));
    }
  }
  double operator[](std::int64_t i) const { return static_cast<double>(at[i]); }
  const float* at;
  std::int64_t size;
  double most = 0.0, sum = 0.0;
};

// The definition, in double precision, and how far int8 may lie from it: half a step of queries,
// keys, values and shares, through the softmax. Errors of scores up to e change a share by a factor
// of up to e^2e.
struct Expected {
  Expected(const Layer& layer, std::size_t token, std::int64_t head) {
    const auto window = static_cast<std::size_t>(layer.config.window);
    const std::size_t known = std::min(token + 1, window);
    const Head query(layer, token, 0, head);
    std::vector<double> shares;
    double sum = 0.0, score_error = 0.0;
    for (std::size_t back = 0; back < known; ++back) {
      const Head key(layer, token - back, 1, head);
      double score = 0.0;
      for (std::int64_t i = 0; i < layer.size; ++i) {
        score += query[i] * key[i];
      }
      const double half_query = query.most / 126.0, half_key = key.most / 254.0;
      const double root = std::sqrt(static_cast<double>(layer.size));
      score_error =
          std::max(score_error, (key.sum * half_query + query.sum * half_key +
                                 static_cast<double>(layer.size) * half_query * half_key) /
                                    root);
      const auto offset =
          static_cast<double>(layer.by_distance[static_cast<std::size_t>(head) * window + back]);
      shares.push_back(std::exp(score / root + offset));
      sum += shares.back();
    }
    mean.assign(static_cast<std::size_t>(layer.size), 0.0);
    const double factor = std::exp(2.0 * score_error);
    double greatest = 0.0, values_error = 0.0, shares_error = 0.0;
    for (std::size_t back = 0; back < known; ++back) {
      const Head value(layer, token - back, 2, head);
      const double share = shares[back] / sum;
      for (std::int64_t i = 0; i < layer.size; ++i) {
        mean[static_cast<std::size_t>(i)] += share * value[i];
      }
      shares_error += share * (factor - 1.0) * value.most;
      values_error += share * factor * value.most / 254.0;
      greatest = std::max(greatest, std::min(share * factor, 1.0) * value.most / 127.0);
    }
    // A share times its value's scale has 127 steps up to the greatest of them, and so have values.
    bound = shares_error + values_error + static_cast<double>(known) * greatest / 254.0 * 127.0;
  }
  std::vector<double> mean;
  double bound;
};

const ContextConfig kShapes[] = {
    {24, 3, 1, 1, 5},    // a window that is soon full
    {7, 1, 1, 1, 1},     // of one token
    {20, 4, 1, 1, 16},   // a whole panel of slots
    {33, 3, 1, 1, 17},   // and one more
    {128, 2, 1, 1, 70},  // more than a step of the depth
    {67, 1, 1, 1, 64},
};

TEST_P(AttentionOn, IsItsDefinition) {
  for (const ContextConfig& config : kShapes) {
    // The window fills and wraps, more than twice.
    const std::int64_t tokens = 2 * config.window + config.window / 2 + 2;
    const Layer layer(config, tokens, 1);
    for (const Precision precision : {Precision::kFloat32, Precision::kInt8}) {
      const std::vector<std::vector<float>> got = layer.alone(kernels_, precision);
      double error = 0.0, bounds = 0.0;
      for (std::size_t t = 0; t < got.size(); ++t) {
        for (std::int64_t h = 0; h < config.heads; ++h) {
          const Expected expected(layer, t, h);
          const double more = precision == Precision::kInt8 ? expected.bound : 0.0;
          for (std::int64_t i = 0; i < layer.size; ++i) {
            const double mean = expected.mean[static_cast<std::size_t>(i)];
            const auto value =
                static_cast<double>(got[t][static_cast<std::size_t>(h * layer.size + i)]);
            ASSERT_NEAR(value, mean, 1e-5 + more)
                << "width " << config.width << ", token " << t << ", head " << h;
            error += (value - mean) * (value - mean);
            bounds += more * more;
          }
        }
      }
      // The errors have no common sign: together they are far below the bounds.
      if (precision == Precision::kInt8) {
        EXPECT_LT(std::sqrt(error), 0.3 * std::sqrt(bounds)) << "width " << config.width;
      }
    }
  }
}

// A head's vector as whole numbers and their scale.
struct Whole {
  Whole(const float* x, std::int64_t n, float steps, std::int32_t zero) {
    std::vector<float> padded_row(static_cast<std::size_t>(padded(n)), 0.0F);
    std::copy(x, x + n, padded_row.begin());
    bytes.resize(padded_row.size());
    scale = scalar_kernels()->quantise(padded_row.data(), padded(n), steps, zero, bytes.data());
  }
  std::int32_t value(std::int64_t i) const {  // without a zero point
    return static_cast<std::int8_t>(bytes[static_cast<std::size_t>(i)]);
  }
  std::vector<std::uint8_t> bytes;
  float scale;
};

// A head's result in int8, in plain loops over the tokens: what the panels, the slots and the stale
// rest of a window must come to, to the bit.
std::vector<float> plain_int8(const Layer& layer, std::size_t token, std::int64_t head) {
  const std::int64_t size = layer.size, window = layer.config.window;
  const auto part = [&](std::size_t t, std::int64_t number) {
    return &layer.qkv[t][static_cast<std::size_t>(number * layer.stride + head * size)];
  };
  const Whole query(part(token, 0), size, kActivationSteps, kZeroPoint);
  const float query_scale = query.scale * (1.0F / std::sqrt(static_cast<float>(size)));
  // Slot by slot, as the softmax adds them.
  const std::int64_t known = std::min(static_cast<std::int64_t>(token) + 1, window);
  std::vector<std::size_t> tokens(static_cast<std::size_t>(known));
  for (std::size_t t = token + 1 - tokens.size(); t <= token; ++t) {
    tokens[t % static_cast<std::size_t>(window)] = t;
  }
  std::vector<float> scores(static_cast<std::size_t>(padded(known)), 0.0F);
  std::vector<Whole> values;
  for (std::size_t s = 0; s < tokens.size(); ++s) {
    const Whole key(part(tokens[s], 1), size, kWeightSteps, 0);
    values.emplace_back(part(tokens[s], 2), size, kWeightSteps, 0);
    std::int32_t sum = 0;
    for (std::int64_t i = 0; i < size; ++i) {
      sum += (query.bytes[static_cast<std::size_t>(i)] - kZeroPoint) * key.value(i);
    }
    const std::size_t back = token - tokens[s];
    scores[s] = layer.by_distance[static_cast<std::size_t>(head * window) + back] +
                static_cast<float>(sum) * (key.scale * query_scale);
  }
  scalar_kernels()->softmax(scores.data(), known);
  for (std::size_t s = 0; s < tokens.size(); ++s) {
    scores[s] *= values[s].scale;
  }
  const Whole shares(scores.data(), known, kShareSteps, 0);
  std::vector<float> mean;
  for (std::int64_t i = 0; i < size; ++i) {
    std::int32_t sum = 0;
    for (std::size_t s = 0; s < tokens.size(); ++s) {
      sum += shares.bytes[s] * values[s].value(i);
    }
    mean.push_back(0.0F + static_cast<float>(sum) * shares.scale);
  }
  return mean;
}

TEST_P(AttentionOn, InInt8IsItsPlainArithmetic) {
  for (const ContextConfig& config : kShapes) {
    const Layer layer(config, 2 * config.window + 3, 9);
    const std::vector<std::vector<float>> got = layer.alone(kernels_, Precision::kInt8);
    for (std::size_t t = 0; t < got.size(); ++t) {
      for (std::int64_t h = 0; h < config.heads; ++h) {
        const auto from = got[t].begin() + h * layer.size;
        ASSERT_EQ(std::vector<float>(from, from + layer.size), plain_int8(layer, t, h))
            << "width " << config.width << ", token " << t << ", head " << h;
      }
    }
  }
}

TEST_P(AttentionOn, GivesTheBitsOfEveryOtherKernel) {
  for (const ContextConfig& config : kShapes) {
    const Layer layer(config, 2 * config.window + 3, 2);
    EXPECT_EQ(layer.alone(kernels_, Precision::kInt8),
              layer.alone(*scalar_kernels(), Precision::kInt8))
        << "width " << config.width;
  }
}

// One Attention serves all voices and layers: what one leaves in it must not reach another.
TEST_P(AttentionOn, TwoVoicesThroughOneAreThoseAlone) {
  for (const ContextConfig& config : kShapes) {
    for (const Precision precision : {Precision::kFloat32, Precision::kInt8}) {
      const Layer loud(config, 2 * config.window + 3, 3), late(config, config.window + 3, 4);
      const auto loud_alone = loud.alone(kernels_, precision);
      const auto late_alone = late.alone(kernels_, precision);
      const AttentionShape shape(config, precision);
      Attention attention(shape, kernels_, loud.stride);
      AttentionMemory of_loud(shape), of_late(shape);
      std::size_t next = 0;
      for (std::size_t t = 0; t < loud.qkv.size(); ++t) {
        ASSERT_EQ(loud.push(attention, of_loud, static_cast<std::int64_t>(t), loud.qkv[t]),
                  loud_alone[t]);
        // The other begins when the first has filled its window.
        if (t >= static_cast<std::size_t>(config.window) && next < late.qkv.size()) {
          ASSERT_EQ(late.push(attention, of_late, static_cast<std::int64_t>(next), late.qkv[next]),
                    late_alone[next]);
          ++next;
        }
      }
      EXPECT_GT(next, 1U);
    }
  }
}

// A memory that begins again at token 0 has forgotten what it held, however much that was.
TEST_P(AttentionOn, AMemoryBegunAgainIsAFreshOne) {
  for (const ContextConfig& config : kShapes) {
    for (const Precision precision : {Precision::kFloat32, Precision::kInt8}) {
      const Layer before(config, 3 * config.window, 5), after(config, config.window + 2, 6);
      const auto fresh = after.alone(kernels_, precision);
      const AttentionShape shape(config, precision);
      for (const std::int64_t held : {std::int64_t{1}, config.window, 3 * config.window}) {
        Attention attention(shape, kernels_, after.stride);
        AttentionMemory memory(shape);
        for (std::int64_t t = 0; t < held; ++t) {
          before.push(attention, memory, t, before.qkv[static_cast<std::size_t>(t)]);
        }
        for (std::size_t t = 0; t < fresh.size(); ++t) {
          ASSERT_EQ(after.push(attention, memory, static_cast<std::int64_t>(t), after.qkv[t]),
                    fresh[t])
              << "width " << config.width << ", after " << held << ", token " << t;
        }
      }
    }
  }
}

// Zeros have no scale, and the greatest values no inverse that is a number.
TEST_P(AttentionOn, StaysFiniteOnZerosAndOnHugeValues) {
  const ContextConfig config = kShapes[0];
  const AttentionShape shape(config, Precision::kInt8);
  Attention attention(shape, kernels_, padded(config.width));
  AttentionMemory memory(shape);
  const Layer layer(config, 0, 7);
  std::int64_t token = 0;
  for (const float scale : {0.0F, 1e-40F, 1.0F, 1e15F, 0.0F, 1e-20F}) {
    Random random(8);
    for (int i = 0; i < 3; ++i) {
      const std::vector<float> row = random.vector(3 * padded(config.width), scale);
      for (const float value : layer.push(attention, memory, token++, row)) {
        ASSERT_TRUE(std::isfinite(value)) << scale;
        ASSERT_LE(std::fabs(value), 1.02e15F);
        if (token <= 6) {
          ASSERT_EQ(value, 0.0F) << scale;
        }
      }
    }
  }
}

}  // namespace
}  // namespace dt
