#pragma once

#include <chrono>

struct FPlatformTime {
  // Offset, as on some of the engine's platforms: its zero is not that of the system's clock.
  static double Seconds() {
    return 16777216.0 +
           std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
               .count();
  }
};
