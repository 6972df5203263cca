#include "dt/face/statistics.h"

#include <cstdio>

namespace dt {

namespace {

// Frames count as flowing until this long after the last.
constexpr std::int64_t kFlowingNs = 500'000'000;

std::string decimal(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string counted(std::uint64_t count, const char* one, const char* many) {
  return std::to_string(count) + (count == 1 ? one : many);
}

std::string state(const Statistics& statistics, std::int64_t now_ns) {
  if (!statistics.connected) {
    std::string text;
    if (!statistics.farewell.empty()) text = "the sender stopped: " + statistics.farewell + "; ";
    text += "connecting to " + statistics.endpoint;
    if (!statistics.trouble.empty()) text += ": " + statistics.trouble;
    if (statistics.attempts > 1) text += ", attempt " + std::to_string(statistics.attempts);
    return text;
  }
  if (statistics.faces.empty())
    return "connected to " + statistics.endpoint + ", no face there yet";
  if (!statistics.farewell.empty()) return "the sender stopped: " + statistics.farewell;
  if (statistics.last_frame_ns == 0) return "connected, waiting for frames of " + statistics.faces;
  const std::int64_t quiet_ns = now_ns - statistics.last_frame_ns;
  if (quiet_ns > kFlowingNs) {
    return "connected, no frames for " + decimal(static_cast<double>(quiet_ns) * 1e-9) + " s";
  }
  return "receiving " + statistics.faces + ", " + decimal(statistics.frames_per_second) +
         " frames a second";
}

}  // namespace

std::string describe(const Statistics& statistics, std::int64_t now_ns) {
  std::string text = state(statistics, now_ns);
  if (statistics.lost > 0) text += "; " + counted(statistics.lost, " frame lost", " frames lost");
  if (statistics.late > 0) {
    text += "; " + counted(statistics.late, " frame too late", " frames too late");
  }
  if (statistics.malformed > 0) {
    text += "; " + counted(statistics.malformed, " malformed message", " malformed messages") +
            " dropped, last: " + statistics.last_malformed;
  }
  return text;
}

}  // namespace dt
