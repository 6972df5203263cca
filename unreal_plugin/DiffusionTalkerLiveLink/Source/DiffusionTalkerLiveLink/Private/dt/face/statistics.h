// What a client has seen, and the same in words for a user.
#pragma once

#include <cstdint>
#include <string>

namespace dt {

struct Statistics {
  std::string endpoint;
  bool connected = false;
  std::int64_t connections = 0;  // good ones since the start
  std::int64_t attempts = 0;     // since the last good one
  std::string trouble;           // why the last connection that failed or ended did so

  std::string faces;          // subjects, as "Anna" or "Anna, Ben"
  std::int64_t sessions = 0;  // runs of a sender that were seen
  std::string farewell;       // the last sender's reason to leave; empty while any is there

  std::uint64_t messages = 0;
  std::uint64_t frames = 0;        // passed on
  double frames_per_second = 0.0;  // passed on lately, all faces together
  std::int64_t last_frame_ns = 0;  // local time of the last one, 0 before the first
  std::uint64_t lost = 0;          // missing from the sender's sequence
  std::uint64_t late = 0;          // came after their successors were shown
  std::uint64_t duplicates = 0;
  std::uint64_t unannounced = 0;  // before their session's schema
  std::uint64_t clock_resets = 0;
  std::uint64_t malformed = 0;
  std::string last_malformed;
};

// One line that says how things stand and, if something is wrong, what.
std::string describe(const Statistics& statistics, std::int64_t now_ns);

}  // namespace dt
