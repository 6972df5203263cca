// What the receiver of a simulation lives in: the time, and the messages that are on their way.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

// A message, or with an empty topic the cut of the connection.
struct OnItsWay {
  std::int64_t arrival_ns = 0;
  std::string topic, payload;
};

struct World {
  static World& the();

  bool has_next();  // reads it from standard input
  void taken() { read_ = false; }

  std::int64_t now_ns = 0;  // the true time
  OnItsWay next;
  std::string incoming;  // bytes that the socket has not given on
  bool cut = false;      // after them the connection ends
  bool waited = false;   // whether time went on since somebody last asked
  std::function<void()> over = [] {};

 private:
  bool read_ = false;
};
