// The CPU's backend, against DDIM over a GRU written as plain loops.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dt/kernels.h"
#include "dt/model.h"
#include "random_model.h"
#include "sampler/cpu/backend_cpu.h"

namespace dt {
namespace {

using dt_test::Random;
using dt_test::RandomModel;

class CpuBackendOf : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Kernels, CpuBackendOf, testing::ValuesIn(available_kernels()),
                         [](const auto& test) { return test.param; });

// The noise of int8 in x0, in proportion to x0. A product's own is 1.4 % of its signal:
// activations, whose greatest of a few dozen is up to 3 times their deviation, are even within half
// of 1/63 of that, and uniform weights within half of 1/127. Between the features and x0 stand
// seven products (audio, identity and x_t, the first layer's state, the second layer's input and
// state, the head), whose noises add up as their squares do; a GRU's gates, of slopes below 1, do
// not amplify them, and the update takes x towards x0 by factors below 1.
const double kSamplingNoise =
    std::sqrt(7.0 / 12.0 * (std::pow(3.0 / 63.0, 2.0) + std::pow(std::sqrt(3.0) / 127.0, 2.0)));

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

void expect_frame_by_frame(const std::string& kernel, const std::string& precision) {
  for (const std::int64_t steps : {1, 2, 8, 16, 32}) {
    const auto model = RandomModel::small(steps).build(kernel, precision);
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

TEST_P(CpuBackendOf, WavefrontIsFrameByFrame) {
  expect_frame_by_frame(GetParam(), "int8");
  expect_frame_by_frame(GetParam(), "float32");
}

std::vector<float> sampled(const std::shared_ptr<const Model>& model, const FrameInputs& in) {
  std::vector<float> x0(static_cast<std::size_t>(in.count * model->curve_count()));
  CpuBackend(model).sample(in.count, in.audio.data(), in.identity.data(), in.noise.data(),
                           x0.data());
  return x0;
}

TEST_P(CpuBackendOf, GivesTheBitsOfEveryOtherKernel) {
  const RandomModel random_model = RandomModel::small();
  const auto model = random_model.build(GetParam());
  const FrameInputs in(*model, 100, 6);
  EXPECT_EQ(sampled(model, in), sampled(random_model.build("scalar"), in));
}

// Voices that begin, pause and begin anew at different times, up to as many as a call has frames;
// each against a backend of its own.
TEST_P(CpuBackendOf, AVoiceAmongOthersIsThatVoiceAlone) {
  for (const std::int64_t steps : {1, 4}) {
    const auto model = RandomModel::small(steps).build(GetParam());
    const std::int64_t channels = model->config().channels, curves = model->curve_count();
    for (const std::int64_t voices : {2, 5, 64}) {
      Random random(7);
      std::vector<FrameInputs> inputs;
      std::vector<std::vector<float>> got, expected;
      for (std::int64_t v = 0; v < voices; ++v) {
        inputs.emplace_back(*model, 30, static_cast<std::uint32_t>(v));
        expected.push_back(sampled(model, inputs.back()));
        got.emplace_back(expected.back().size());
      }
      CpuBackend backend(model, voices);
      std::vector<std::int64_t> at(static_cast<std::size_t>(voices), 0);
      for (int round = 0; round < 25; ++round) {
        if (round == 10) {
          backend.reset(voices / 2);
          at[static_cast<std::size_t>(voices / 2)] = 0;
        }
        std::vector<Backend::Job> jobs;
        std::int64_t room = kMostSampledFrames;
        for (std::int64_t i = 0; i < voices; ++i) {
          // In another order every time.
          const std::int64_t v = (i * (round % 2 == 0 ? 1 : voices - 1) + round) % voices;
          const auto n = static_cast<std::size_t>(v);
          const std::int64_t most = voices == 64 ? 1 : 20;
          const std::int64_t count =
              std::min({random.below(most + 1), room, inputs[n].count - at[n]});
          if (count > 0) {
            jobs.push_back({v, count, inputs[n].audio.data() + at[n] * channels,
                            inputs[n].identity.data() + at[n] * channels,
                            inputs[n].noise.data() + at[n] * curves,
                            got[n].data() + at[n] * curves});
            at[n] += count;
            room -= count;
          }
        }
        if (!jobs.empty()) {
          backend.sample(jobs.data(), static_cast<std::int64_t>(jobs.size()));
        }
      }
      for (std::size_t v = 0; v < got.size(); ++v) {
        const auto frames = static_cast<std::size_t>(at[v] * curves);
        ASSERT_GT(at[v], 3);
        ASSERT_TRUE(std::equal(got[v].begin(), got[v].begin() + static_cast<std::ptrdiff_t>(frames),
                               expected[v].begin()))
            << "voice " << v << " of " << voices << ", " << steps << " steps";
      }
    }
  }
}

// States that were read and written go on as they would have, to the bit.
TEST_P(CpuBackendOf, AStateWrittenIsTheStateRead) {
  for (const char* precision : {"int8", "float32"}) {
    const auto model = RandomModel::small(4).build(GetParam(), precision);
    const auto& config = model->config();
    const FrameInputs in(*model, 40, 8);
    const std::vector<float> whole = sampled(model, in);
    std::vector<float> parts(whole.size());
    std::vector<float> state(static_cast<std::size_t>(4 * config.layers * config.hidden), 0.0F);
    for (std::int64_t f = 0; f < in.count; ++f) {
      CpuBackend fresh(model);
      fresh.write_state(state.data());
      fresh.sample(
          1, in.audio.data() + f * config.channels, in.identity.data() + f * config.channels,
          in.noise.data() + f * model->curve_count(), parts.data() + f * model->curve_count());
      fresh.read_state(state.data());
    }
    ASSERT_EQ(parts, whole) << precision;
  }
}

// A written state is rounded as the GRU's kernel rounds it: a state just below a half and the half
// itself, which goes down to the even step, are activations of the step below them.
TEST(CpuBackend, RoundsAWrittenStateToTheEvenStep) {
  const auto model = RandomModel::small(1).build();
  const auto& config = model->config();
  const FrameInputs in(*model, 1, 9);
  const auto from_state = [&](float value) {
    CpuBackend backend(model);
    backend.write_state(
        std::vector<float>(static_cast<std::size_t>(config.layers * config.hidden), value).data());
    std::vector<float> x0(static_cast<std::size_t>(model->curve_count()));
    backend.sample(1, in.audio.data(), in.identity.data(), in.noise.data(), x0.data());
    return x0;
  };
  const auto difference = [](const std::vector<float>& a, const std::vector<float>& b) {
    float most = 0.0F;
    for (std::size_t i = 0; i < a.size(); ++i) {
      most = std::max(most, std::fabs(a[i] - b[i]));
    }
    return most;
  };
  for (const float half : {0.5F, 2.5F, -1.5F, -3.5F}) {
    const std::vector<float> below = from_state((half - 1e-4F) / 63.0F);
    float state = half / 63.0F;
    while (63.0F * state > half) {
      state = std::nextafter(state, -1.0F);
    }
    EXPECT_LT(difference(from_state(state), below), 1e-4F) << half;
    while (63.0F * state >= half) {
      state = std::nextafter(state, -1.0F);
    }
    EXPECT_LT(difference(from_state(state), below), 1e-4F) << half;
    EXPECT_GT(difference(from_state((half + 1e-4F) / 63.0F), below), 1e-4F) << half;
  }
}

// Every x on the way against the plain double loop over frames and steps; in int8, whose noise is
// compared with its signal, x0 in the mean.
void expect_ddim_over_a_gru(const std::string& kernel, const std::string& precision) {
  const RandomModel random_model = RandomModel::small(4);
  const auto model = random_model.build(kernel, precision);
  const std::int64_t audio_size = model->config().channels, curves = model->curve_count(),
                     hidden = model->config().hidden, step_dim = model->config().step_dim,
                     steps = 4;
  const FrameInputs in(*model, 70, 5);
  CpuBackend backend(model);
  std::vector<float> trace(static_cast<std::size_t>((steps + 1) * in.count * curves));
  backend.trace(in.count, in.audio.data(), in.identity.data(), in.noise.data(), trace.data());
  double error = 0.0, signal = 0.0;

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
        if (precision == "float32") {
          ASSERT_NEAR(trace[at], value, 2e-5) << "step " << n << " frame " << f << " curve " << c;
        }
        if (n == 1) {
          const double difference = static_cast<double>(trace[at]) - value;
          error += difference * difference;
          signal += value * value;
        }
      }
    }
  }
  EXPECT_LT(std::sqrt(error / signal), kSamplingNoise) << precision;
}

TEST_P(CpuBackendOf, IsDdimOverAGru) {
  expect_ddim_over_a_gru(GetParam(), "float32");
  expect_ddim_over_a_gru(GetParam(), "int8");
}

}  // namespace
}  // namespace dt
