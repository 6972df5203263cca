#include <gtest/gtest.h>

#include <stdexcept>

#include "random_model.h"
#include "sampler/sampler.h"

namespace dt {
namespace {

using dt_test::RandomModel;

TEST(Sampler, RefusesABackendItLacks) {
  const auto model = RandomModel::small().build();
  EXPECT_THROW(Sampler(model, 0, "abacus", 10), std::invalid_argument);
}

}  // namespace
}  // namespace dt
