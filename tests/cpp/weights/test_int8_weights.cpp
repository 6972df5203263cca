// Weights that are stored as int8 values with scales (docs/bundle.md).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "dt/kernels.h"
#include "dt/model.h"
#include "dt/runtime.h"
#include "random_model.h"

namespace dt {
namespace {

using dt_test::RandomModel;
using dt_test::run;
using dt_test::speech_like;

const std::string kFirstLayer = "decoder.gru.weight_ih_l0";

// A random model's matrices as int8 values and scales. The floats beside them are exactly the
// products of the two, as a bundle of floats would hold them.
struct StoredModel {
  explicit StoredModel(RandomModel random_model = RandomModel::small_with_context())
      : plain(std::move(random_model)) {
    for (auto& [name, tensor] : plain.tensors) {
      auto& [shape, floats] = tensor;
      const bool table =
          name == "decoder.steps.weight" || name.find(".distance") != std::string::npos;
      if (shape.size() < 2 || table) {
        continue;
      }
      const std::int64_t rows = shape[0], width = static_cast<std::int64_t>(floats.size()) / rows;
      for (std::int64_t r = 0; r < rows; ++r) {
        std::int64_t from = r * width;
        for (const std::int64_t block : blocks(name, width)) {
          add_block(name, &floats[static_cast<std::size_t>(from)], block);
          from += block;
        }
      }
      scale_shapes[name] = {rows, static_cast<std::int64_t>(blocks(name, width).size())};
    }
  }

  // Audio, identity, step and x_t of the first layer have scales of their own.
  std::vector<std::int64_t> blocks(const std::string& name, std::int64_t width) const {
    const std::int64_t channels = plain.config.channels;
    return name == kFirstLayer
               ? std::vector<std::int64_t>{channels, channels, plain.config.step_dim,
                                           static_cast<std::int64_t>(plain.config.curves.size())}
               : std::vector<std::int64_t>{width};
  }

  void add_block(const std::string& name, float* floats, std::int64_t width) {
    float most = 0.0F;
    for (std::int64_t i = 0; i < width; ++i) {
      most = std::max(most, std::fabs(floats[i]));
    }
    const float scale = most / 127.0F;
    scales[name].push_back(scale);
    for (std::int64_t i = 0; i < width; ++i) {
      const float value = scale > 0.0F ? std::nearbyint(floats[i] / scale) : 0.0F;
      values[name].push_back(static_cast<std::int8_t>(value));
      floats[i] = value * scale;
    }
  }

  TensorMap views() const {
    TensorMap out = plain.views();
    for (const auto& [name, stored] : values) {
      out[name].data = nullptr;
      out[name].values = stored.data();
      if (scale_shapes.count(name) > 0) {
        out[name + ".scale"] = {scale_shapes.at(name), scales.at(name).data()};
      }
    }
    return out;
  }

  std::shared_ptr<const Model> build(const TensorMap& tensors, const std::string& kernel = "",
                                     const std::string& precision = "int8") const {
    ModelConfig config = plain.config;
    config.kernel = kernel;
    config.precision = precision;
    return std::make_shared<const Model>(
        config, tensors,
        TensorView{{plain.identities, config.channels}, plain.identity_features.data()});
  }

  RandomModel plain;
  std::map<std::string, std::vector<std::int8_t>> values;
  std::map<std::string, std::vector<float>> scales;
  std::map<std::string, std::vector<std::int64_t>> scale_shapes;
};

std::vector<float> frames_of(const std::shared_ptr<const Model>& model) {
  Runtime runtime(model, 3, 1);
  return run(runtime, model->curve_count(), speech_like(12000));
}

class StoredOn : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Kernels, StoredOn, testing::ValuesIn(available_kernels()),
                         [](const auto& test) { return test.param; });

// Both kinds of encoder, so that every matrix there is comes by.
TEST_P(StoredOn, InFloat32TheyAreTheFloatsThatTheyStandFor) {
  for (const RandomModel& kind : {RandomModel::small(), RandomModel::small_with_context()}) {
    const StoredModel stored(kind);
    EXPECT_GT(stored.values.size(), 7U);
    EXPECT_EQ(frames_of(stored.build(stored.views(), GetParam(), "float32")),
              frames_of(stored.plain.build(GetParam(), "float32")));
  }
}

// In int8 the floats are rounded again, to values that differ by roundings of the scale: nothing
// that rounding the activations does not do as well, many times over.
TEST(StoredWeights, InInt8TheyAreNearTheFloatsThatTheyStandFor) {
  const StoredModel stored;
  const std::vector<float> got = frames_of(stored.build(stored.views()));
  const std::vector<float> floats = frames_of(stored.plain.build());
  const std::vector<float> exact = frames_of(stored.plain.build("", "float32"));
  const auto distance = [&](const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      sum += std::pow(static_cast<double>(a[i] - b[i]), 2.0);
    }
    return std::sqrt(sum / static_cast<double>(a.size()));
  };
  EXPECT_LT(distance(got, exact), 1.2 * distance(floats, exact));
  EXPECT_GT(distance(got, exact), 0.0);
}

// Some of a bundle's matrices may be floats, and others not.
TEST(StoredWeights, MayStandBesideFloats) {
  const StoredModel stored;
  TensorMap mixed = stored.views();
  const std::vector<float>& head = stored.plain.tensors.at("decoder.head.weight").second;
  mixed["decoder.head.weight"].values = nullptr;
  mixed["decoder.head.weight"].data = head.data();
  mixed.erase("decoder.head.weight.scale");
  EXPECT_EQ(frames_of(stored.build(mixed, "", "float32")),
            frames_of(stored.plain.build("", "float32")));
}

TEST_P(StoredOn, GiveTheBitsOfEveryOtherKernel) {
  const StoredModel stored;
  EXPECT_EQ(frames_of(stored.build(stored.views(), GetParam())),
            frames_of(stored.build(stored.views(), "scalar")));
}

// The refusal of `stored` with the tensors as `change` leaves them, or "" if there was none.
std::string refusal(
    const StoredModel& stored, const std::function<void(TensorMap&)>& change = [](TensorMap&) {}) {
  TensorMap tensors = stored.views();
  change(tensors);
  try {
    stored.build(tensors);
    return "";
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
}

TEST(StoredWeights, RefuseEachScaleThatIsMissingMisshapenOrNone) {
  const StoredModel whole;
  EXPECT_EQ(refusal(whole), "");
  for (const auto& [key, shape] : whole.scale_shapes) {
    const std::string& name = key;
    const std::string scale = "model: tensor " + name + ".scale: expected ";
    const std::size_t last = whole.scales.at(name).size() - 1;
    SCOPED_TRACE(name);
    EXPECT_NE(
        refusal(whole, [&](TensorMap& t) { t.erase(name + ".scale"); }).find(scale + "shape ("),
        std::string::npos);
    for (const std::vector<std::int64_t>& wrong : {std::vector<std::int64_t>{shape[0]},
                                                   {shape[0] - 1, shape[1]},
                                                   {shape[0], shape[1] + 1},
                                                   {shape[1], shape[0]},
                                                   {}}) {
      EXPECT_NE(refusal(whole, [&](TensorMap& t) { t[name + ".scale"].shape = wrong; })
                    .find(scale + "shape ("),
                std::string::npos);
    }
    for (const float bad : {0.0F, -0.0F, -1.0F, -std::numeric_limits<float>::denorm_min(),
                            std::numeric_limits<float>::quiet_NaN(), INFINITY, -INFINITY}) {
      std::vector<float> scales = whole.scales.at(name);
      scales[last] = bad;
      const std::string text =
          refusal(whole, [&](TensorMap& t) { t[name + ".scale"].data = scales.data(); });
      EXPECT_NE(text.find(scale), std::string::npos) << bad << ": " << text;
      EXPECT_NE(text.find(" at element " + std::to_string(last)), std::string::npos) << text;
    }
    std::vector<std::int8_t> as_values(whole.scales.at(name).size(), 1);
    EXPECT_NE(refusal(whole,
                      [&](TensorMap& t) {
                        t[name + ".scale"].data = nullptr;
                        t[name + ".scale"].values = as_values.data();
                      })
                  .find(scale + "floats, got int8 values"),
              std::string::npos);
    EXPECT_NE(refusal(whole, [&](TensorMap& t) { t[name].shape.push_back(2); })
                  .find("model: tensor " + name + ": expected shape ("),
              std::string::npos);
  }
}

// A scale of zero may stand for a row of zeros, or for a block of zeros of the first layer's row,
// and for nothing else.
TEST(StoredWeights, TakeAScaleOfZeroForZerosAlone) {
  const RandomModel shape = RandomModel::small_with_context();
  const std::int64_t channels = shape.config.channels, step_dim = shape.config.step_dim;
  const std::int64_t width = 2 * channels + step_dim + 52;
  const std::int64_t starts[] = {0, channels, 2 * channels, 2 * channels + step_dim, width};
  for (std::size_t block = 0; block < 4; ++block) {
    RandomModel with_zeros = shape;
    constexpr std::int64_t kRow = 5;
    std::vector<float>& floats = with_zeros.tensors.at(kFirstLayer).second;
    const auto first = static_cast<std::size_t>(kRow * width + starts[block]);
    const auto end = static_cast<std::size_t>(kRow * width + starts[block + 1]);
    std::fill(floats.begin() + static_cast<std::ptrdiff_t>(first),
              floats.begin() + static_cast<std::ptrdiff_t>(end), 0.0F);
    StoredModel stored(with_zeros);
    ASSERT_EQ(stored.scales.at(kFirstLayer)[kRow * 4 + block], 0.0F);
    EXPECT_EQ(refusal(stored), "") << block;
    EXPECT_EQ(frames_of(stored.build(stored.views(), "", "float32")),
              frames_of(stored.plain.build("", "float32")));
    for (const float value : frames_of(stored.build(stored.views()))) {
      ASSERT_TRUE(std::isfinite(value));
    }
    // One value at either end of the block, and the scale is wrong; beside it, and it is not.
    for (const std::size_t at : {first, end - 1}) {
      StoredModel broken = stored;
      broken.values.at(kFirstLayer)[at] = 1;
      EXPECT_NE(refusal(broken).find("tensor " + kFirstLayer +
                                     ".scale: expected scales above 0, or 0 for a row of zeros, "
                                     "got 0 at element " +
                                     std::to_string(kRow * 4 + block)),
                std::string::npos)
          << refusal(broken);
    }
  }
}

TEST(StoredWeights, MayStandForProductsAlone) {
  const StoredModel stored;
  const std::vector<std::int8_t> bytes(10000, 1);
  for (const char* name : {"encoder.norm.weight", "encoder.input.bias", "decoder.steps.weight",
                           "statistics.std", "encoder.context.layers.0.distance"}) {
    EXPECT_NE(refusal(stored,
                      [&](TensorMap& t) {
                        t[name].data = nullptr;
                        t[name].values = bytes.data();
                      })
                  .find(std::string("tensor ") + name + ": expected floats, got int8 values"),
              std::string::npos)
        << name;
  }
}

}  // namespace
}  // namespace dt
