#include "dt/net/zmtp.h"

#include <gtest/gtest.h>

#include <random>

#include "wire_writer.h"

namespace {

using dt::ZmtpSession;
using Event = ZmtpSession::Event;

// Feeds the bytes in pieces of `step` and gives every event.
std::vector<Event> events(ZmtpSession* session, const std::string& bytes, std::size_t step,
                          std::vector<std::vector<std::string>>* messages = nullptr) {
  std::vector<Event> out;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    const std::string piece = bytes.substr(at, step);
    session->feed(piece.data(), piece.size());
    for (Event event = session->next(); event != Event::kNone; event = session->next()) {
      out.push_back(event);
      if (event == Event::kMessage && messages != nullptr) messages->push_back(session->message());
      if (event == Event::kFailed) return out;
    }
  }
  return out;
}

std::string failure(const std::string& bytes) {
  ZmtpSession session("dt/");
  const std::vector<Event> seen = events(&session, bytes, bytes.size());
  EXPECT_EQ(seen.empty() ? Event::kNone : seen.back(), Event::kFailed);
  EXPECT_EQ(session.next(), Event::kFailed) << "a failed session must stay failed";
  return session.error();
}

const std::string kHandshake = wire_writer::greeting() + wire_writer::ready();

TEST(Zmtp, ShakesHandsAndSubscribes) {
  ZmtpSession session("dt/Anna/");
  ASSERT_EQ(session.unsent().size(), 64u);
  EXPECT_EQ(session.unsent().substr(0, 1), "\xFF");
  EXPECT_EQ(session.unsent().substr(10, 6), std::string("\x03\0NULL", 6));
  session.sent(64);
  EXPECT_EQ(events(&session, wire_writer::greeting(), 64), std::vector<Event>{});
  EXPECT_EQ(session.unsent(),
            std::string("\x04\x26\x05READY\x0BSocket-Type\0\0\0\x03SUB\x08Identity\0\0\0\0", 40));
  EXPECT_FALSE(session.ready());
  session.sent(session.unsent().size());
  EXPECT_EQ(events(&session, wire_writer::ready("PUB"), 64), std::vector<Event>{Event::kReady});
  EXPECT_TRUE(session.ready());
  EXPECT_EQ(session.unsent(), std::string("\0\x09\x01"
                                          "dt/Anna/",
                                          11));
}

TEST(Zmtp, GivesTheSameMessagesForAnyChunking) {
  const std::vector<std::string> small = {"topic", "payload"};
  const std::vector<std::string> large = {"t", std::string(65536, 'x')};
  const std::vector<std::string> odd = {"", "", ""};
  const std::string bytes = kHandshake + wire_writer::message(small) + wire_writer::message(large) +
                            wire_writer::message(odd) + wire_writer::message(small);
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{1000}, bytes.size()}) {
    ZmtpSession session("dt/");
    std::vector<std::vector<std::string>> messages;
    EXPECT_EQ(events(&session, bytes, step, &messages).size(), 5u);
    EXPECT_EQ(messages, (std::vector<std::vector<std::string>>{small, large, odd, small}));
    EXPECT_FALSE(session.midway());
  }
}

TEST(Zmtp, AnswersPings) {
  ZmtpSession session("dt/");
  events(&session, kHandshake, 100);
  session.sent(session.unsent().size());
  const std::string ping = std::string("\x04PING\0\x1E", 7) + "ctx";
  EXPECT_EQ(events(&session, wire_writer::zmtp_frame(4, ping), 100), std::vector<Event>{});
  EXPECT_EQ(session.unsent(), std::string("\x04\x08\x04PONGctx", 10));
  session.sent(10);
  session.ping();
  EXPECT_EQ(session.unsent(), std::string("\x04\x07\x04PING\0\0", 9));
  // A PONG, and a command that this version does not know, are passed over.
  EXPECT_EQ(
      events(&session,
             wire_writer::zmtp_frame(4, "\x04PONG") + wire_writer::zmtp_frame(4, "\x05LATER"), 100),
      std::vector<Event>{});
}

TEST(Zmtp, RefusesOtherPeers) {
  EXPECT_EQ(failure("HTTP/1.1 400 Bad Request\r\n"), "the peer does not speak ZeroMQ");
  EXPECT_EQ(failure(std::string("\xFF\0\0\0\0\0\0\0\0\x7E", 10)), "the peer does not speak ZeroMQ");
  EXPECT_EQ(failure(wire_writer::greeting("NULL", 1)), "the peer speaks ZMTP 1, expected 3");
  EXPECT_EQ(failure(wire_writer::greeting("CURVE")),
            "the sender asks for a key: give the source its folder of keys");
  EXPECT_EQ(failure(wire_writer::greeting() + wire_writer::ready("ROUTER")),
            "the peer is a ROUTER socket, expected PUB or XPUB");
  EXPECT_EQ(failure(wire_writer::greeting() + wire_writer::zmtp_frame(4, "\x05READY")),
            "a malformed READY");
  EXPECT_EQ(
      failure(wire_writer::greeting() + wire_writer::zmtp_frame(4, "\x05READY\x0BSocket-Type")),
      "a malformed READY");
  EXPECT_EQ(failure(wire_writer::greeting() + wire_writer::zmtp_frame(4,
                                                                      "\x05"
                                                                      "ERROR\x04nope")),
            "the peer refused: nope");
  EXPECT_EQ(failure(wire_writer::greeting() + wire_writer::zmtp_frame(4, "\x05OTHER")),
            "expected READY, got the command OTHER");
  EXPECT_EQ(failure(wire_writer::greeting() + wire_writer::zmtp_frame(4, "")),
            "a malformed command");
  EXPECT_EQ(failure(wire_writer::greeting() + wire_writer::zmtp_frame(0, "x")),
            "a message before the handshake");
}

TEST(Zmtp, BoundsWhatAPeerDeclares) {
  // Only the header is sent: the refusal must come before the bytes, let alone room for them.
  std::string huge = std::string(1, '\x02');
  wire_writer::big_endian(&huge, 10'000'000, 8);
  EXPECT_EQ(failure(kHandshake + huge), "a frame of 10000000 bytes, expected at most 65536");
  std::string endless = std::string(1, '\x02');
  wire_writer::big_endian(&endless, ~std::uint64_t{0}, 8);
  failure(kHandshake + endless);
  std::string command = std::string(1, '\x06');
  wire_writer::big_endian(&command, 513, 8);
  EXPECT_EQ(failure(kHandshake + command), "a frame of 513 bytes, expected at most 512");
  EXPECT_EQ(failure(kHandshake + "\x80"), "a frame with unknown flags");
  EXPECT_EQ(failure(kHandshake + "\x05"), "a frame with unknown flags");
  std::string parts = kHandshake;
  for (int i = 0; i < 9; ++i) parts += wire_writer::zmtp_frame(1, "x");
  EXPECT_EQ(failure(parts), "a message of more than 8 parts");
  EXPECT_EQ(failure(kHandshake + wire_writer::zmtp_frame(4, "\x04PING")), "a malformed PING");
  const std::string ping = std::string("\x04PING\0\0", 7) + std::string(16, 'x');
  std::string flood = kHandshake;
  for (int i = 0; i < 1000; ++i) flood += wire_writer::zmtp_frame(4, ping);
  EXPECT_EQ(failure(flood), "the peer sends but does not read");
}

TEST(Zmtp, SurvivesRandomBytesAfterTheHandshake) {
  std::mt19937 random(5);
  for (int round = 0; round < 2000; ++round) {
    ZmtpSession session("dt/");
    std::string bytes = kHandshake;
    for (int i = 0; i < 200; ++i) bytes += static_cast<char>(random());
    events(&session, bytes, 1 + random() % 50);
    EXPECT_LE(session.unsent().size(), ZmtpSession::kMaxUnsentBytes + 64);
  }
}

}  // namespace
