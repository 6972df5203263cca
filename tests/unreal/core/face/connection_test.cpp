#include <gtest/gtest.h>

#include "dt/face/connection.h"
#include "dt/face/statistics.h"
#include "dt/net/tcp_socket.h"
#include "dt/wire/curve_names.h"

namespace {

TEST(Endpoint, TakesAddresses) {
  dt::Endpoint endpoint;
  std::string why;
  EXPECT_TRUE(dt::parse_endpoint("tcp://127.0.0.1:5560", &endpoint, &why)) << why;
  EXPECT_EQ(endpoint.host, "127.0.0.1");
  EXPECT_EQ(endpoint.port, 5560);
  EXPECT_TRUE(dt::parse_endpoint("tcp://localhost:1", &endpoint, &why)) << why;
  EXPECT_EQ(endpoint.host, "127.0.0.1");
  EXPECT_TRUE(dt::parse_endpoint("tcp://[::1]:65535", &endpoint, &why)) << why;
  EXPECT_EQ(endpoint.host, "::1");
  EXPECT_EQ(endpoint.port, 65535);
}

TEST(Endpoint, RefusesTheRestInWords) {
  dt::Endpoint endpoint;
  std::string why;
  for (const char* text : {"", "127.0.0.1:5560", "udp://127.0.0.1:5560", "tcp://127.0.0.1",
                           "tcp://127.0.0.1:", "tcp://127.0.0.1:0", "tcp://127.0.0.1:65536",
                           "tcp://127.0.0.1:99999999999", "tcp://127.0.0.1:5x", "tcp://:5560",
                           "tcp://1.2.3:5", "tcp://::1:5560", "tcp://[::1]"}) {
    EXPECT_FALSE(dt::parse_endpoint(text, &endpoint, &why)) << text;
    EXPECT_NE(why.find("expected"), std::string::npos);
  }
  EXPECT_FALSE(dt::parse_endpoint("tcp://studio.local:5560", &endpoint, &why));
  EXPECT_NE(why.find("names are not looked up"), std::string::npos);
}

TEST(Connection, ReadsWhatItWrites) {
  dt::Connection connection;
  connection.endpoint = "tcp://10.0.0.1:7000";
  connection.subject = "50%; Anna = Ben";
  connection.gains = dt::GainPreset::kSoftLips;
  connection.delay_ms = 40;
  EXPECT_EQ(dt::to_text(connection),
            "endpoint=tcp://10.0.0.1:7000;subject=50%25%3B Anna = Ben;gains=softlips;delayms=40");
  dt::Connection back;
  std::string why;
  ASSERT_TRUE(dt::parse_connection(dt::to_text(connection), &back, &why)) << why;
  EXPECT_EQ(back.endpoint, connection.endpoint);
  EXPECT_EQ(back.subject, connection.subject);
  EXPECT_EQ(back.gains, dt::GainPreset::kSoftLips);
  EXPECT_EQ(back.delay_ms, 40);
}

TEST(Connection, HasDefaultsAndIgnoresCaseAndSpace) {
  dt::Connection connection;
  std::string why;
  ASSERT_TRUE(dt::parse_connection("", &connection, &why)) << why;
  EXPECT_EQ(connection.endpoint, "tcp://127.0.0.1:5560");
  EXPECT_EQ(connection.subject, "");
  EXPECT_EQ(connection.gains, dt::GainPreset::kAsReceived);
  EXPECT_EQ(connection.delay_ms, 0);
  EXPECT_EQ(dt::to_text(connection),
            "endpoint=tcp://127.0.0.1:5560;subject=;gains=asreceived;delayms=0");
  ASSERT_TRUE(
      dt::parse_connection(" DelayMs = 7 ;; Subject=%3b%; Gains=SoftLips", &connection, &why))
      << why;
  EXPECT_EQ(connection.delay_ms, 7);
  EXPECT_EQ(connection.gains, dt::GainPreset::kSoftLips);
  EXPECT_EQ(connection.subject, ";%");
}

TEST(Connection, RefusesTheRestInWords) {
  dt::Connection connection;
  std::string why;
  EXPECT_FALSE(dt::parse_connection("delay=5", &connection, &why));
  EXPECT_EQ(why, "\"delay\": expected endpoint, subject, gains or delayms");
  EXPECT_FALSE(dt::parse_connection("tcp://127.0.0.1:5560", &connection, &why));
  EXPECT_FALSE(dt::parse_connection("delayms=2001", &connection, &why));
  EXPECT_FALSE(dt::parse_connection("delayms=", &connection, &why));
  EXPECT_FALSE(dt::parse_connection("delayms=-1", &connection, &why));
  EXPECT_FALSE(dt::parse_connection("gains=loud", &connection, &why));
  EXPECT_EQ(why, "gains \"loud\": expected asreceived or softlips");
  EXPECT_FALSE(dt::parse_connection("subject=a/b", &connection, &why));
  EXPECT_FALSE(dt::parse_connection("endpoint=tcp://nowhere:1", &connection, &why));
}

TEST(CurveNames, BecomePascalCase) {
  EXPECT_EQ(dt::pascal_case("jawOpen"), "JawOpen");
  EXPECT_EQ(dt::pascal_case("HeadYaw"), "HeadYaw");
  EXPECT_EQ(dt::pascal_case(""), "");
  EXPECT_EQ(dt::pascal_case("ä"), "ä");
  std::vector<std::string> names;
  std::string why;
  EXPECT_TRUE(dt::pascal_names({"jawOpen", "jawLeft"}, &names, &why));
  EXPECT_EQ(names, (std::vector<std::string>{"JawOpen", "JawLeft"}));
  EXPECT_FALSE(dt::pascal_names({"jawOpen", "JAWOPEN"}, &names, &why));
  EXPECT_EQ(why, "curve names: JawOpen and JAWOPEN differ only in case");
}

TEST(CurveNames, GainsGoByName) {
  const std::vector<float> gains =
      dt::gains_in_order({"JawOpen", "MouthClose", "TongueOut"},
                         {{"mouthclose", 0.5f}, {"MOUTHCLOSE", 0.5f}, {"jawOpen", 2.0f}});
  EXPECT_EQ(gains, (std::vector<float>{2.0f, 0.25f, 1.0f}));
  std::vector<float> values = {0.75f, 0.4f, 1.5f};
  dt::apply_gains(gains, &values);
  EXPECT_EQ(values, (std::vector<float>{1.0f, 0.1f, 1.5f}));
  EXPECT_TRUE(dt::preset_gains(dt::GainPreset::kAsReceived).empty());
  EXPECT_FALSE(dt::preset_gains(dt::GainPreset::kSoftLips).empty());
  for (const dt::CurveGain& gain : dt::preset_gains(dt::GainPreset::kSoftLips)) {
    EXPECT_GT(gain.gain, 0.0f);
    EXPECT_LT(gain.gain, 1.0f);
  }
}

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
