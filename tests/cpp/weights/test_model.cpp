// What a model refuses when it is loaded: what, where, expected, got.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "dt/model.h"
#include "random_model.h"

namespace dt {
namespace {

using dt_test::RandomModel;

// The refusal of a small model with a context after `change`, or "" if there was none.
std::string refusal(const std::function<void(RandomModel&)>& change) {
  RandomModel model = RandomModel::small_with_context();
  change(model);
  try {
    model.build();
    return "";
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
}

TEST(Model, LoadsWhatIsWhole) {
  EXPECT_EQ(refusal([](RandomModel&) {}), "");
  const auto model = RandomModel::small().build();
  EXPECT_EQ(model->lookahead_samples(), 947);
  EXPECT_EQ(model->curve_count(), 52);
  EXPECT_EQ(model->sample_steps(), 8);
  EXPECT_EQ(model->identities(), 3);
  EXPECT_EQ(model->precision(), "int8");
  EXPECT_EQ(RandomModel::small().build("", "float32")->precision(), "float32");
}

TEST(Model, RefusesEachTensorThatIsMissingMisshapenOrNotFinite) {
  const RandomModel whole = RandomModel::small_with_context();
  for (const auto& [name, tensor] : whole.tensors) {
    SCOPED_TRACE(name);
    const std::string key = name;
    const std::string missing = refusal([&](RandomModel& m) { m.tensors.erase(key); });
    EXPECT_NE(missing.find("tensor " + key + ": expected shape ("), std::string::npos) << missing;
    const std::string shape = refusal([&](RandomModel& m) {
      m.tensors[key].first[0] += 1;
      m.tensors[key].second.resize(100000);
    });
    EXPECT_NE(shape.find("tensor " + key + ": expected shape ("), std::string::npos) << shape;
    EXPECT_NE(shape.find("got shape (" + std::to_string(tensor.first[0] + 1)), std::string::npos)
        << shape;
    const std::string nan = refusal([&](RandomModel& m) {
      m.tensors[key].second.back() = std::numeric_limits<float>::quiet_NaN();
    });
    EXPECT_NE(nan.find("tensor " + key + ": expected finite values, got nan at element " +
                       std::to_string(tensor.second.size() - 1)),
              std::string::npos)
        << nan;
  }
}

TEST(Model, RefusesSettingsThatMakeNoSense) {
  const std::pair<std::string, std::function<void(ModelConfig&)>> cases[] = {
      {"curves", [](ModelConfig& c) { c.curves.clear(); }},
      {"frame_rate_num", [](ModelConfig& c) { c.frame_rate_num = 0; }},
      {"frame_rate_den", [](ModelConfig& c) { c.frame_rate_den = -1; }},
      {"frame_rate", [](ModelConfig& c) { c.frame_rate_den = 100; }},
      {"channels", [](ModelConfig& c) { c.channels = 0; }},
      {"dilations", [](ModelConfig& c) { c.dilations[1] = 0; }},
      {"lookahead_columns", [](ModelConfig& c) { c.lookahead_columns = -1; }},
      {"context width", [](ModelConfig& c) { c.context->width = 0; }},
      {"context heads", [](ModelConfig& c) { c.context->heads = 0; }},
      {"context heads", [](ModelConfig& c) { c.context->heads = 5; }},
      {"context layers", [](ModelConfig& c) { c.context->layers = 0; }},
      {"context hidden", [](ModelConfig& c) { c.context->hidden = -1; }},
      {"context window", [](ModelConfig& c) { c.context->window = 0; }},
      {"hidden", [](ModelConfig& c) { c.hidden = 1 << 20; }},
      {"layers", [](ModelConfig& c) { c.layers = 0; }},
      {"step_dim", [](ModelConfig& c) { c.step_dim = 0; }},
      {"alpha_bar", [](ModelConfig& c) { c.alpha_bar.clear(); }},
      {"alpha_bar", [](ModelConfig& c) { c.alpha_bar.pop_back(); }},
      {"alpha_bar[0]", [](ModelConfig& c) { c.alpha_bar[0] = 1.0; }},
      {"alpha_bar[3]", [](ModelConfig& c) { c.alpha_bar[3] = c.alpha_bar[2]; }},
      {"noise_scale", [](ModelConfig& c) { c.noise_scale = {1.0F, 1.0F}; }},
      {"noise_scale", [](ModelConfig& c) { c.noise_scale.assign(c.curves.size(), 1.5F); }},
      {"gate floor_initial_db", [](ModelConfig& c) { c.gate.floor_initial_db = NAN; }},
      {"floor_maximum_db", [](ModelConfig& c) { c.gate.floor_maximum_db = -90.0; }},
      {"gate hold_ms", [](ModelConfig& c) { c.gate.hold_ms = -1.0; }},
      {"curve_options", [](ModelConfig& c) { c.curve_options.pop_back(); }},
      {"curve7", [](ModelConfig& c) { c.curve_options[7].gain = INFINITY; }},
      {"curve7", [](ModelConfig& c) { c.curve_options[7].minimum = 6.0F; }},
      {"smoothing_ms of curve7", [](ModelConfig& c) { c.curve_options[7].smoothing_ms = -1.0F; }},
      {"default_identity", [](ModelConfig& c) { c.default_identity = 3; }},
      {"unknown_cosine", [](ModelConfig& c) { c.unknown_cosine = NAN; }},
      {"kernel", [](ModelConfig& c) { c.kernel = "abacus"; }},
      {"precision", [](ModelConfig& c) { c.precision = "int4x"; }},
      {"precision", [](ModelConfig& c) { c.precision = ""; }},
  };
  for (const auto& [where, change] : cases) {
    const auto apply = change;
    RandomModel model = RandomModel::small_with_context();
    apply(model.config);
    try {
      const Model built(model.config, model.views(),
                        {{3, model.config.channels}, model.identity_features.data()});
      ADD_FAILURE() << where << " was let through";
    } catch (const std::invalid_argument& error) {
      const std::string text = error.what();
      EXPECT_NE(text.find(where), std::string::npos) << text;
      EXPECT_NE(text.find("expected"), std::string::npos) << text;
    }
  }
}

// A setting without its row would be neither bound nor checked nor read from a manifest.
template <typename Options>
std::size_t rows() {
  std::size_t count = 0;
  Options::each([&count](const char*, auto, auto...) { ++count; });
  return count;
}

TEST(Options, EverySettingHasItsRow) {
  EXPECT_EQ(rows<GateOptions>() * sizeof(double), sizeof(GateOptions));
  EXPECT_EQ(rows<ContextConfig>() * sizeof(std::int64_t), sizeof(ContextConfig));
  EXPECT_EQ(rows<CurveOptions>() * sizeof(float), sizeof(CurveOptions));  // its bool is padded
}

TEST(Model, RefusesIdentityFeaturesOfAnotherSize) {
  const RandomModel model = RandomModel::small();
  for (const std::vector<std::int64_t>& shape :
       {std::vector<std::int64_t>{3, 19}, {0, 20}, {60}, {3, 20, 1}}) {
    EXPECT_THROW(Model(model.config, model.views(), {shape, model.identity_features.data()}),
                 std::invalid_argument);
  }
}

}  // namespace
}  // namespace dt
