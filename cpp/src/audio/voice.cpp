#include "audio/voice.h"

#include <algorithm>

#include "dt/time_base.h"

namespace dt {
namespace {

double clamp(double x, double low, double high) { return std::min(std::max(x, low), high); }

}  // namespace

VoiceDetector::VoiceDetector(const GateOptions& options)
    : options_(options), floor_db_(options.floor_initial_db) {}

void VoiceDetector::push(const float* level_db, std::int64_t columns, bool* voiced) {
  constexpr double kFallShare = 0.2;  // of the distance, a column
  const double rise = options_.rise_db_s / static_cast<double>(TimeBase::kColumnRateHz);
  for (std::int64_t m = 0; m < columns; ++m) {
    const double level = static_cast<double>(level_db[m]);
    floor_db_ += level < floor_db_ ? kFallShare * (level - floor_db_) : rise;
    floor_db_ = clamp(floor_db_, options_.floor_minimum_db, options_.floor_maximum_db);
    voiced[m] = level > clamp(floor_db_ + options_.margin_db, options_.threshold_minimum_db,
                              options_.threshold_maximum_db);
  }
}

}  // namespace dt
