#include "dt/wire/curve_names.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace {

TEST(CurveNames, BecomePascalCase) {
  EXPECT_EQ(dt::pascal_case("jawOpen"), "JawOpen");
  EXPECT_EQ(dt::pascal_case("HeadYaw"), "HeadYaw");
  EXPECT_EQ(dt::pascal_case(""), "");
  EXPECT_EQ(dt::pascal_case("ä"), "ä");
  std::vector<std::string> names;
  std::string why;
  EXPECT_TRUE(dt::pascal_names({"jawOpen", "jawLeft"}, &names, &why));
  EXPECT_EQ(names, (std::vector<std::string>{"JawOpen", "JawLeft"}));
  EXPECT_FALSE(dt::pascal_names({"jawOpen", "JAWOPEN"}, &names, &why));
  EXPECT_EQ(why, "curve names: JawOpen and JAWOPEN differ only in case");
}

TEST(CurveNames, GainsGoByName) {
  const std::vector<float> gains =
      dt::gains_in_order({"JawOpen", "MouthClose", "TongueOut"},
                         {{"mouthclose", 0.5f}, {"MOUTHCLOSE", 0.5f}, {"jawOpen", 2.0f}});
  EXPECT_EQ(gains, (std::vector<float>{2.0f, 0.25f, 1.0f}));
  std::vector<float> values = {0.75f, 0.4f, 1.5f};
  dt::apply_gains(gains, &values);
  EXPECT_EQ(values, (std::vector<float>{1.0f, 0.1f, 1.5f}));
  EXPECT_TRUE(dt::preset_gains(dt::GainPreset::kAsReceived).empty());
  EXPECT_FALSE(dt::preset_gains(dt::GainPreset::kSoftLips).empty());
  for (const dt::CurveGain& gain : dt::preset_gains(dt::GainPreset::kSoftLips)) {
    EXPECT_GT(gain.gain, 0.0f);
    EXPECT_LT(gain.gain, 1.0f);
  }
}

}  // namespace
