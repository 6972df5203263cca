// The voice beside the face, on made clocks: the sender's, the engine's and the sound device's.
#include "dt/face/voice_player.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <random>
#include <thread>
#include <vector>

#include "dt/face/jitter_buffer.h"
#include "dt/face/voices.h"

namespace {

using dt::FaceSound;
using dt::VoicePlayer;

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kSecond = 1000 * kMs;
constexpr double kPi = 3.14159265358979323846;
constexpr int kBlock = 512;

// A tone, so that every sample that is left out, doubled or cut is seen as a kink.
constexpr double kToneHz = 440.0;

FaceSound piece(std::int64_t position, std::int64_t local_ns, std::int32_t rate_hz = 16000,
                std::int64_t session = 1) {
  FaceSound out;
  out.position_samples = position;
  out.local_ns = local_ns;
  out.rate_hz = rate_hz;
  out.session = session;
  out.samples.resize(static_cast<std::size_t>(rate_hz / 50));
  for (std::size_t i = 0; i < out.samples.size(); ++i) {
    const double at = static_cast<double>(position + static_cast<std::int64_t>(i)) / rate_hz;
    out.samples[i] =
        static_cast<std::int16_t>(std::lround(16000.0 * std::sin(2.0 * kPi * kToneHz * at)));
  }
  return out;
}

// The sharpest bend of what was played, over that of the tone itself. A fade's ends measure up to
// 3, a tone that stops at its steepest, held and let die away, 18; a step, which is heard as a
// click, over 200.
double sharpest(const std::vector<float>& played, double device_hz) {
  double most = 0.0;
  for (std::size_t i = 2; i < played.size(); ++i) {
    most = std::max(most, std::abs(static_cast<double>(played[i]) - 2.0 * played[i - 1] +
                                   static_cast<double>(played[i - 2])));
  }
  const double step = 2.0 * kPi * kToneHz / device_hz;
  return most / (16000.0 / 32768.0 * step * step);
}

double loudest(const std::vector<float>& played, std::size_t from, std::size_t to) {
  double most = 0.0;
  for (std::size_t i = from; i < std::min(to, played.size()); ++i) {
    most = std::max(most, std::abs(static_cast<double>(played[i])));
  }
  return most;
}

// A device that asks for a block when it has played the one before, a sender that brings 20 ms at a
// time `ahead` before they are due.
struct Room {
  explicit Room(std::int64_t ahead = 70 * kMs) : ahead_ns(ahead), player(48000) {}

  // Runs to `until`, all of it engine time; pieces in [silent_from, silent_to) are held back for
  // good.
  void run(std::int64_t until, std::int64_t silent_from = 0, std::int64_t silent_to = 0) {
    while (now < until) {
      for (; next * 20 * kMs + start - ahead_ns <= now; ++next) {
        const std::int64_t due = start + next * 20 * kMs;
        if (due < silent_from || due >= silent_to) player.push(piece(next * 320, due));
      }
      played.resize(played.size() + kBlock);
      player.render(played.data() + played.size() - kBlock, kBlock, now);
      ++blocks;
      now =
          start + static_cast<std::int64_t>(static_cast<double>(blocks) * kBlock / device_hz * 1e9);
    }
  }
  std::size_t at(std::int64_t time) const {
    return static_cast<std::size_t>(static_cast<double>(time - start) * 1e-9 * device_hz);
  }

  const double device_hz = 48000.0;
  const std::int64_t ahead_ns;
  VoicePlayer player;
  std::int64_t start = 100 * kSecond;
  std::int64_t now = start;
  std::int64_t next = 0;
  std::int64_t blocks = 0;
  std::vector<float> played;
};

TEST(VoicePlayerTest, PlaysEachSampleAtItsTime) {
  Room room;
  room.run(room.start + 3 * kSecond);
  // Against the tone as it is at each instant: level and phase.
  double worst = 0.0;
  for (std::size_t i = 4800; i < room.played.size(); ++i) {
    const double at = static_cast<double>(i) / 48000.0;
    const double tone = 16000.0 / 32768.0 * std::sin(2.0 * kPi * kToneHz * at);
    worst = std::max(worst, std::abs(tone - static_cast<double>(room.played[i])));
  }
  EXPECT_LT(worst, 0.001);
  EXPECT_LT(sharpest(room.played, 48000.0), 3.0);  // the fade at the start bends a little more
  EXPECT_EQ(room.player.statistics().dropouts, 0);
  EXPECT_EQ(room.player.statistics().jumps, 0);
}

TEST(VoicePlayerTest, IsSilentWhereNothingComes) {
  VoicePlayer player(48000);
  std::vector<float> out(kBlock, 1.0f);
  player.render(out.data(), kBlock, kSecond);
  EXPECT_EQ(loudest(out, 0, out.size()), 0.0);
  // Sound that is due in a second is kept until then.
  for (int i = 0; i < 10; ++i) player.push(piece(320 * i, 2 * kSecond + 20 * kMs * i));
  player.render(out.data(), kBlock, kSecond);
  EXPECT_EQ(loudest(out, 0, out.size()), 0.0);
  player.render(out.data(), kBlock, 2 * kSecond + kMs);
  EXPECT_GT(loudest(out, 0, out.size()), 0.3);
}

TEST(VoicePlayerTest, FadesWhereTheSoundRunsOutAndComesBackInStep) {
  Room room;
  const std::int64_t hole = room.start + 2 * kSecond;
  room.run(room.start + 5 * kSecond, hole, hole + 300 * kMs);
  EXPECT_EQ(room.player.statistics().dropouts, 1);
  EXPECT_LT(sharpest(room.played, 48000.0), 20.0) << "a click";
  EXPECT_EQ(loudest(room.played, room.at(hole), room.at(hole + 290 * kMs)), 0.0);
  EXPECT_GT(loudest(room.played, room.at(hole + 330 * kMs), room.at(hole + 340 * kMs)), 0.4);
  EXPECT_LT(std::abs(room.player.statistics().error_ms), 1.0);
}

TEST(VoicePlayerTest, WhatTheSenderLostIsSilenceInItsPlace) {
  Room room(400 * kMs);  // the next piece is here before the hole is reached
  const std::int64_t hole = room.start + 2 * kSecond;
  room.run(room.start + 4 * kSecond, hole, hole + 100 * kMs);
  EXPECT_EQ(room.player.statistics().dropouts, 0);
  EXPECT_LT(loudest(room.played, room.at(hole + 5 * kMs), room.at(hole + 95 * kMs)), 0.001);
  EXPECT_GT(loudest(room.played, room.at(hole + 105 * kMs), room.at(hole + 115 * kMs)), 0.4);
  EXPECT_LT(sharpest(room.played, 48000.0), 20.0) << "a click";
}

TEST(VoicePlayerTest, SeeksAnewWhereTheDeviceStoodStill) {
  Room room;
  room.run(room.start + 2 * kSecond);
  // For half a second the device asks for nothing, then goes on; the sender never stopped.
  const std::int64_t stood = 500 * kMs;
  for (; room.next * 20 * kMs < 2 * kSecond + stood; ++room.next) {
    room.player.push(piece(room.next * 320, room.start + room.next * 20 * kMs));
  }
  const std::size_t before = room.played.size();
  std::vector<float> block(kBlock);
  for (std::int64_t now = room.now + stood; now < room.now + stood + kSecond / 2;
       now += kBlock * kSecond / 48000) {
    for (; room.start + room.next * 20 * kMs - 70 * kMs <= now; ++room.next) {
      room.player.push(piece(room.next * 320, room.start + room.next * 20 * kMs));
    }
    room.player.render(block.data(), kBlock, now);
    room.played.insert(room.played.end(), block.begin(), block.end());
  }
  EXPECT_EQ(room.player.statistics().jumps, 1);
  EXPECT_LT(sharpest(room.played, 48000.0), 3.0) << "a click";
  EXPECT_GT(loudest(room.played, before + 4800, room.played.size()), 0.4);
  EXPECT_LT(std::abs(room.player.statistics().error_ms), 12.0);
}

TEST(VoicePlayerTest, FollowsSessionsAndRates) {
  VoicePlayer player(44100);
  std::vector<float> played;
  std::int64_t now = 0;
  const auto until = [&](std::int64_t end) {
    for (; now < end; now += kBlock * kSecond / 44100) {
      played.resize(played.size() + kBlock);
      player.render(played.data() + played.size() - kBlock, kBlock, now);
    }
  };
  for (int i = 0; i < 50; ++i) player.push(piece(320 * i, 20 * kMs * i));
  until(kSecond);
  // Another sender, 48 kHz, begins half a second later and counts from 0 again.
  for (int i = 0; i < 50; ++i)
    player.push(piece(960 * i, 3 * kSecond / 2 + 20 * kMs * i, 48000, 2));
  // What the first one repeats comes too late to matter.
  player.push(piece(320, 20 * kMs, 48000, 2));
  const auto sample = [&](std::int64_t at) {
    return static_cast<std::size_t>(at / kMs * 441 / 10);
  };
  until(5 * kSecond / 2);
  EXPECT_GT(loudest(played, sample(800 * kMs), sample(900 * kMs)), 0.4);
  EXPECT_EQ(loudest(played, sample(1030 * kMs), sample(1480 * kMs)), 0.0);
  EXPECT_GT(loudest(played, sample(1600 * kMs), sample(1700 * kMs)), 0.4);
  EXPECT_EQ(player.statistics().dropouts, 2) << "each ends once";
  EXPECT_LT(sharpest(played, 44100.0), 3.0) << "a click";
}

// Half a minute of clocks that are ten times as far off as clocks are: a sender's 800 millionths,
// over a network of 0 to 30 ms jitter, and a device's 1500 the other way that asks for three blocks
// at once. What sounds must keep to what is seen: the times of the frames, which come out of the
// same map of the clocks. Left alone it would be 46 ms off in the end.
TEST(VoicePlayerTest, KeepsInStepWithTheFace) {
  for (const double drift : {800e-6, -800e-6}) {
    std::mt19937_64 random(5);
    std::uniform_real_distribution<double> uniform(0.0, 1.0);
    dt::JitterBuffer buffer;
    buffer.set_delay_ns(60 * kMs);
    VoicePlayer player(48000);
    const double device_hz = 48000.0 * (1.0 + (drift > 0 ? -1500e-6 : 1500e-6));
    const std::int64_t start = 50 * kSecond, end = start + 30 * kSecond;
    std::int64_t frame = 0, sound = 0, blocks = 0, device_ns = start;
    std::vector<float> out(kBlock);
    double worst_ms = 0.0;
    for (std::int64_t now = start; now < end; now += 5 * kMs) {
      const auto sender = [&](std::int64_t at) {
        return static_cast<std::int64_t>(static_cast<double>(at - start) * (1.0 + drift));
      };
      for (; sound * 20 * kMs <= sender(now); ++sound) {  // 20 ms at a time, as it was captured
        std::int64_t local_ns = 0;
        if (!buffer.local_time(sound * 20 * kMs, &local_ns)) continue;
        player.push(piece(sound * 320, local_ns));
      }
      for (; frame * kSecond / 60 + 40 * kMs <= sender(now); ++frame) {  // after the look-ahead
        dt::Frame one;
        one.sequence = one.index = frame;
        one.capture_ns = frame * kSecond / 60;
        buffer.push(one, now + static_cast<std::int64_t>(uniform(random) * 30 * kMs));
        dt::JitterBuffer::Released released;
        while (buffer.pop(now, &released)) {
        }
      }
      while (device_ns <= now) {
        for (int lump = 0; lump < 3; ++lump, ++blocks) player.render(out.data(), kBlock, now);
        device_ns = start + static_cast<std::int64_t>(static_cast<double>(blocks) * kBlock /
                                                      device_hz * 1e9);
      }
      if (now > start + 10 * kSecond) {
        worst_ms = std::max(worst_ms, std::abs(player.statistics().error_ms));
      }
    }
    std::printf("drift %+.0f ppm: at most %.1f ms off\n", drift * 1e6, worst_ms);
    EXPECT_LT(worst_ms, 15.0);
    EXPECT_EQ(player.statistics().dropouts, 0);
    EXPECT_EQ(player.statistics().jumps, 0);
  }
}

TEST(VoicePlayerTest, StandsNonsense) {
  VoicePlayer player(48000);
  std::vector<float> out(kBlock);
  for (const std::int64_t time : {INT64_MIN, INT64_MIN / 2, std::int64_t{0}, INT64_MAX}) {
    player.push(piece(0, time));
    player.push(piece(INT64_MAX - 320, time));
    FaceSound none;
    none.local_ns = time;
    player.push(none);
    for (const std::int32_t rate : {-1, 0, 1, 192001, INT32_MAX}) {
      FaceSound odd = piece(0, time);
      odd.rate_hz = rate;
      player.push(odd);
    }
    player.render(out.data(), kBlock, kSecond);
    for (const float sample : out) EXPECT_TRUE(std::isfinite(sample));
  }
}

TEST(VoicePlayerTest, KeepsNoMoreThanItsRing) {
  VoicePlayer player(48000);
  for (int i = 0; i < 5000; ++i) player.push(piece(320 * i, kSecond + 20 * kMs * i));
  EXPECT_GT(player.statistics().overflows, 0);
  // And plays on with what comes once somebody listens.
  std::vector<float> out(kBlock);
  const std::int64_t now = kSecond + 20 * kMs * 5000;
  player.render(out.data(), kBlock, now);
  for (int i = 5000; i < 5100; ++i) player.push(piece(320 * i, kSecond + 20 * kMs * i));
  player.render(out.data(), kBlock, now + 10 * kMs);
  EXPECT_GT(loudest(out, 0, out.size()), 0.3);
}

TEST(VoicePlayerTest, OneThreadBringsAndAnotherPlays) {
  VoicePlayer player(48000);
  std::atomic<bool> done{false};
  std::thread device([&] {
    std::vector<float> out(kBlock);
    for (std::int64_t now = 0; !done.load(); now += kBlock * kSecond / 48000) {
      player.render(out.data(), kBlock, now);
      player.set_lead_ns(now % 7 * kMs);
    }
  });
  for (int i = 0; i < 3000; ++i) {
    player.push(piece(320 * i, 20 * kMs * i));
    if (i % 50 == 0) std::this_thread::yield();
    (void)player.statistics();
  }
  done.store(true);
  device.join();
}

TEST(VoicesTest, FindsThePlayersOfAFace) {
  dt::Voices voices;
  auto anna = std::make_shared<VoicePlayer>(48000);
  auto first = std::make_shared<VoicePlayer>(48000);
  voices.add("Anna", anna);
  voices.add("", first);
  const auto heard = [](VoicePlayer* player) {
    std::vector<float> out(kBlock);
    player->render(out.data(), kBlock, 5 * kMs);
    return loudest(out, 0, out.size()) > 0.0;
  };
  for (int i = 0; i < 10; ++i) voices.play("ben", piece(320 * i, 20 * kMs * i));
  EXPECT_TRUE(heard(first.get())) << "the first face that is heard";
  EXPECT_FALSE(heard(anna.get()));
  for (int i = 0; i < 10; ++i) voices.play("anna", piece(320 * i, 20 * kMs * i));
  EXPECT_TRUE(heard(anna.get())) << "names are compared without case, as Unreal does";
  anna.reset();
  voices.play("anna", piece(3200, 200 * kMs));
}

TEST(VoicePlayerTest, LeadPlaysEarlier) {
  Room room;
  room.player.set_lead_ns(30 * kMs);
  room.run(room.start + 2 * kSecond);
  const std::size_t i = 48000;
  const double at = static_cast<double>(i) / 48000.0 + 0.030;
  EXPECT_NEAR(static_cast<double>(room.played[i]),
              16000.0 / 32768.0 * std::sin(2.0 * kPi * kToneHz * at), 0.01);
}

}  // namespace
