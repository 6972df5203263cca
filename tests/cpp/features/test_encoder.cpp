// The encoder and its context, against their definitions.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dt/kernels.h"
#include "dt/model.h"
#include "features/encoder.h"
#include "random_model.h"

namespace dt {
namespace {

using dt_test::Random;
using dt_test::RandomModel;

class EncoderOf : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Kernels, EncoderOf, testing::ValuesIn(available_kernels()),
                         [](const auto& test) { return test.param; });

// A voice and all of its columns, taken as they come.
struct Stream {
  Stream(const Model& model, std::int64_t count, std::uint32_t seed)
      : state(model), channels(model.config().channels), columns(count) {
    Random random(seed);
    mel = random.vector(columns * 80);
    features.assign(static_cast<std::size_t>(columns * channels), 0.0F);
  }

  // The next `count` columns, or what is left of them.
  Encoder::Job next(std::int64_t count) {
    count = std::min(count, columns - at);
    const Encoder::Job job = {&state, mel.data() + at * 80, count, features.data() + at * channels};
    at += count;
    return job;
  }

  void again() {
    at = 0;
    std::fill(features.begin(), features.end(), 0.0F);
  }

  EncoderState state;
  std::int64_t channels, columns, at = 0;
  std::vector<float> mel, features;
};

std::vector<float> whole_of(const std::shared_ptr<const Model>& model, std::int64_t columns,
                            std::uint32_t seed) {
  Stream stream(*model, columns, seed);
  const Encoder::Job job = stream.next(columns);
  Encoder(model).push(&job, 1);
  return stream.features;
}

TEST_P(EncoderOf, GivesTheSameBitsForAnySplit) {
  for (const char* precision : {"int8", "float32"}) {
    for (const RandomModel& random_model :
         {RandomModel::small(), RandomModel::small_with_context()}) {
      const auto model = random_model.build(GetParam(), precision);
      const std::int64_t columns = 150;
      const std::vector<float> whole = whole_of(model, columns, 1);
      Encoder encoder(model);
      Stream stream(*model, columns, 1);
      Random random(1);
      for (const std::int64_t most : {1, 2, 3, 5, 19, 60, 150}) {
        stream.state.reset();
        stream.again();
        while (stream.at < columns) {
          const Encoder::Job job = stream.next(random.below(most + 1));
          encoder.push(&job, 1);
        }
        EXPECT_EQ(stream.features, whole) << "up to " << most << " columns";
      }
    }
  }
}

// More voices than a batch has columns, of which some begin late, pause, come with nothing, or
// begin again; and several batches in one push.
TEST_P(EncoderOf, GivesTheSameBitsAmongOtherVoices) {
  for (const RandomModel& random_model :
       {RandomModel::small(), RandomModel::small_with_context()}) {
    const auto model = random_model.build(GetParam());
    for (const std::int64_t voices : {2, 7, 70}) {
      Encoder encoder(model);
      Random random(2);
      std::vector<Stream> streams;
      for (std::int64_t v = 0; v < voices; ++v) {
        streams.emplace_back(*model, 20 + random.below(40), static_cast<std::uint32_t>(v));
      }
      const std::int64_t begun_again = voices / 2;
      for (int round = 0; round < 20; ++round) {
        const std::int64_t most = round % 10 == 9 ? 40 : 4;
        std::vector<Encoder::Job> jobs;
        for (std::int64_t v = 0; v < voices; ++v) {
          Stream& stream = streams[static_cast<std::size_t>(v)];
          if (round == 8 && v == begun_again) {
            stream.state.reset();
            stream.again();
          }
          if (round >= v % 13) {
            jobs.push_back(stream.next(random.below(most)));
          }
        }
        encoder.push(jobs.data(), static_cast<std::int64_t>(jobs.size()));
      }
      for (std::int64_t v = 0; v < voices; ++v) {
        Stream& stream = streams[static_cast<std::size_t>(v)];
        const Encoder::Job rest = stream.next(stream.columns);
        encoder.push(&rest, 1);
        ASSERT_EQ(stream.features, whole_of(model, stream.columns, static_cast<std::uint32_t>(v)))
            << "voice " << v << " of " << voices;
      }
    }
  }
}

TEST_P(EncoderOf, GivesTheBitsOfEveryOtherKernel) {
  for (const RandomModel& random_model :
       {RandomModel::small(), RandomModel::small_with_context()}) {
    EXPECT_EQ(whole_of(random_model.build(GetParam()), 100, 3),
              whole_of(random_model.build("scalar"), 100, 3));
  }
}

TEST(Encoder, ResetForgetsTheContext) {
  const auto model = RandomModel::small_with_context().build();
  const std::vector<float> fresh = whole_of(model, 60, 3);
  Encoder encoder(model);
  Stream stream(*model, 60, 3);
  // Amid the first token, with a window that is not full, and long after it was.
  for (const std::int64_t columns : {0, 1, 2, 3, 6, 60}) {
    Stream other(*model, 60, 4);
    std::swap(other.state, stream.state);
    Encoder::Job job = other.next(columns);
    encoder.push(&job, 1);
    std::swap(other.state, stream.state);
    stream.state.reset();
    stream.again();
    job = stream.next(60);
    encoder.push(&job, 1);
    EXPECT_EQ(stream.features, fresh) << "after " << columns << " columns";
    stream.state.reset();
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

// How far the features may lie from their definition: their own size times this, in the mean, and
// never 6 times that.
//
// In int8 each product adds noise of its own, even within half a step of 1/63 of the greatest
// activation and of 1/127 of the greatest weight: step / sqrt(12) of standard deviation. The
// greatest of a few dozen activations is at most 3 times their deviation, the greatest of uniform
// weights sqrt(3) times theirs. So a product's noise is, to its signal, sqrt((3 / 63)^2 + (sqrt(3)
// / 127)^2) / sqrt(12) = 1.4 %; noises of `products` in a row, which norms bring back to the
// signal's size, add up as their squares do.
double relative_noise(std::int64_t products) {
  const double activation = 3.0 / 63.0, weight = std::sqrt(3.0) / 127.0;
  return std::sqrt((activation * activation + weight * weight) / 12.0 *
                   static_cast<double>(products));
}

void expect_its_definition(const RandomModel& random_model, std::int64_t columns) {
  const Definition::Columns expected = [&] {
    Random random(2);
    return Definition(random_model).features(random.vector(columns * 80));
  }();
  const auto width = static_cast<std::size_t>(random_model.config.channels);
  const auto& context = random_model.config.context;
  // The first convolution; two a block; conv1, conv2 and the mix of a context, and six a layer:
  // qkv, scores, values, out, fc1, fc2.
  const std::int64_t products =
      1 + 2 * static_cast<std::int64_t>(random_model.config.dilations.size()) +
      (context ? 3 + 6 * context->layers : 0);
  for (const char* precision : {"float32", "int8"}) {
    const std::vector<float> got = whole_of(random_model.build("", precision), columns, 2);
    double error = 0.0, signal = 0.0, most = 0.0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      const double value = expected[i / width][i % width];
      const double difference = std::fabs(static_cast<double>(got[i]) - value);
      if (precision == std::string("float32")) {
        EXPECT_LT(difference, 2e-5) << i;
      }
      error += difference * difference;
      signal += value * value;
      most = std::max(most, difference);
    }
    if (precision == std::string("int8")) {
      const double noise = relative_noise(products);
      EXPECT_LT(std::sqrt(error / signal), noise) << columns;
      EXPECT_LT(most, 6.0 * noise * std::sqrt(signal / static_cast<double>(got.size()))) << columns;
    }
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
