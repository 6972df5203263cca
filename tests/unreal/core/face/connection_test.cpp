#include "dt/face/connection.h"

#include <gtest/gtest.h>

#include <string>

#include "dt/net/curve.h"
#include "dt/wire/curve_names.h"

namespace {

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
  EXPECT_EQ(why, "\"delay\": expected endpoint, keys, subject, gains or delayms");
  EXPECT_FALSE(dt::parse_connection("tcp://127.0.0.1:5560", &connection, &why));
  EXPECT_FALSE(dt::parse_connection("delayms=2001", &connection, &why));
  EXPECT_FALSE(dt::parse_connection("delayms=", &connection, &why));
  EXPECT_FALSE(dt::parse_connection("delayms=-1", &connection, &why));
  EXPECT_FALSE(dt::parse_connection("gains=loud", &connection, &why));
  EXPECT_EQ(why, "gains \"loud\": expected asreceived or softlips");
  EXPECT_FALSE(dt::parse_connection("subject=a/b", &connection, &why));
  EXPECT_FALSE(dt::parse_connection("endpoint=tcp://nowhere:1", &connection, &why));
  EXPECT_EQ(dt::parse_connection("keys=C:/k%3B/anna", &connection, &why), dt::curve_built());
  if (dt::curve_built()) {
    EXPECT_EQ(connection.keys, "C:/k;/anna");
    EXPECT_EQ(
        dt::to_text(connection),
        "endpoint=tcp://127.0.0.1:5560;keys=C:/k%3B/anna;subject=;gains=asreceived;delayms=0");
  } else {
    EXPECT_NE(why.find("built without CURVE"), std::string::npos) << why;
  }
}

}  // namespace
