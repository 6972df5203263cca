#include "dt/face/statistics.h"

#include <gtest/gtest.h>

namespace {

TEST(Statistics, SayWhatIsWrong) {
  dt::Statistics seen;
  seen.endpoint = "tcp://127.0.0.1:5560";
  EXPECT_EQ(dt::describe(seen, 0), "connecting to tcp://127.0.0.1:5560");
  seen.trouble = "connection refused";
  seen.attempts = 7;
  EXPECT_EQ(dt::describe(seen, 0),
            "connecting to tcp://127.0.0.1:5560: connection refused, attempt 7");
  seen.connected = true;
  EXPECT_EQ(dt::describe(seen, 0), "connected to tcp://127.0.0.1:5560, no face there yet");
  seen.faces = "Anna";
  EXPECT_EQ(dt::describe(seen, 0), "connected, waiting for frames of Anna");
  seen.last_frame_ns = 1'000'000'000;
  seen.frames_per_second = 59.96;
  EXPECT_EQ(dt::describe(seen, 1'100'000'000), "receiving Anna, 60.0 frames a second");
  EXPECT_EQ(dt::describe(seen, 3'100'000'000), "connected, no frames for 2.1 s");
  seen.malformed = 37;
  seen.last_malformed = "payload: 3 bytes too many";
  seen.lost = 1;
  seen.late = 2;
  EXPECT_EQ(dt::describe(seen, 1'100'000'000),
            "receiving Anna, 60.0 frames a second; 1 frame lost; 2 frames too late; "
            "37 malformed messages dropped, last: payload: 3 bytes too many");
  seen.malformed = seen.lost = seen.late = 0;
  seen.farewell = "end of the audio";
  EXPECT_EQ(dt::describe(seen, 0), "the sender stopped: end of the audio");
  seen.connected = false;
  EXPECT_EQ(dt::describe(seen, 0),
            "the sender stopped: end of the audio; connecting to "
            "tcp://127.0.0.1:5560: connection refused, attempt 7");
}

}  // namespace
