// The stages between the features and the face, each on its own.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "audio/voice.h"
#include "curves/postprocess.h"
#include "features/alignment.h"
#include "features/encoder.h"
#include "features/identity.h"
#include "random_model.h"
#include "sampler/cpu/backend_cpu.h"
#include "sampler/sampler.h"

namespace dt {
namespace {

using dt_test::Random;
using dt_test::RandomModel;

class Stage : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Kernels, Stage, testing::ValuesIn(available_kernels()),
                         [](const auto& test) { return test.param; });

TEST_P(Stage, EncoderGivesTheSameBitsForAnySplit) {
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

struct FrameInputs {
  FrameInputs(const Model& model, std::int64_t frames, std::uint32_t seed) : count(frames) {
    Random random(seed);
    audio = random.vector(frames * model.config().channels);
    identity = random.vector(frames * model.config().channels);
    noise = random.vector(frames * model.curve_count(), 2.0F);
  }
  std::int64_t count;
  std::vector<float> audio, identity, noise;
};

TEST_P(Stage, SamplerWavefrontIsFrameByFrame) {
  for (const std::int64_t steps : {1, 2, 8, 16, 32}) {
    const auto model = RandomModel::small(steps).build(GetParam());
    const std::int64_t channels = model->config().channels, curves = model->curve_count();
    const FrameInputs in(*model, 150, 3);
    CpuBackend backend(model);
    const auto sample = [&](std::int64_t at, std::int64_t count, std::vector<float>& out) {
      backend.sample(count, in.audio.data() + at * channels, in.identity.data() + at * channels,
                     in.noise.data() + at * curves, out.data() + at * curves);
    };
    std::vector<float> whole(static_cast<std::size_t>(in.count * curves)), single = whole,
                                                                           mixed = whole;
    sample(0, in.count, whole);
    backend.reset();
    for (std::int64_t f = 0; f < in.count; ++f) {
      sample(f, 1, single);
    }
    EXPECT_EQ(single, whole) << steps;
    backend.reset();
    Random random(4);
    for (std::int64_t at = 0; at < in.count;) {
      const std::int64_t count = std::min(random.below(30), in.count - at);
      sample(at, count, mixed);
      at += count;
    }
    EXPECT_EQ(mixed, whole) << steps;
  }
}

// Every x on the way against the plain double loop over frames and steps.
TEST_P(Stage, SamplerIsDdimOverAGru) {
  const RandomModel random_model = RandomModel::small(4);
  const auto model = random_model.build(GetParam());
  const std::int64_t audio_size = model->config().channels, curves = model->curve_count(),
                     hidden = model->config().hidden, step_dim = model->config().step_dim,
                     steps = 4;
  const FrameInputs in(*model, 70, 5);
  CpuBackend backend(model);
  std::vector<float> trace(static_cast<std::size_t>((steps + 1) * in.count * curves));
  backend.trace(in.count, in.audio.data(), in.identity.data(), in.noise.data(), trace.data());

  const auto product = [&](const std::string& suffix, const std::vector<double>& x) {
    const std::vector<float>& w = random_model.tensors.at("decoder." + suffix).second;
    std::vector<double> y(w.size() / x.size());
    for (std::size_t r = 0; r < y.size(); ++r) {
      for (std::size_t k = 0; k < x.size(); ++k) {
        y[r] += static_cast<double>(w[r * x.size() + k]) * x[k];
      }
    }
    return y;
  };
  const auto bias = [&](const std::string& suffix, std::size_t i) {
    return static_cast<double>(random_model.tensors.at("decoder." + suffix).second[i]);
  };
  const auto sigmoid = [](double v) { return 1.0 / (1.0 + std::exp(-v)); };
  const auto append = [](std::vector<double>& to, const float* from, std::int64_t count) {
    to.insert(to.end(), from, from + count);
  };
  std::vector<double> x(in.noise.begin(), in.noise.end());
  for (std::int64_t n = steps; n >= 1; --n) {
    std::vector<std::vector<double>> state(2,
                                           std::vector<double>(static_cast<std::size_t>(hidden)));
    const float* row = random_model.tensors.at("decoder.steps.weight").second.data() +
                       (n * 32 / steps - 1) * step_dim;
    const double from = random_model.config.alpha_bar[static_cast<std::size_t>(n - 1)];
    for (std::int64_t f = 0; f < in.count; ++f) {
      std::vector<double> u;
      append(u, in.audio.data() + f * audio_size, audio_size);
      append(u, in.identity.data() + f * audio_size, audio_size);
      append(u, row, step_dim);
      u.insert(u.end(), x.begin() + f * curves, x.begin() + (f + 1) * curves);
      for (std::size_t layer = 0; layer < 2; ++layer) {
        const std::string l = "_l" + std::to_string(layer);
        const std::vector<double> gi = product("gru.weight_ih" + l, u);
        const std::vector<double> gh = product("gru.weight_hh" + l, state[layer]);
        const auto h = static_cast<std::size_t>(hidden);
        for (std::size_t i = 0; i < h; ++i) {
          const auto in_sum = [&](std::size_t g) { return gi[g] + bias("gru.bias_ih" + l, g); };
          const auto re_sum = [&](std::size_t g) { return gh[g] + bias("gru.bias_hh" + l, g); };
          const double reset = sigmoid(in_sum(i) + re_sum(i));
          const double update = sigmoid(in_sum(h + i) + re_sum(h + i));
          const double fresh = std::tanh(in_sum(2 * h + i) + reset * re_sum(2 * h + i));
          state[layer][i] = (1.0 - update) * fresh + update * state[layer][i];
        }
        u = state[layer];
      }
      const std::vector<double> x0 = product("head.weight", u);
      for (std::int64_t c = 0; c < curves; ++c) {
        const auto i = static_cast<std::size_t>(c);
        double& value = x[static_cast<std::size_t>(f * curves + c)];
        const double clean = x0[i] + bias("head.bias", i);
        if (n == 1) {
          value = clean;
        } else {
          const double to = random_model.config.alpha_bar[static_cast<std::size_t>(n - 2)];
          const double eps = (value - std::sqrt(from) * clean) / std::sqrt(1.0 - from);
          value = std::sqrt(to) * clean + std::sqrt(1.0 - to) * eps;
        }
        const auto at = static_cast<std::size_t>(((steps + 1 - n) * in.count + f) * curves + c);
        ASSERT_NEAR(trace[at], value, 2e-5) << "step " << n << " frame " << f << " curve " << c;
      }
    }
  }
}

TEST(Sampler, RefusesABackendItLacks) {
  const auto model = RandomModel::small().build();
  EXPECT_THROW(Sampler(model, 0, "abacus", 10), std::invalid_argument);
}

TEST(Alignment, ReadsBetweenColumns) {
  // 60 Hz, two columns of look-ahead: frame 1 stands at 1 2/3 + 2 columns.
  const TimeBase time(60, 1, 2);
  Alignment alignment(time, 1, 20.0, 50);
  std::vector<float> features;
  for (int m = 0; m < 50; ++m) {
    features.push_back(static_cast<float>(m));
  }
  const auto none = std::make_unique<bool[]>(50);
  float audio[64];
  bool voiced[64];
  const std::int64_t samples = 160 * 49 + 200;
  const std::int64_t frames =
      alignment.push(features.data(), none.get(), 50, samples, audio, voiced);
  ASSERT_EQ(frames, time.due_frames(samples));
  for (std::int64_t f = 0; f < frames; ++f) {
    EXPECT_NEAR(audio[f], static_cast<double>(f) * 100.0 / 60.0 + 2.0, 1e-5);
    EXPECT_FALSE(voiced[f]);
  }
}

TEST(Alignment, AVoicedColumnCountsForTheFramesAroundIt) {
  const TimeBase time(100, 1, 2);  // frame f at column f, looking ahead to f + 2
  Alignment alignment(time, 1, 20.0, 50);
  const std::vector<float> features(50, 0.0F);
  const auto columns = std::make_unique<bool[]>(50);
  columns[20] = true;
  float audio[64];
  bool voiced[64];
  const std::int64_t frames =
      alignment.push(features.data(), columns.get(), 50, 160 * 49 + 200, audio, voiced);
  for (std::int64_t f = 0; f < frames; ++f) {
    EXPECT_EQ(voiced[f], f >= 18 && f <= 22) << f;
  }
}

TEST(VoiceDetector, FollowsTheNoiseFloor) {
  GateOptions options;
  VoiceDetector detector(options);
  const auto detect = [&](float level_db, std::int64_t columns) {
    const std::vector<float> levels(static_cast<std::size_t>(columns), level_db);
    const auto voiced = std::make_unique<bool[]>(static_cast<std::size_t>(columns));
    detector.push(levels.data(), columns, voiced.get());
    return voiced[static_cast<std::size_t>(columns - 1)];
  };
  EXPECT_FALSE(detect(-120.0F, 100));
  EXPECT_TRUE(detect(-40.0F, 1));
  // Lasting noise becomes the floor, at 3 dB a second ...
  EXPECT_TRUE(detect(-50.0F, 100));
  EXPECT_FALSE(detect(-50.0F, 1000));
  EXPECT_TRUE(detect(-34.0F, 1));
  // ... but it never swallows a clear voice.
  EXPECT_TRUE(detect(-30.0F, 6000));
  // The floor falls back fast.
  EXPECT_FALSE(detect(-75.0F, 30));
  EXPECT_TRUE(detect(-55.0F, 1));
}

TEST(SilenceGate, OpensHoldsAndShuts) {
  const TimeBase time(60, 1, 4);
  SilenceGate gate(GateOptions{}, time);
  EXPECT_EQ(gate.push(false), 0.0F);
  EXPECT_GT(gate.push(true), 0.0F);
  EXPECT_LT(gate.push(true), 1.0F);
  EXPECT_EQ(gate.push(true), 1.0F);  // 3 x 16.7 ms >= 40 ms
  for (int hold = 0; hold < 3; ++hold) {
    EXPECT_EQ(gate.push(false), 1.0F);
  }
  float before = 1.0F;
  for (int shut = 0; shut < 5; ++shut) {
    const float open = gate.push(false);
    EXPECT_LT(open, before);
    EXPECT_GT(open, 0.0F);
    before = open;
  }
  EXPECT_EQ(gate.push(false), 0.0F);  // 6 x 16.7 ms = 100 ms
  gate.push(true);
  gate.reset();
  EXPECT_EQ(gate.push(false), 0.0F);
}

TEST(PostProcess, AppliesItsStepsInOrder) {
  CurveOptions plain, gated;
  plain.gain = 2.0F;
  plain.offset = 0.1F;
  plain.maximum = 0.8F;
  gated.rest = 0.25F;
  gated.gated = true;
  CurveOptions smooth;
  smooth.smoothing_ms = 20.0F;
  const TimeBase time(50, 1, 4);  // a frame of 20 ms: the pole keeps 1 / e
  PostProcess post({plain, gated, smooth}, GateOptions{}, time);
  const bool silent[3] = {false, false, false};
  std::vector<float> curves = {0.2F, 0.9F, 0.0F, 0.9F, 0.9F, 1.0F, -1.0F, 0.9F, 1.0F};
  post.push(silent, 3, curves.data());
  const float kept = std::exp(-1.0F);
  const std::vector<float> expected = {
      0.5F, 0.25F, 0.0F, 0.8F, 0.25F, 1.0F - kept, 0.0F, 0.25F, 1.0F - kept * kept};
  for (std::size_t i = 0; i < curves.size(); ++i) {
    EXPECT_NEAR(curves[i], expected[i], 1e-6F) << i;
  }
  const bool voice[3] = {true, true, true};
  curves.assign(9, 0.9F);
  post.push(voice, 3, curves.data());
  EXPECT_EQ(curves[7], 0.9F);
}

class Matching : public testing::Test {
 protected:
  // Audio whose centred mean points along row `identity`.
  std::vector<float> voice_of(std::int64_t identity, std::int64_t frames) {
    std::vector<float> out;
    for (std::int64_t f = 0; f < frames; ++f) {
      for (std::int64_t c = 0; c < channels_; ++c) {
        out.push_back(
            random_model_.tensors.at("identity.pooled_mean").second[static_cast<std::size_t>(c)] +
            row(identity)[c] + 0.3F * random_.uniform());
      }
    }
    return out;
  }
  const float* row(std::int64_t identity) const {
    return random_model_.identity_features.data() + identity * channels_;
  }
  std::vector<float> push(IdentityMatcher& matcher, const std::vector<float>& audio, bool voiced) {
    const std::int64_t frames = static_cast<std::int64_t>(audio.size()) / channels_;
    const auto flags = std::make_unique<bool[]>(static_cast<std::size_t>(frames));
    std::fill_n(flags.get(), frames, voiced);
    std::vector<float> features(audio.size());
    matcher.push(audio.data(), flags.get(), frames, features.data());
    return features;
  }

  RandomModel random_model_ = RandomModel::small();
  std::shared_ptr<const Model> model_ = random_model_.build();
  std::int64_t channels_ = model_->config().channels;
  Random random_{11};
};

TEST_F(Matching, TakesOverAfterTwoDecisionsAndSlews) {
  IdentityMatcher matcher(model_, kAutoIdentity);
  push(matcher, voice_of(2, 100), false);
  EXPECT_EQ(matcher.current(), 0);
  EXPECT_EQ(matcher.scores(), std::vector<float>(3, 0.0F));
  push(matcher, voice_of(2, 45), true);  // 0.75 s: the first decision
  EXPECT_EQ(matcher.current(), 0);
  EXPECT_GT(matcher.scores()[2], 0.9F);
  push(matcher, voice_of(2, 14), true);
  EXPECT_EQ(matcher.current(), 0);
  const std::vector<float> slew = push(matcher, voice_of(2, 30), true);  // the second at 1.0 s
  EXPECT_EQ(matcher.current(), 2);
  for (std::int64_t f = 0; f < 30; ++f) {
    const float share = static_cast<float>(f + 1) / 30.0F;
    for (std::int64_t c = 0; c < channels_; ++c) {
      const float expected = (1.0F - share) * row(0)[c] + share * row(2)[c];
      ASSERT_NEAR(slew[static_cast<std::size_t>(f * channels_ + c)], expected, 1e-5F);
    }
  }
  const std::vector<float> after = push(matcher, voice_of(2, 1), true);
  EXPECT_TRUE(std::equal(after.begin(), after.end(), row(2)));
}

TEST_F(Matching, APinnedIdentityStays) {
  IdentityMatcher matcher(model_, 1);
  const std::vector<float> features = push(matcher, voice_of(2, 600), true);
  EXPECT_EQ(matcher.current(), 1);
  EXPECT_TRUE(std::equal(features.end() - channels_, features.end(), row(1)));
  EXPECT_THROW(IdentityMatcher(model_, 3), std::invalid_argument);
  EXPECT_THROW(IdentityMatcher(model_, -2), std::invalid_argument);
}

TEST_F(Matching, AVoiceLikeNobodyKeepsAndGetsBackTheDefault) {
  random_model_.config.unknown_cosine = 0.96;  // the voices below are like their rows, but not so
  model_ = random_model_.build();
  IdentityMatcher wary(model_, kAutoIdentity);
  push(wary, voice_of(2, 300), true);
  EXPECT_GT(wary.scores()[2], wary.scores()[0]);
  EXPECT_EQ(wary.current(), 0);

  random_model_.config.unknown_cosine = 0.5;
  model_ = random_model_.build();
  IdentityMatcher matcher(model_, kAutoIdentity);
  push(matcher, voice_of(2, 300), true);
  EXPECT_EQ(matcher.current(), 2);
  // Somebody whose centred voice points away from row 2, and towards no other.
  std::vector<float> stranger = voice_of(2, 3000);
  const auto& mean = random_model_.tensors.at("identity.pooled_mean").second;
  for (std::size_t i = 0; i < stranger.size(); ++i) {
    const float centre = mean[i % static_cast<std::size_t>(channels_)];
    stranger[i] = 2.0F * centre - stranger[i];
  }
  push(matcher, stranger, true);
  EXPECT_EQ(matcher.current(), 0);
}

TEST_F(Matching, DependsOnNoSplitAndResets) {
  IdentityMatcher matcher(model_, kAutoIdentity);
  std::vector<float> audio = voice_of(2, 300);
  const std::vector<float> second = voice_of(1, 900);
  audio.insert(audio.end(), second.begin(), second.end());
  const std::vector<float> whole = push(matcher, audio, true);
  EXPECT_EQ(matcher.current(), 1);
  matcher.reset();
  EXPECT_EQ(matcher.current(), 0);
  std::vector<float> parts;
  for (std::size_t at = 0; at < audio.size();) {
    const std::size_t end =
        std::min(audio.size(), at + static_cast<std::size_t>(random_.below(20) * channels_));
    const std::vector<float> part(audio.begin() + static_cast<std::ptrdiff_t>(at),
                                  audio.begin() + static_cast<std::ptrdiff_t>(end));
    const std::vector<float> features = push(matcher, part, true);
    parts.insert(parts.end(), features.begin(), features.end());
    at = end;
  }
  EXPECT_EQ(parts, whole);
}

}  // namespace
}  // namespace dt
