// The client against peers that misbehave.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "raw_peer.h"
#include "running_client.h"
#include "wire_writer.h"

namespace {

using Connection = RawPeer::Connection;

const std::string kHandshake = wire_writer::greeting() + wire_writer::ready();

dt::Subscriber::Timing hasty() {
  dt::Subscriber::Timing timing;
  timing.first_pause_ns = 10'000'000;
  timing.longest_pause_ns = 50'000'000;
  timing.ping_every_ns = 100'000'000;
  timing.hang_after_ns = 300'000'000;
  return timing;
}

std::string good_session(std::uint64_t session, int frames) {
  std::string out = wire_writer::message(
      wire_writer::schema("Face", session, {"jawOpen", "jawLeft", "tongueOut"}));
  wire_writer::FrameFields fields;
  fields.session = session;
  for (int i = 0; i < frames; ++i) {
    fields.sequence = fields.index = static_cast<std::uint64_t>(i);
    fields.capture_ns = 1'000'000'000 + static_cast<std::uint64_t>(i) * 16'666'667;
    out += wire_writer::message(wire_writer::frame(fields));
  }
  return out;
}

// The first connection misbehaves; the second is good and must be used.
void expect_recovery(const std::function<void(Connection&)>& misbehave,
                     const std::string& trouble) {
  RawPeer peer([&](Connection& connection, int number) {
    if (number == 0) {
      misbehave(connection);
    } else {
      connection.send(kHandshake + good_session(5, 3));
      connection.linger();
    }
  });
  RunningClient client(peer.endpoint(), "", 0, hasty());
  // On a busy machine the good connection may be found silent for too long as well.
  std::set<std::string> seen;
  EXPECT_TRUE(wait_until([&] {
    seen.insert(client.client.statistics().trouble.substr(0, trouble.size()));
    return client.frames() >= 3;
  })) << client.client.status();
  EXPECT_EQ(seen.count(trouble), 1u) << client.client.status();
  EXPECT_GE(peer.accepted(), 2);
}

TEST(Hostile, TenMegabyteLength) {
  expect_recovery(
      [](Connection& connection) {
        std::string huge(1, '\x02');
        wire_writer::big_endian(&huge, 10'000'000, 8);
        connection.send(kHandshake + huge + std::string(100'000, 'x'));
        connection.linger();
      },
      "a frame of 10000000 bytes, expected at most 65536");
}

TEST(Hostile, HalfAMessage) {
  expect_recovery(
      [](Connection& connection) {
        const std::string whole = wire_writer::message(wire_writer::frame({}));
        connection.send(kHandshake + whole.substr(0, whole.size() / 2));
        // Trickles on, so that the peer is not silent, but the message never ends.
        for (int i = 0; i < 100 && connection.send("x"); ++i) connection.linger(20);
      },
      "the peer hangs");
}

TEST(Hostile, SilentAfterAccepting) {
  expect_recovery([](Connection& connection) { connection.linger(2000); }, "the peer hangs");
}

TEST(Hostile, SilentAfterTheHandshake) {
  expect_recovery(
      [](Connection& connection) {
        connection.send(kHandshake);
        connection.linger(2000);
      },
      "the peer hangs");
}

TEST(Hostile, GreetingByteByByteForEver) {
  expect_recovery(
      [](Connection& connection) {
        for (int i = 0; i < 60 && connection.send(wire_writer::greeting().substr(
                                      static_cast<std::size_t>(i), 1));
             ++i) {
          connection.linger(50);
        }
      },
      "the");
}

TEST(Hostile, NotZeroMq) {
  expect_recovery(
      [](Connection& connection) { connection.send("HTTP/1.1 400 Bad Request\r\n\r\n"); },
      "the peer does not speak ZeroMQ");
}

TEST(Hostile, ClosesInTheHandshake) {
  expect_recovery([](Connection& connection) { connection.send(wire_writer::greeting()); }, "");
}

TEST(Hostile, ResetsTheConnection) {
  expect_recovery(
      [](Connection& connection) {
        connection.send(kHandshake);
        // After its last word the client waits for ours, so that it is reading when the end comes.
        if (connection.hear("dt/")) connection.reset();
      },
      "connection reset by the peer");
}

TEST(Hostile, NobodyAnswersTheConnection) {
  DeafPeer peer;
  if (!peer.unanswered()) GTEST_SKIP() << "this system completes what nobody accepts";
  RunningClient client(peer.endpoint(), "", 0, hasty());
  EXPECT_TRUE(wait_until([&] {
    return client.client.status().find(": the connection timed out, attempt") != std::string::npos;
  })) << client.client.status();
  EXPECT_LT(client.stop(), 0.3);
}

TEST(Hostile, RandomBytes) {
  std::mt19937 random(3);
  RawPeer peer([&](Connection& connection, int number) {
    if (number == 30) {
      connection.send(kHandshake + good_session(5, 3));
      connection.linger();
      return;
    }
    std::string bytes = number % 2 == 0 ? "" : kHandshake;
    for (int i = 0; i < 500; ++i) bytes += static_cast<char>(random());
    connection.send(bytes);
  });
  RunningClient client(peer.endpoint(), "", 0, hasty());
  EXPECT_TRUE(wait_until([&] { return client.frames() >= 3; })) << client.client.status();
}

TEST(Hostile, MalformedMessagesAreCountedAndPassedOver) {
  RawPeer peer([](Connection& connection, int) {
    std::string bytes = kHandshake + good_session(5, 2);
    bytes += wire_writer::message({"dt/Face/frame", "garbage"});
    bytes += wire_writer::message({"only one part"});
    bytes += wire_writer::message({"dt/Face/later", "unknown kinds are fine"});
    wire_writer::FrameFields fields;
    fields.session = 5;
    fields.sequence = fields.index = 2;
    fields.values = {0.5f};  // the schema has three curves
    bytes += wire_writer::message(wire_writer::frame(fields));
    fields.values = {0.1f, 0.2f, 0.3f};
    fields.session = 99;  // no such session
    bytes += wire_writer::message(wire_writer::frame(fields));
    fields.session = 5;
    bytes += wire_writer::message(wire_writer::frame(fields));
    bytes += wire_writer::message(wire_writer::frame(fields));  // twice
    fields.sequence = fields.index = 5;
    bytes += wire_writer::message(wire_writer::frame(fields));  // two lost
    fields.sequence = fields.index = 4;
    bytes += wire_writer::message(wire_writer::frame(fields));  // and one of them late
    bytes += wire_writer::message(wire_writer::schema("FACE", 6, {"jawOpen"}));
    bytes += wire_writer::message(wire_writer::schema("Other", 6, {"jawOpen", "JawOpen"}));
    bytes += wire_writer::message(wire_writer::bye("Nobody", 6, 1, "x"));
    connection.send(bytes);
    connection.linger();
  });
  RunningClient client(peer.endpoint());
  ASSERT_TRUE(wait_until([&] { return client.client.statistics().messages >= 15; }))
      << client.client.status();
  const dt::Statistics seen = client.client.statistics();
  EXPECT_EQ(seen.malformed, 5u) << seen.last_malformed;
  EXPECT_EQ(seen.unannounced, 1u);
  EXPECT_EQ(seen.frames, 4u);
  EXPECT_EQ(seen.lost, 2u);
  EXPECT_EQ(seen.late, 1u);
  EXPECT_EQ(seen.duplicates, 1u);
  EXPECT_NE(client.client.status().find("5 malformed messages dropped, last: curve names"),
            std::string::npos);
}

TEST(Hostile, SoundGoesToTheSinkAtTheTimeOfItsFrames) {
  RawPeer peer([](Connection& connection, int) {
    wire_writer::AudioFields sound;
    sound.session = 5;
    const auto piece = [&sound](std::uint64_t sequence) {
      sound.sequence = sequence;
      sound.position = sequence * 960;
      sound.capture_ns = 1'000'000'000 + sequence * 20'000'000;
      return wire_writer::message(wire_writer::audio(sound));
    };
    std::string bytes = kHandshake + piece(0);  // unannounced
    bytes += wire_writer::message(wire_writer::schema("Face", 5, {"jawOpen"}, "s16le"));
    bytes += piece(0);  // announced, but nothing says yet how the clocks relate
    wire_writer::FrameFields fields;
    fields.session = 5;
    fields.values = {0.5f};
    bytes += wire_writer::message(wire_writer::frame(fields));
    bytes += piece(1) + piece(1) + piece(4) + piece(3);
    sound.samples = "odd";
    bytes += piece(5);
    sound.samples = "even";
    // A format of some later version.
    bytes += wire_writer::message(wire_writer::schema("Face", 6, {"jawOpen"}, "opus"));
    sound.session = 6;
    bytes += piece(6);
    connection.send(bytes);
    connection.linger();
  });
  RunningClient client(peer.endpoint());
  ASSERT_TRUE(wait_until([&] { return client.client.statistics().messages >= 11; }))
      << client.client.status();
  const RunningClient::Seen seen = client.seen();
  ASSERT_EQ(seen.sounds.size(), 2u) << "once each, in order";
  EXPECT_EQ(seen.sounds[0].position_samples, 960);
  EXPECT_EQ(seen.sounds[1].position_samples, 4 * 960);
  EXPECT_EQ(seen.sounds[0].rate_hz, 48000);
  EXPECT_EQ(seen.sounds[0].samples, (std::vector<std::int16_t>{1, 32767, -32768}));
  EXPECT_EQ(seen.sounds[1].local_ns - seen.sounds[0].local_ns, 60'000'000);
  // The frame was captured 20 ms before the first of them.
  EXPECT_EQ(seen.sounds[0].local_ns - seen.frames.at(0).local_ns, 20'000'000);
  EXPECT_EQ(client.client.statistics().unannounced, 1u);
  EXPECT_EQ(client.client.statistics().malformed, 1u);
}

TEST(Hostile, TooManySubjects) {
  RawPeer peer([](Connection& connection, int) {
    std::string bytes = kHandshake;
    for (int i = 0; i < 20; ++i) {
      bytes +=
          wire_writer::message(wire_writer::schema("Face" + std::to_string(i), 5, {"jawOpen"}));
    }
    connection.send(bytes);
    connection.linger();
  });
  RunningClient client(peer.endpoint());
  ASSERT_TRUE(wait_until([&] { return client.client.statistics().messages >= 20; }));
  EXPECT_EQ(client.client.statistics().malformed, 4u);
  EXPECT_EQ(client.client.statistics().sessions, 16);
}

TEST(Hostile, ANewSessionNeedsNewNamesAndResetsTheRest) {
  RawPeer peer([](Connection& connection, int) {
    connection.send(kHandshake + good_session(5, 3) + good_session(6, 3) +
                    wire_writer::message(wire_writer::bye("Face", 6, 3, "")));
    connection.linger();
  });
  RunningClient client(peer.endpoint());
  ASSERT_TRUE(wait_until([&] { return client.frames() > 6 && is_neutral(client.last()); }));
  EXPECT_EQ(client.seen().starts, 2);
  EXPECT_EQ(client.client.statistics().lost, 0u);
  EXPECT_NE(client.client.status().find("the sender stopped: no reason given"), std::string::npos);
}

// A sender says its last words and closes while the client may lag: nothing may be lost to that.
TEST(Hostile, ReadsToTheEndOfWhatAPeerSentBeforeItClosed) {
  constexpr int kFrames = 5000;
  RawPeer peer([](Connection& connection, int number) {
    if (number > 0) return;
    connection.send(kHandshake);
    // Closing with the client's bytes unread would reset the connection.
    if (!connection.hear("dt/")) return;
    connection.send(good_session(5, kFrames) +
                    wire_writer::message(wire_writer::bye("Face", 5, kFrames, "done")));
  });
  dt::Subscriber::Timing timing;
  timing.ping_every_ns = 50'000'000'000;  // nor must it ask whether the peer lives
  timing.hang_after_ns = 60'000'000'000;
  RunningClient client(peer.endpoint(), "", 0, timing);
  EXPECT_TRUE(wait_until([&] { return !client.client.statistics().farewell.empty(); }))
      << client.client.status();
  EXPECT_EQ(client.client.statistics().frames, static_cast<std::uint64_t>(kFrames));
  EXPECT_EQ(client.client.statistics().lost, 0u);
}

TEST(Hostile, AnAddressOfVersionSix) {
  RawPeer peer(
      [](Connection& connection, int) {
        connection.send(kHandshake + good_session(5, 3));
        connection.linger();
      },
      AF_INET6);
  if (peer.endpoint().empty()) GTEST_SKIP() << "this system has no IPv6";
  RunningClient client(peer.endpoint());
  EXPECT_TRUE(wait_until([&] { return client.frames() >= 3; })) << client.client.status();
}

// Stopping must take less than 300 ms whatever the client is doing.
TEST(Hostile, StopsInEveryState) {
  const auto stop_after = [](const std::string& endpoint, int wait_ms) {
    RunningClient client(endpoint);
    std::this_thread::sleep_for(std::chrono::milliseconds(wait_ms));
    return client.stop();
  };
  const DeafPeer deaf;
  RawPeer silent([](Connection& connection, int) { connection.linger(); });
  RawPeer greeted([](Connection& connection, int) {
    connection.send(wire_writer::greeting());
    connection.linger();
  });
  RawPeer idle([](Connection& connection, int) {
    connection.send(kHandshake);
    connection.linger();
  });
  RawPeer half([](Connection& connection, int) {
    connection.send(kHandshake + wire_writer::message(wire_writer::frame({})).substr(0, 20));
    connection.linger();
  });
  for (const int wait_ms : {0, 1, 30, 250}) {
    EXPECT_LT(stop_after("tcp://127.0.0.1:1", wait_ms), 0.3) << "refused, between attempts";
    EXPECT_LT(stop_after(deaf.endpoint(), wait_ms), 0.3) << "no answer to the connection";
    EXPECT_LT(stop_after("tcp://192.0.2.1:5560", wait_ms), 0.3) << "nor there, or no way there";
    EXPECT_LT(stop_after(silent.endpoint(), wait_ms), 0.3);
    EXPECT_LT(stop_after(greeted.endpoint(), wait_ms), 0.3);
    EXPECT_LT(stop_after(idle.endpoint(), wait_ms), 0.3);
    EXPECT_LT(stop_after(half.endpoint(), wait_ms), 0.3);
  }
}

}  // namespace
