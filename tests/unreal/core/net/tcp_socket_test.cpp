#include "dt/net/tcp_socket.h"

#include <gtest/gtest.h>

#include <string>

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

}  // namespace
