// The encoder and its context, against their definitions.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "dt/kernels.h"
#include "features/encoder.h"
#include "random_model.h"

namespace dt {
namespace {

using dt_test::Random;
using dt_test::RandomModel;

class EncoderOf : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Kernels, EncoderOf, testing::ValuesIn(available_kernels()),
                         [](const auto& test) { return test.param; });

TEST_P(EncoderOf, GivesTheSameBitsForAnySplit) {
  for (const RandomModel& random_model :
       {RandomModel::small(), RandomModel::small_with_context()}) {
    const auto model = random_model.build(GetParam());
    const std::int64_t columns = 150, channels = model->config().channels;
    Random random(1);
    const std::vector<float> mel = random.vector(columns * 80);
    Encoder encoder(model);
    std::vector<float> whole(static_cast<std::size_t>(columns * channels));
    encoder.push(mel.data(), columns, whole.data());
    for (const std::int64_t most : {1, 2, 3, 5, 19, 60, 60}) {
      encoder.reset();
      std::vector<float> parts(whole.size());
      for (std::int64_t at = 0; at < columns;) {
        const std::int64_t count = std::min(random.below(most + 1), columns - at);
        encoder.push(mel.data() + at * 80, count, parts.data() + at * channels);
        at += count;
      }
      EXPECT_EQ(parts, whole) << "up to " << most << " columns";
    }
  }
}

TEST(Encoder, ResetForgetsTheContext) {
  const auto model = RandomModel::small_with_context().build();
  const std::int64_t channels = model->config().channels;
  Random random(3);
  const std::vector<float> mel = random.vector(60 * 80), other = random.vector(60 * 80);
  std::vector<float> fresh(static_cast<std::size_t>(60 * channels)), again = fresh, unused = fresh;
  Encoder encoder(model);
  encoder.push(mel.data(), 60, fresh.data());
  // Amid the first token, with a window that is not full, and long after it was.
  for (const std::int64_t columns : {0, 1, 2, 3, 6, 60}) {
    encoder.reset();
    encoder.push(other.data(), columns, unused.data());
    encoder.reset();
    encoder.push(mel.data(), 60, again.data());
    EXPECT_EQ(again, fresh) << "after " << columns << " columns";
  }
}

// The definitions (docs/bundle.md), one output at a time in double precision.
class Definition {
 public:
  using Columns = std::vector<std::vector<double>>;

  explicit Definition(const RandomModel& model) : model_(model) {}

  Columns features(const std::vector<float>& mel) const {
    Columns x;
    for (auto at = mel.begin(); at != mel.end(); at += 80) {
      x.emplace_back(at, at + 80);
    }
    Columns hidden = conv(x, "encoder.input", 1);
    apply(&hidden, rectified);
    for (std::size_t b = 0; b < model_.config.dilations.size(); ++b) {
      const std::string block = "encoder.blocks." + std::to_string(b);
      const auto dilation = static_cast<std::size_t>(model_.config.dilations[b]);
      Columns branch = conv(norm(hidden, block + ".norm"), block + ".conv", dilation);
      apply(&branch, rectified);
      add(&hidden, linear(branch, block + ".mix"));
    }
    if (model_.config.context) {
      const Columns mixed = product(tokens(x), "encoder.mix.weight");
      for (std::size_t c = 2; c < hidden.size(); ++c) {
        for (std::size_t i = 0; i < hidden[c].size(); ++i) {
          hidden[c][i] += mixed[(c - 2) / 2][i];
        }
      }
    }
    return norm(hidden, "encoder.norm");
  }

 private:
  static double rectified(double v) { return std::max(v, 0.0); }
  static double gelu(double v) { return 0.5 * v * (1.0 + std::erf(v / std::sqrt(2.0))); }

  static void apply(Columns* x, double (*function)(double)) {
    for (std::vector<double>& column : *x) {
      for (double& v : column) v = function(v);
    }
  }

  static void add(Columns* x, const Columns& y) {
    for (std::size_t m = 0; m < x->size(); ++m) {
      for (std::size_t i = 0; i < y[m].size(); ++i) (*x)[m][i] += y[m][i];
    }
  }

  double at(const std::string& name, std::size_t i) const {
    return static_cast<double>(model_.tensors.at(name).second[i]);
  }

  std::size_t rows(const std::string& name) const {
    return static_cast<std::size_t>(model_.tensors.at(name).first[0]);
  }

  // Output n reads x at m = first + n step and one and two dilations before it; outside is zero.
  Columns conv(const Columns& x, const std::string& name, std::size_t dilation,
               std::size_t first = 0, std::size_t step = 1) const {
    Columns y;
    for (std::size_t m = first; m < x.size(); m += step) {
      y.emplace_back();
      for (std::size_t o = 0; o < rows(name + ".bias"); ++o) {
        double sum = at(name + ".bias", o);
        for (std::size_t tap = 0; tap < 3; ++tap) {
          const std::size_t back = (2 - tap) * dilation;
          for (std::size_t i = 0; m >= back && i < x[0].size(); ++i) {
            sum += at(name + ".weight", (o * x[0].size() + i) * 3 + tap) * x[m - back][i];
          }
        }
        y.back().push_back(sum);
      }
    }
    return y;
  }

  Columns product(const Columns& x, const std::string& name) const {
    Columns y;
    for (const std::vector<double>& column : x) {
      y.emplace_back();
      for (std::size_t o = 0; o < rows(name); ++o) {
        double sum = 0.0;
        for (std::size_t i = 0; i < column.size(); ++i) {
          sum += at(name, o * column.size() + i) * column[i];
        }
        y.back().push_back(sum);
      }
    }
    return y;
  }

  Columns linear(const Columns& x, const std::string& name) const {
    Columns y = product(x, name + ".weight");
    for (std::vector<double>& column : y) {
      for (std::size_t o = 0; o < column.size(); ++o) column[o] += at(name + ".bias", o);
    }
    return y;
  }

  Columns norm(const Columns& x, const std::string& name) const {
    Columns y = x;
    for (std::vector<double>& column : y) {
      const auto size = static_cast<double>(column.size());
      double mean = 0.0, variance = 0.0;
      for (const double v : column) mean += v / size;
      for (const double v : column) variance += (v - mean) * (v - mean) / size;
      for (std::size_t i = 0; i < column.size(); ++i) {
        column[i] = (column[i] - mean) / std::sqrt(variance + 1e-5) * at(name + ".weight", i) +
                    at(name + ".bias", i);
      }
    }
    return y;
  }

  Columns tokens(const Columns& mel) const {
    const std::string prefix = "encoder.context.";
    Columns u = conv(mel, prefix + "conv1", 1, 1);  // u_j is heard at column j + 1
    apply(&u, gelu);
    Columns h = conv(u, prefix + "conv2", 1, 1, 2);
    apply(&h, gelu);
    for (std::vector<double>& token : h) {
      for (std::size_t i = 0; i < token.size(); ++i) token[i] += at(prefix + "position", i);
    }
    for (std::int64_t l = 0; l < model_.config.context->layers; ++l) {
      const std::string layer = prefix + "layers." + std::to_string(l);
      const Columns qkv = linear(norm(h, layer + ".attention_norm"), layer + ".qkv");
      add(&h, linear(attention(qkv, layer), layer + ".out"));
      Columns inner = linear(norm(h, layer + ".mlp_norm"), layer + ".fc1");
      apply(&inner, gelu);
      add(&h, linear(inner, layer + ".fc2"));
    }
    return norm(h, prefix + "norm");
  }

  Columns attention(const Columns& qkv, const std::string& layer) const {
    const auto width = static_cast<std::size_t>(model_.config.context->width);
    const auto heads = static_cast<std::size_t>(model_.config.context->heads);
    const auto window = static_cast<std::size_t>(model_.config.context->window);
    const std::size_t size = width / heads;
    Columns out(qkv.size(), std::vector<double>(width));
    for (std::size_t i = 0; i < qkv.size(); ++i) {
      for (std::size_t head = 0; head < heads; ++head) {
        double sum = 0.0;
        std::vector<double> mean(size);
        for (std::size_t back = 0; back < window && back <= i; ++back) {
          double score = at(layer + ".distance", head * window + back);
          for (std::size_t d = head * size; d < (head + 1) * size; ++d) {
            score += qkv[i][d] * qkv[i - back][width + d] / std::sqrt(static_cast<double>(size));
          }
          sum += std::exp(score);
          for (std::size_t d = 0; d < size; ++d) {
            mean[d] += std::exp(score) * qkv[i - back][2 * width + head * size + d];
          }
        }
        for (std::size_t d = 0; d < size; ++d) out[i][head * size + d] = mean[d] / sum;
      }
    }
    return out;
  }

  const RandomModel& model_;
};

void expect_its_definition(const RandomModel& random_model, std::int64_t columns) {
  const std::int64_t channels = random_model.config.channels;
  Random random(2);
  const std::vector<float> mel = random.vector(columns * 80);
  std::vector<float> got(static_cast<std::size_t>(columns * channels));
  Encoder(random_model.build()).push(mel.data(), columns, got.data());
  const Definition::Columns expected = Definition(random_model).features(mel);
  const auto width = static_cast<std::size_t>(channels);
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i], expected[i / width][i % width], 2e-5) << i;
  }
}

TEST(Encoder, IsTheConvolutionsItClaims) { expect_its_definition(RandomModel(6, 24, {2}, 8), 12); }

TEST(Encoder, HasTheContextItClaims) {
  // 24 tokens through a window of 5, and recordings that end around the first token.
  for (const std::int64_t columns : {1, 2, 3, 4, 5, 51}) {
    SCOPED_TRACE(columns);
    expect_its_definition(RandomModel::small_with_context(), columns);
  }
  // No convolution blocks, one head, one token of memory.
  expect_its_definition(RandomModel(6, 24, {}, 8).with_context({7, 1, 1, 5, 1}), 20);
}

}  // namespace
}  // namespace dt
