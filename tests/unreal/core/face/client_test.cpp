// The client against real libzmq.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>

#include "running_client.h"
#include "sender.h"

namespace {

// Frames `from` on of `seen` must be the sender's, in order, none missing.
void expect_all_frames(const std::vector<dt::FaceFrame>& frames, int subject = 0) {
  ASSERT_FALSE(frames.empty());
  std::int64_t index = frames[0].index;
  for (const dt::FaceFrame& frame : frames) {
    if ((frame.flags & dt::kFlagClosing) != 0) break;
    ASSERT_EQ(frame.index, index++);
    for (std::size_t curve = 0; curve < frame.values.size(); ++curve) {
      ASSERT_EQ(frame.values[curve], sent_value(subject, frame.index, curve));
    }
  }
}

TEST(Client, ReceivesEveryFrameOfASender) {
  Sender sender({"--seconds", "2"});
  RunningClient client(sender.endpoint());
  // Names come before any frame is sent.
  ASSERT_TRUE(wait_until([&] { return client.seen().starts == 1; })) << client.client.status();
  const RunningClient::Seen announced = client.seen();
  EXPECT_EQ(announced.names.size(), 52u);
  EXPECT_EQ(announced.names.front(), "EyeBlinkLeft");
  EXPECT_EQ(announced.names.back(), "TongueOut");
  // The sink hears of a face before the statistics do.
  EXPECT_TRUE(wait_until([&] {
    return client.client.status() == "connected, waiting for frames of Face";
  })) << client.client.status();
  sender.go();
  bool said_so = false;
  ASSERT_TRUE(wait_until([&] {
    said_so |= client.client.status().compare(0, 15, "receiving Face,") == 0;
    return client.frames() >= 90;
  }));
  EXPECT_TRUE(said_so);
  ASSERT_TRUE(wait_until([&] { return !client.client.statistics().farewell.empty(); }));
  ASSERT_TRUE(wait_until([&] { return is_neutral(client.last()); }));
  const RunningClient::Seen seen = client.seen();
  EXPECT_EQ(seen.starts, 1);
  EXPECT_EQ(seen.frames.front().index, 0);
  expect_all_frames(seen.frames);
  const dt::Statistics statistics = client.client.statistics();
  EXPECT_EQ(statistics.frames, 120u);
  EXPECT_EQ(statistics.lost, 0u);
  EXPECT_EQ(statistics.malformed, 0u) << statistics.last_malformed;
  EXPECT_NE(client.client.status().find("the sender stopped: end of the test"), std::string::npos);
}

#if DT_CURVE
TEST(Client, ReceivesByKeyAndNothingWithout) {
  const std::string keys = testing::TempDir() + "client_keys";
  std::filesystem::remove_all(keys);
  Sender sender({"--seconds", "1", "--keys", keys});
  const dt::Subscriber::Timing timing;
  RunningClient without(sender.endpoint());
  RunningClient wrong(sender.endpoint(), "", 0, timing, keys + "/nobody");
  RunningClient client(sender.endpoint(), "", 0, timing, keys + "/receiver");
  ASSERT_TRUE(wait_until([&] { return client.seen().starts == 1; })) << client.client.status();
  sender.go();
  ASSERT_TRUE(wait_until([&] { return !client.client.statistics().farewell.empty(); }));
  expect_all_frames(client.seen().frames);
  EXPECT_EQ(client.client.statistics().frames, 60u);
  EXPECT_EQ(client.client.statistics().lost, 0u);
  EXPECT_EQ(without.seen().starts, 0);
  EXPECT_NE(without.client.status().find("if the sender asks for a key"), std::string::npos)
      << without.client.status();
  EXPECT_NE(wrong.client.status().find("no such folder"), std::string::npos)
      << wrong.client.status();
}
#endif

TEST(Client, FollowsASenderThatCrashesAndRestarts) {
  auto sender = std::make_unique<Sender>();
  const std::string port = sender->port();
  RunningClient client(sender->endpoint());
  sender->go();
  ASSERT_TRUE(wait_until([&] { return client.frames() >= 20; }));
  sender->process().kill_now();
  // Nobody said goodbye, and yet the face closes.
  ASSERT_TRUE(wait_until([&] { return is_neutral(client.last()); }));
  EXPECT_TRUE((client.last().flags & dt::kFlagNeutral) != 0);
  ASSERT_TRUE(wait_until([&] {
    return client.client.status().find("connection refused") != std::string::npos;
  })) << client.client.status();
  sender = std::make_unique<Sender>(std::vector<std::string>{"--port", port});
  ASSERT_TRUE(wait_until([&] { return client.seen().starts == 2; })) << client.client.status();
  const std::size_t before = client.frames();
  sender->go();
  ASSERT_TRUE(wait_until([&] { return client.frames() >= before + 20; }));
  const dt::Statistics statistics = client.client.statistics();
  EXPECT_EQ(statistics.lost, 0u);
  EXPECT_GE(statistics.connections, 2);
  EXPECT_EQ(statistics.sessions, 2);
}

TEST(Client, NoticesASenderThatHangs) {
  Sender sender;
  dt::Subscriber::Timing timing;
  timing.ping_every_ns = 200'000'000;
  timing.hang_after_ns = 1'000'000'000;
  RunningClient client(sender.endpoint(), "", 0, timing);
  sender.go();
  ASSERT_TRUE(wait_until([&] { return client.frames() >= 10; }));
  sender.process().send_signal(SIGSTOP);
  ASSERT_TRUE(wait_until([&] { return is_neutral(client.last()); }));
  ASSERT_TRUE(wait_until([&] { return !client.client.statistics().connected; }));
  sender.process().send_signal(SIGCONT);
  const std::size_t before = client.frames();
  ASSERT_TRUE(wait_until([&] {
    return client.frames() >= before + 10 && !is_neutral(client.last());
  })) << client.client.status();
  EXPECT_EQ(client.seen().starts, 1) << "the same session needs no new names";
}

TEST(Client, KeepsAnIdleConnectionAlive) {
  std::vector<std::unique_ptr<Sender>> senders;
  std::vector<std::unique_ptr<RunningClient>> clients;
  for (const char* kind : {"PUB", "XPUB"}) {
    dt::Subscriber::Timing timing;
    timing.ping_every_ns = 100'000'000;
    senders.push_back(
        std::make_unique<Sender>(std::vector<std::string>{"--idle", "--socket", kind}));
    clients.push_back(
        std::make_unique<RunningClient>(senders.back()->endpoint(), "Nobody", 0, timing));
  }
  for (const auto& client : clients) {
    ASSERT_TRUE(wait_until([&] { return client->client.statistics().connected; }));
  }
  // Longer than a peer may be silent without being asked.
  std::this_thread::sleep_for(std::chrono::milliseconds(4500));
  for (const auto& client : clients) {
    EXPECT_EQ(client->client.statistics().connections, 1) << client->client.status();
    EXPECT_NE(client->client.status().find("no face there yet"), std::string::npos);
  }
}

TEST(Client, SeparatesSubjects) {
  Sender sender({"--subjects", "Anna,Ben,Änne 2", "--seconds", "1"});
  RunningClient all(sender.endpoint());
  RunningClient ben(sender.endpoint(), "Ben");
  ASSERT_TRUE(
      wait_until([&] { return all.seen("Änne 2").starts == 1 && ben.seen("Ben").starts == 1; }));
  sender.go();
  ASSERT_TRUE(wait_until([&] { return !all.client.statistics().farewell.empty(); }));
  ASSERT_TRUE(wait_until([&] { return !ben.client.statistics().farewell.empty(); }));
  expect_all_frames(all.seen("Anna").frames, 0);
  expect_all_frames(all.seen("Ben").frames, 1);
  expect_all_frames(all.seen("Änne 2").frames, 2);
  expect_all_frames(ben.seen("Ben").frames, 1);
  EXPECT_EQ(all.client.statistics().frames, 180u);
  EXPECT_EQ(ben.client.statistics().frames, 60u);
  EXPECT_EQ(ben.seen("Anna").starts, 0);
}

TEST(Client, DelaysFramesByWhatItIsTold) {
  Sender sender;
  RunningClient prompt(sender.endpoint());
  RunningClient delayed(sender.endpoint(), "", 150);
  sender.go();
  // The same frame, told apart by its index. Each client's clock has to settle first: on a busy
  // machine even the fastest of its first frames may have come late.
  double later_ms = 0.0;
  EXPECT_TRUE(wait_until([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    std::map<std::int64_t, std::int64_t> shown_ns;
    for (const dt::FaceFrame& frame : prompt.seen().frames) shown_ns[frame.index] = frame.local_ns;
    std::vector<double> differences;
    for (const dt::FaceFrame& frame : delayed.seen().frames) {
      const auto same = shown_ns.find(frame.index);
      if (same == shown_ns.end()) continue;
      differences.push_back(static_cast<double>(frame.local_ns - same->second) * 1e-6);
    }
    if (differences.size() < 60) return false;
    std::sort(differences.end() - 30, differences.end());
    later_ms = *(differences.end() - 15);
    return std::abs(later_ms - 150.0) < 40.0;
  })) << later_ms;
  delayed.client.set_delay_ms(0);
  const std::size_t before = delayed.frames();
  EXPECT_TRUE(wait_until([&] { return delayed.frames() > before + 20; }));
}

TEST(Client, AppliesGainsAtOnce) {
  Sender sender;
  RunningClient client(sender.endpoint());
  sender.go();
  ASSERT_TRUE(wait_until([&] { return client.frames() >= 5; }));
  client.client.set_gains({{"jawopen", 0.5f}});
  const std::size_t jaw = 17;
  ASSERT_TRUE(wait_until([&] {
    const dt::FaceFrame frame = client.last();
    const float sent = sent_value(0, frame.index, jaw);
    return sent > 0.1f && frame.values[jaw] == 0.5f * sent;
  }));
  EXPECT_EQ(client.seen().names[jaw], "JawOpen");
}

TEST(Client, EndsWithANeutralFace) {
  Sender sender;
  RunningClient client(sender.endpoint());
  sender.go();
  ASSERT_TRUE(wait_until([&] { return client.frames() >= 10; }));
  EXPECT_LT(client.stop(), 0.3);
  EXPECT_TRUE(is_neutral(client.last()));
}

// 60 and 1000 messages a second from PUB and XPUB sockets at once; nothing may be lost.
TEST(Soak, LosesNothing) {
  const char* asked = std::getenv("DT_SOAK_SECONDS");
  const std::string seconds = asked == nullptr ? "5" : asked;
  struct Pair {
    std::unique_ptr<Sender> sender;
    std::unique_ptr<RunningClient> client;
    int rate;
  };
  std::vector<Pair> pairs;
  for (const char* kind : {"PUB", "XPUB"}) {
    for (const int rate : {60, 1000}) {
      Pair pair;
      pair.rate = rate;
      pair.sender = std::make_unique<Sender>(std::vector<std::string>{
          "--socket", kind, "--rate", std::to_string(rate), "--seconds", seconds, "--stay"});
      // A sender that gets no processor for seconds is not what this is about.
      dt::Subscriber::Timing timing;
      timing.hang_after_ns = 60'000'000'000;
      pair.client = std::make_unique<RunningClient>(pair.sender->endpoint(), "", 0, timing);
      pairs.push_back(std::move(pair));
    }
  }
  for (Pair& pair : pairs) {
    ASSERT_TRUE(wait_until([&] { return pair.client->seen().starts == 1; }));
  }
  for (Pair& pair : pairs) pair.sender->go();
  auto told = std::chrono::steady_clock::now();
  const auto tell = [&] {
    if (seconds_since(told) < 30.0) return;
    told = std::chrono::steady_clock::now();
    for (const Pair& pair : pairs) {
      const dt::Statistics statistics = pair.client->client.statistics();
      std::printf("%d Hz: %llu frames, %llu lost   ", pair.rate,
                  static_cast<unsigned long long>(statistics.frames),
                  static_cast<unsigned long long>(statistics.lost));
    }
    std::printf("\n");
    std::fflush(stdout);
  };
  for (Pair& pair : pairs) {
    ASSERT_TRUE(wait_while_it_moves(
        [&] {
          tell();
          return !pair.client->client.statistics().farewell.empty();
        },
        [&] { return pair.client->frames(); }))
        << pair.rate << " Hz: " << pair.client->client.status() << "; "
        << pair.client->client.statistics().trouble;
    const dt::Statistics statistics = pair.client->client.statistics();
    EXPECT_EQ(statistics.frames,
              static_cast<std::uint64_t>(std::atof(seconds.c_str()) * pair.rate));
    EXPECT_EQ(statistics.lost, 0u);
    EXPECT_EQ(statistics.malformed, 0u);
    EXPECT_EQ(statistics.connections, 1);
    expect_all_frames(pair.client->seen().frames);
  }
}

}  // namespace
