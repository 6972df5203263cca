// The CPU's backend, against DDIM over a GRU written as plain loops.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
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

TEST_P(CpuBackendOf, WavefrontIsFrameByFrame) {
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
TEST_P(CpuBackendOf, IsDdimOverAGru) {
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

}  // namespace
}  // namespace dt
