#include <gtest/gtest.h>

#include "curves/silence_gate.h"
#include "dt/options.h"
#include "dt/time_base.h"

namespace dt {
namespace {

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

}  // namespace
}  // namespace dt
