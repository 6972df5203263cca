// Many streams at once: each is the stream of a Runtime of its own, bit for bit.
#include "dt/voices.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "allocations.h"
#include "dt/kernels.h"
#include "dt/model.h"
#include "dt/options.h"
#include "dt/runtime.h"
#include "random_model.h"
#include "sampler/backend.h"

namespace dt {
namespace {

using dt_test::Random;
using dt_test::RandomModel;
using dt_test::speech_like;

std::vector<VoiceOptions> options_of(std::int64_t streams) {
  std::vector<VoiceOptions> options;
  for (std::int64_t v = 0; v < streams; ++v) {
    // Pinned to each identity, and following the voice; two streams share a seed.
    options.push_back(
        {static_cast<std::uint64_t>(v == 1 ? 0 : v), v % 4 == 3 ? kAutoIdentity : v % 4});
  }
  return options;
}

// What a stream gets, chunk by chunk, and the frames that come of it.
struct Chunks {
  std::vector<float> audio;
  std::int64_t at = 0;
  std::vector<float> frames;
};

// Streams through Voices, and through a Runtime each with the same steps.
class Pair {
 public:
  Pair(std::shared_ptr<const Model> model, std::int64_t streams, std::int64_t threads = 1,
       const MotionOptions& motion = {}, std::int64_t samples = 60000)
      : voices_(model, options_of(streams), {}, motion, threads) {
    for (const VoiceOptions& options : options_of(streams)) {
      alone_.push_back(std::make_unique<Runtime>(model, options.seed, options.identity,
                                                 BackendOptions(), motion));
      const auto seed = static_cast<std::uint32_t>(together_.size());
      together_.push_back({speech_like(samples, seed), 0, {}});
    }
  }

  // counts[v] samples for each stream; the frames of both must be the same bits.
  void step(const std::vector<std::int64_t>& counts) {
    std::vector<Voices::Chunk> chunks;
    std::vector<std::vector<float>> got, expected;
    for (std::size_t v = 0; v < counts.size(); ++v) {
      const auto number = static_cast<std::int64_t>(v);
      const std::int64_t due = voices_.frames_due(number, counts[v]);
      EXPECT_EQ(due, alone_[v]->frames_due(counts[v]));
      got.push_back(room(due));
      expected.push_back(room(due));
    }
    for (std::size_t v = 0; v < counts.size(); ++v) {
      Chunks& stream = together_[v];
      const float* samples = stream.audio.data() + stream.at;
      chunks.push_back({counts[v] > 0 ? samples : nullptr, counts[v], got[v].data()});
      if (counts[v] > 0) {
        alone_[v]->step(samples, counts[v], expected[v].data());
      }
      stream.at += counts[v];
    }
    voices_.step(chunks.data());
    compare(got, expected);
  }

  void flush(const std::vector<std::size_t>& which) {
    std::vector<std::vector<float>> got, expected;
    std::unique_ptr<bool[]> ending(new bool[together_.size()]);
    std::vector<float*> frames;
    for (std::size_t v = 0; v < together_.size(); ++v) {
      const auto number = static_cast<std::int64_t>(v);
      ending[v] = std::find(which.begin(), which.end(), v) != which.end();
      got.push_back(room(voices_.frames_owed(number)));
      expected.push_back(got.back());
      if (ending[v]) {
        EXPECT_EQ(alone_[v]->frames_owed(), voices_.frames_owed(number));
        alone_[v]->flush(expected[v].data());
      }
    }
    for (std::vector<float>& part : got) {
      frames.push_back(part.data());
    }
    voices_.flush(ending.get(), frames.data());
    compare(got, expected);
    for (const std::size_t v : which) {
      EXPECT_TRUE(voices_.flushed(static_cast<std::int64_t>(v)));
    }
  }

  void reset(std::size_t v) {
    voices_.reset(static_cast<std::int64_t>(v));
    alone_[v]->reset();
    together_[v].at = 0;
    together_[v].frames.clear();
  }

  Voices& voices() { return voices_; }
  std::int64_t left(std::size_t v) const {
    return static_cast<std::int64_t>(together_[v].audio.size()) - together_[v].at;
  }
  bool flushed(std::size_t v) const { return voices_.flushed(static_cast<std::int64_t>(v)); }
  std::size_t size() const { return together_.size(); }
  // The stream's frames since its last reset.
  const std::vector<float>& frames(std::size_t v) const { return together_[v].frames; }

 private:
  // One more than is due: what lies behind the frames is not written.
  std::vector<float> room(std::int64_t frames) const {
    return std::vector<float>(static_cast<std::size_t>(frames * voices_.width() + 1), 77.0F);
  }

  void compare(const std::vector<std::vector<float>>& got,
               const std::vector<std::vector<float>>& expected) {
    for (std::size_t v = 0; v < got.size(); ++v) {
      const auto number = static_cast<std::int64_t>(v);
      ASSERT_EQ(got[v], expected[v]) << "stream " << v << " of " << got.size();
      together_[v].frames.insert(together_[v].frames.end(), got[v].begin(), got[v].end() - 1);
      EXPECT_EQ(voices_.position_samples(number), alone_[v]->position_samples());
      EXPECT_EQ(voices_.frames(number), alone_[v]->frames());
      EXPECT_EQ(voices_.level_db(number), alone_[v]->level_db());
      EXPECT_EQ(voices_.identity(number), alone_[v]->identity());
      EXPECT_EQ(voices_.identity_scores(number), alone_[v]->identity_scores());
    }
  }

  Voices voices_;
  std::vector<std::unique_ptr<Runtime>> alone_;
  std::vector<Chunks> together_;
};

// Streams that begin late, pause, take chunks of any length, begin again amid speech, end, and
// begin again after that.
void live_apart(Pair& pair, int rounds, std::uint32_t seed) {
  Random random(seed);
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::int64_t> counts;
    for (std::size_t v = 0; v < pair.size(); ++v) {
      const std::int64_t longest = std::array<std::int64_t, 5>{
          0, 3, 160, 700, 4000}[static_cast<std::size_t>(random.below(5))];
      const bool begun = static_cast<std::size_t>(round) >= v % 5;
      counts.push_back(begun && !pair.flushed(v) ? std::min(random.below(longest + 1), pair.left(v))
                                                 : 0);
    }
    pair.step(counts);
    std::vector<std::size_t> ending;
    for (std::size_t v = 0; v < pair.size(); ++v) {
      const std::int64_t chance = random.below(30);
      if (pair.flushed(v) ? chance < 10 : chance == 0) {
        pair.reset(v);
      } else if (!pair.flushed(v) && chance == 1) {
        ending.push_back(v);
      }
    }
    pair.flush(ending);
    if (testing::Test::HasFailure()) {
      return;
    }
  }
  std::vector<std::size_t> ending;
  for (std::size_t v = 0; v < pair.size(); ++v) {
    if (!pair.flushed(v)) {
      ending.push_back(v);
    }
  }
  pair.flush(ending);
}

class VoicesOn : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Kernels, VoicesOn, testing::ValuesIn(available_kernels()),
                         [](const auto& test) { return test.param; });

TEST_P(VoicesOn, AreRuntimesOfTheirOwn) {
  for (const RandomModel& random_model :
       {RandomModel::small(), RandomModel::small_with_context()}) {
    const auto model = random_model.build(GetParam());
    for (const std::int64_t streams : {1, 2, 9}) {
      SCOPED_TRACE(streams);
      Pair pair(model, streams);
      live_apart(pair, 25, static_cast<std::uint32_t>(streams));
    }
  }
}

TEST(Voices, AreRuntimesOfTheirOwnAtOtherRatesAndWithAHead) {
  MotionOptions motion;
  motion.head = true;
  const std::int64_t rates[][2] = {{30000, 1001}, {25, 1}, {100, 1}};
  for (const auto& rate : rates) {
    RandomModel random_model = RandomModel::small();
    random_model.config.frame_rate_num = rate[0];
    random_model.config.frame_rate_den = rate[1];
    Pair pair(random_model.build(), 5, 1, motion);
    EXPECT_EQ(pair.voices().width(), 55);
    live_apart(pair, 20, 3);
  }
}

// A batch of the encoder and one of the sampler hold fewer than these.
TEST(Voices, AreRuntimesOfTheirOwnWhereABatchIsTooSmallForAll) {
  static_assert(kMostSampledFrames < 70, "the sampler's batch");
  Pair pair(RandomModel::small_with_context().build(), 70, 1, {}, 8000);
  for (int round = 0; round < 6; ++round) {
    pair.step(std::vector<std::int64_t>(70, round == 3 ? 2500 : 160));
  }
  live_apart(pair, 5, 4);
}

TEST(Voices, DoNotDependOnThreads) {
  const auto model = RandomModel::small_with_context().build();
  for (const std::int64_t threads : {2, 3, 9}) {  // the last: more than there are streams
    SCOPED_TRACE(threads);
    Pair pair(model, 7, threads);
    EXPECT_EQ(pair.voices().size(), 7);
    live_apart(pair, 25, 5);
  }
}

// At the size that ships.
TEST(Voices, AreRuntimesOfTheirOwnInFullSize) {
  Pair pair(RandomModel::embedded().build(), 4, 2, {}, 6000);
  for (const std::int64_t count : {256, 0, 1500, 3000}) {
    pair.step({count, 256, 1000, count / 2});
  }
  pair.flush({0, 1, 2, 3});
}

// Calls `refused` and expects it to throw `Error` with all of `words` in its sentence.
template <typename Error, typename Call>
void expect_refusal(const Call& refused, const std::vector<std::string>& words) {
  try {
    refused();
    ADD_FAILURE() << "nothing was refused";
  } catch (const Error& error) {
    for (const std::string& word : words) {
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos)
          << "no '" << word << "' in: " << error.what();
    }
  }
}

TEST(Voices, ABadSampleInOneNamesItAndHarmsNone) {
  for (const std::int64_t threads : {1, 2}) {
    Pair pair(RandomModel::small_with_context().build(), 5, threads);
    pair.step({900, 100, 2000, 1234, 0});
    const std::vector<float> good = speech_like(500);
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), INFINITY, -INFINITY, 17.0F}) {
      std::vector<float> broken = good;
      broken[77] = bad;
      std::vector<std::vector<float>> frames(5, std::vector<float>(40 * 52, 7.0F));
      std::vector<Voices::Chunk> chunks;
      for (std::size_t v = 0; v < 5; ++v) {
        chunks.push_back({v == 3 ? broken.data() : good.data(), 500, frames[v].data()});
      }
      expect_refusal<std::invalid_argument>([&] { pair.voices().step(chunks.data()); },
                                            {"step: stream 3: sample 77 is "});
      for (const std::vector<float>& untouched : frames) {
        EXPECT_EQ(untouched, std::vector<float>(40 * 52, 7.0F));
      }
    }
    live_apart(pair, 10, 6);  // all go on as Runtimes that saw nothing of it
  }
}

TEST(Voices, AFlushedStreamIsNamedAndTheOthersGoOn) {
  Pair pair(RandomModel::small().build(), 4);
  pair.step({700, 700, 700, 700});
  pair.flush({2});
  EXPECT_EQ(pair.voices().frames_due(2, 1000), 0);
  EXPECT_EQ(pair.voices().frames_owed(2), 0);
  const std::vector<float> good = speech_like(500);
  std::vector<float> frames(40 * 52);
  std::vector<Voices::Chunk> chunks(4);
  chunks[0] = {good.data(), 500, frames.data()};
  chunks[2] = {good.data(), 1, nullptr};
  expect_refusal<std::logic_error>([&] { pair.voices().step(chunks.data()); },
                                   {"step: stream 2: ", "flushed", "reset()"});
  const bool ending[] = {true, false, true, false};
  float* places[] = {frames.data(), nullptr, nullptr, nullptr};
  expect_refusal<std::logic_error>([&] { pair.voices().flush(ending, places); },
                                   {"flush: stream 2: ", "flushed", "reset()"});
  EXPECT_FALSE(pair.flushed(0)) << "half of a refused call was done";
  pair.step({500, 500, 0, 500});  // nothing for it: no refusal
  pair.reset(2);
  pair.step({100, 200, 300, 400});
  pair.flush({0, 1, 2, 3});
}

TEST(Voices, ResetBeginsAllAgain) {
  Pair pair(RandomModel::small_with_context().build(), 3, 2);
  pair.step({3000, 2000, 1000});
  pair.flush({1});
  std::vector<std::vector<float>> first;
  for (std::size_t v = 0; v < 3; ++v) {
    first.push_back(pair.frames(v));
    pair.reset(v);
  }
  pair.voices().reset();
  EXPECT_EQ(pair.voices().compute_seconds(), 0.0);
  pair.step({3000, 2000, 1000});
  pair.flush({1});
  for (std::size_t v = 0; v < 3; ++v) {
    EXPECT_EQ(pair.frames(v), first[v]);
  }
  EXPECT_GT(pair.voices().compute_seconds(), 0.0);
}

// A place that changes hands: the next stream has its own seed, identity and idle motion.
TEST(Voices, ResetTakesAnotherStreamsOptions) {
  for (const bool head : {false, true}) {
    const auto model = RandomModel::small_with_context().build();
    MotionOptions motion;
    motion.head = head;
    Voices voices(model, options_of(5), {}, motion, 2);
    const std::vector<float> audio = speech_like(9000);
    const auto run = [&](std::int64_t voice) {
      std::vector<float> frames(
          static_cast<std::size_t>((voices.frames_due(voice, 9000) + 20) * voices.width()));
      std::vector<Voices::Chunk> chunks(5);
      std::vector<std::vector<float>> others(5, std::vector<float>(40 * 55));
      for (std::size_t v = 0; v < 5; ++v) {
        chunks[v] = {audio.data(), 300, others[v].data()};
      }
      const std::int64_t due = voices.frames_due(voice, 9000);
      chunks[static_cast<std::size_t>(voice)] = {audio.data(), 9000, frames.data()};
      voices.step(chunks.data());
      frames.resize(static_cast<std::size_t>(due * voices.width()));
      return frames;
    };
    run(3);
    const struct {
      VoiceOptions options;
      double idle;
    } turns[] = {{{77, 2}, 0.5}, {{5, kAutoIdentity}, 1.0}, {{5, 0}, 0.0}, {{0, 1}, 1.0}};
    for (const auto& turn : turns) {
      voices.reset(3, turn.options, turn.idle);
      MotionOptions alone = motion;
      alone.idle = turn.idle;
      Runtime runtime(model, turn.options.seed, turn.options.identity, BackendOptions(), alone);
      std::vector<float> expected(
          static_cast<std::size_t>(runtime.frames_due(9000) * voices.width()));
      runtime.step(audio.data(), 9000, expected.data());
      EXPECT_EQ(run(3), expected);
      voices.reset(3);  // the same again
      EXPECT_EQ(run(3), expected);
    }
    expect_refusal<std::invalid_argument>([&] { voices.reset(3, {1, 99}, 1.0); },
                                          {"identity", "99"});
    expect_refusal<std::invalid_argument>([&] { voices.reset(3, {1, 0}, 1.5); }, {"idle", "1.5"});
    const std::int64_t before = dt_test::allocations();
    voices.reset(3, {9, 1}, 0.25);
    EXPECT_EQ(dt_test::allocations(), before);
  }
}

TEST(Voices, RefuseWhatCannotBe) {
  const auto model = RandomModel::small().build();
  expect_refusal<std::invalid_argument>([&] { Voices(model, {}); },
                                        {"streams: expected at least 1, got 0"});
  for (const std::int64_t threads : {0, -3}) {
    expect_refusal<std::invalid_argument>(
        [&] { Voices(model, options_of(2), {}, {}, threads); },
        {"threads: expected at least 1, got " + std::to_string(threads)});
  }
  expect_refusal<std::invalid_argument>([&] { Voices(model, {{1, 0}, {2, 3}}); }, {"identity"});
  expect_refusal<std::invalid_argument>([&] { Voices(model, options_of(2), "abacus"); },
                                        {"abacus"});
  Voices voices(model, options_of(2));
  for (const std::int64_t stream : {-1, 2}) {
    expect_refusal<std::invalid_argument>(
        [&] { voices.reset(stream); }, {"stream: expected 0 to 1, got ", std::to_string(stream)});
    EXPECT_THROW(voices.frames_due(stream, 0), std::invalid_argument);
  }
}

TEST(Voices, CanBeMoved) {
  const auto model = RandomModel::small().build();
  std::vector<float> audio = speech_like(2000), got(60 * 52, 0.0F), expected = got;
  Voices first(model, options_of(1), {}, {}, 2);
  Voices second = std::move(first);
  const Voices::Chunk chunk = {audio.data(), 2000, got.data()};
  second.step(&chunk);
  Runtime(model, 0, 0).step(audio.data(), 2000, expected.data());
  EXPECT_EQ(got, expected);
}

// From the first step on, on every thread.
TEST_P(VoicesOn, AllocateNothingOnceBuilt) {
  const auto model = RandomModel::small_with_context().build(GetParam());
  const std::vector<float> audio = speech_like(8000);
  constexpr std::size_t kStreams = 67;
  std::vector<std::vector<float>> frames(kStreams, std::vector<float>(60 * 52));
  std::vector<Voices::Chunk> chunks(kStreams);
  std::vector<float*> places;
  for (std::vector<float>& place : frames) {
    places.push_back(place.data());
  }
  const std::unique_ptr<bool[]> ending(new bool[kStreams]());
  for (std::size_t v = 0; v < kStreams; v += 2) {
    ending[v] = true;
  }
  for (const std::int64_t threads : {1, 2}) {
    Voices voices(model, options_of(kStreams), {}, {}, threads);
    const std::int64_t before = dt_test::allocations_of_all_threads();
    for (int round = 0; round < 2; ++round) {
      std::int64_t at = 0;
      for (const std::int64_t most : {0, 1, 160, 256, 1800}) {
        for (std::size_t v = 0; v < kStreams; ++v) {
          const std::int64_t count =
              v % 3 == 2 ? 0 : most - (most > 1 ? static_cast<std::int64_t>(v) : 0);
          chunks[v] = {audio.data() + at, count, frames[v].data()};
        }
        voices.step(chunks.data());
        at += most;
      }
      voices.flush(ending.get(), places.data());
      voices.reset();
    }
    EXPECT_EQ(dt_test::allocations_of_all_threads(), before) << threads << " threads";
  }
}

}  // namespace
}  // namespace dt
