// Which columns hold a voice.
#pragma once

#include <cstdint>

#include "dt/options.h"

namespace dt {

// Marks the columns that stand out of the noise floor, which it tracks.
class VoiceDetector {
 public:
  explicit VoiceDetector(const GateOptions& options);

  void push(const float* level_db, std::int64_t columns, bool* voiced);
  void reset() { floor_db_ = options_.floor_initial_db; }

 private:
  GateOptions options_;
  double floor_db_;
};

}  // namespace dt
