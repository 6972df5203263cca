#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <vector>

#include "curves/postprocess.h"
#include "dt/options.h"
#include "dt/time_base.h"

namespace dt {
namespace {

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

}  // namespace
}  // namespace dt
