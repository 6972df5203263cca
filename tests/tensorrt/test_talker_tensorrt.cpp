// The whole path on the TensorRT backend's real source and stand-ins for CUDA and TensorRT. The
// stand-in engine computes with the CPU's stages, so that results are compared bit by bit: what is
// tested is who takes part in a launch, with what, and whose states go where.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "dt/backend.h"
#include "dt/log_mel.h"
#include "dt/model.h"
#include "dt/runtime.h"
#include "dt/voices.h"
#include "engine_test.h"
#include "features/encoder.h"
#include "features/identity.h"
#include "random_model.h"
#include "sampler/cpu/backend_cpu.h"
#include "sampler/tensorrt/tensorrt_talker.h"
#include "standin/standin.h"
#include "weights/model.h"

namespace {

using dt::BackendOptions;
using dt::TensorRtTalker;
using standin::control;

constexpr std::int64_t kCurves = 52;

std::size_t size_of(std::int64_t n) { return static_cast<std::size_t>(n); }

// An engine whose states hold a number each in all their places: of what the voice has behind it,
// 0 at its start. So a state that was not swapped, not kept or not forgotten shows.
class Engine {
 public:
  explicit Engine(std::shared_ptr<const dt::Model> model) : model_(std::move(model)) {}

  void compute(const standin::Tensors& t) {
    const std::lock_guard<std::mutex> lock(mutex_);  // the voices of several threads
    const std::int64_t voices = t.at("mel").shape[0];
    for (std::int64_t v = 0; v < voices; ++v) {
      const auto number = [&](const char* name) { return t.at(name).data[v]; };
      float past = past_of(t, v);
      if (number("columns") > 0.0F || number("frame") > 0.0F) {
        past = advance(t, v, past);
      }
      for (const auto& [name, tensor] : t) {
        if (name.rfind("next_", 0) == 0) {
          std::fill_n(row(tensor, v), width(tensor), past);
        }
      }
    }
  }

 private:
  struct Past {
    dt::EncoderState encoder;
    dt::IdentityMatcher identity;
    std::vector<float> heard, cells;
  };

  static std::int64_t width(const standin::Tensor& tensor) {
    return tensor.shape[1] * tensor.shape[2];
  }
  static float* row(const standin::Tensor& tensor, std::int64_t voice) {
    return tensor.data + voice * width(tensor);
  }

  // The number that all of a voice's states hold.
  static float past_of(const standin::Tensors& t, std::int64_t voice) {
    const float first = *row(t.at("state"), voice);
    for (const auto& [name, tensor] : t) {
      if (t.count("next_" + name) > 0) {
        const float* begin = row(tensor, voice);
        EXPECT_TRUE(std::all_of(begin, begin + width(tensor), [&](float x) { return x == first; }))
            << name << " of voice " << voice;
        EXPECT_NE(tensor.data, t.at("next_" + name).data);
      }
    }
    return first;
  }

  float advance(const standin::Tensors& t, std::int64_t v, float past) {
    const auto number = [&](const char* name) { return t.at(name).data[v]; };
    const dt::ModelWeights& weights = dt::ModelWeights::of(*model_);
    const std::int64_t channels = weights.config.channels;
    const std::int64_t columns = static_cast<std::int64_t>(number("columns"));
    const bool frame = number("frame") > 0.0F, voiced = number("voiced") > 0.0F;
    Past now = past == 0.0F
                   ? start(static_cast<std::int64_t>(number("first")), number("follow") > 0.0F)
                   : pasts_.at(past);
    std::vector<float> features(size_of(columns * channels));
    const dt::Encoder::Job job = {&now.encoder, row(t.at("mel"), v), columns, features.data()};
    dt::Encoder(model_).push(&job, 1);
    now.heard.insert(now.heard.end(), features.begin(), features.end());
    now.heard.erase(now.heard.begin(), now.heard.end() - 2 * channels);
    float* curves = row(t.at("curves"), v);
    std::fill_n(curves, kCurves, std::numeric_limits<float>::quiet_NaN());
    if (frame) {
      std::vector<float> audio(now.heard.begin() + channels, now.heard.end()), identity(audio);
      const float share = number("share");
      for (std::size_t c = 0; c < audio.size() && share != 1.0F; ++c) {
        audio[c] = (1.0F - share) * now.heard[c] + share * audio[c];
      }
      now.identity.push(audio.data(), &voiced, 1, identity.data());
      *row(t.at("identity_row"), v) = static_cast<float>(now.identity.current());
      std::copy(now.identity.scores().begin(), now.identity.scores().end(),
                row(t.at("identity_scores"), v));
      if (number("sampled") > 0.0F) {
        dt::CpuBackend cpu(model_);
        cpu.write_state(now.cells.data());
        cpu.sample(1, audio.data(), identity.data(), row(t.at("noise"), v), curves);
        cpu.read_state(now.cells.data());
        for (std::size_t c = 0; c < size_of(kCurves); ++c) {
          curves[c] = curves[c] * weights.std[c] + weights.mean[c];
        }
      }
    }
    pasts_.emplace(++newest_, std::move(now));
    return newest_;
  }

  Past start(std::int64_t first, bool follow) const {
    const std::int64_t channels = model_->config().channels;
    return {dt::EncoderState(*model_),
            dt::IdentityMatcher(model_, follow ? dt::kAutoIdentity : first),
            std::vector<float>(size_of(2 * channels)), std::vector<float>(size_of(cells()))};
  }

  std::int64_t cells() const {
    return model_->sample_steps() * model_->config().layers * model_->config().hidden;
  }

  std::shared_ptr<const dt::Model> model_;
  std::mutex mutex_;
  std::map<float, Past> pasts_;
  float newest_ = 0.0F;
};

class Talker : public dt_test::EngineTest<TensorRtTalker> {
 protected:
  void SetUp() override { use(dt_test::RandomModel::small_with_context()); }

  void use(const dt_test::RandomModel& kind) {
    model_ = kind.build();
    begin();
    auto engine = std::make_shared<Engine>(model_);
    control().compute = [engine](const standin::Tensors& t) { engine->compute(t); };
    add_engine(ports());
  }

  // A port a line; see standin/nvinfer.cpp.
  std::vector<std::string> ports() const {
    const auto& c = model_->config();
    std::vector<std::string> lines;
    const auto line = [&](const std::string& what, std::int64_t rows, std::int64_t width) {
      lines.push_back(what + " float32 -1 " + std::to_string(rows) + " " + std::to_string(width) +
                      " voices 1 8");
    };
    const auto state = [&](const std::string& name, std::int64_t rows, std::int64_t width) {
      line("input " + name, rows, width);
      line("output next_" + name, rows, width);
    };
    line("input mel", 2, 80);
    line("input noise", 1, kCurves);
    for (const char* name : {"columns", "frame", "sampled", "voiced", "share", "follow", "first"}) {
      line(std::string("input ") + name, 1, 1);
    }
    line("output curves", 1, kCurves);
    line("output identity_row", 1, 1);
    line("output identity_scores", 1, 3);
    state("history_input", 2, 80);
    for (std::size_t i = 0; i < c.dilations.size(); ++i) {
      state("history_" + std::to_string(i), 2 * c.dilations[i], c.channels);
    }
    if (c.context) {
      state("clock", 1, 1);
      state("history_context", 2, c.context->width);
      state("held", 1, c.channels);
      for (int layer = 0; layer < c.context->layers; ++layer) {
        state("keys_" + std::to_string(layer), c.context->window, c.context->width);
        state("values_" + std::to_string(layer), c.context->window, c.context->width);
      }
    }
    state("heard", 2, c.channels);
    for (const char* name : {"voiced_frames", "row", "challenger", "slew_left"}) {
      state(name, 1, 1);
    }
    for (const char* name : {"mean", "slew_from", "identity"}) {
      state(name, 1, c.channels);
    }
    state("scores", 1, 3);
    state("state", model_->sample_steps() * c.layers, c.hidden);
    return lines;
  }

  void add_engine(const std::vector<std::string>& lines) {
    options_.engines = {{write_engine(lines), 1, "10.16.0.72", {86, 89}, "talker"}};
  }

  void change_port(const std::string& from, const std::string& to) {
    std::vector<std::string> lines = ports();
    for (std::string& line : lines) {
      if (line.rfind(from, 0) == 0) {
        line = to + line.substr(from.size());
      }
    }
    add_engine(lines);
  }

  std::vector<float> with_cpu(const std::vector<float>& audio,
                              std::int64_t identity = dt::kAutoIdentity) const {
    dt::Runtime runtime(model_, 3, identity);
    return dt_test::run(runtime, kCurves, audio, {});
  }
};

TEST_F(Talker, AnyChunkingGivesTheBitsOfTheEngine) {
  using dt_test::RandomModel;
  const std::vector<float> audio = dt_test::speech_like(24000);
  for (const RandomModel& kind : {RandomModel::small(), RandomModel::small_with_context()}) {
    use(kind);
    dt::Runtime cpu(model_, 3, dt::kAutoIdentity);
    const std::vector<float> expected = dt_test::run(cpu, kCurves, audio, {});
    dt::Runtime runtime(model_, 3, dt::kAutoIdentity, options_);
    EXPECT_EQ(dt_test::run(runtime, kCurves, audio, {}), expected);
    EXPECT_EQ(runtime.identity(), cpu.identity());
    EXPECT_EQ(runtime.identity_scores(), cpu.identity_scores());
    dt_test::Random random(5);
    for (int i = 0; i < 2; ++i) {
      runtime.reset();
      std::vector<std::int64_t> sizes;
      for (int n = 0; n < 40; ++n) {
        sizes.push_back(random.below(900));
      }
      EXPECT_EQ(dt_test::run(runtime, kCurves, audio, sizes), expected);
    }
    EXPECT_EQ(control().launches, 4);  // two to warm up and two recorded: the rest were graphs
  }
}

// Voices that begin, pause, begin anew and end at times of their own.
TEST_F(Talker, RaggedStreamsAreRuntimesOfTheirOwn) {
  const std::vector<dt::VoiceOptions> streams = {{3, 0}, {4, dt::kAutoIdentity}, {3, 2}, {9, 1}};
  const std::vector<float> audio = dt_test::speech_like(32000);
  for (const std::int64_t threads : {1, 2}) {
    dt::Voices voices(model_, streams, options_, {}, threads);
    std::vector<dt::Runtime> alone;
    for (const dt::VoiceOptions& stream : streams) {
      alone.emplace_back(model_, stream.seed, stream.identity);
    }
    dt_test::Random random(13);
    std::vector<std::int64_t> at(streams.size(), 0);
    for (int round = 0; round < 60; ++round) {
      if (round == 20 || round == 41) {
        const std::int64_t begun = round == 20 ? 1 : 2;
        voices.reset(begun);
        alone[size_of(begun)].reset();
        at[size_of(begun)] = 0;
      }
      std::vector<std::vector<float>> got, expected;
      std::vector<dt::Voices::Chunk> chunks;
      for (std::size_t v = 0; v < streams.size(); ++v) {
        const std::int64_t count = random.below(3) == 0 ? 0 : random.below(800);
        const std::int64_t due = voices.frames_due(static_cast<std::int64_t>(v), count);
        got.emplace_back(size_of(due * kCurves));
        expected.push_back(got.back());
        alone[v].step(audio.data() + at[v], count, expected[v].data());
        chunks.push_back({audio.data() + at[v], count, nullptr});
        at[v] += count;
      }
      for (std::size_t v = 0; v < streams.size(); ++v) {
        chunks[v].frames = got[v].data();
      }
      voices.step(chunks.data());
      ASSERT_EQ(got, expected) << "round " << round << ", " << threads << " threads";
      for (std::size_t v = 0; v < streams.size(); ++v) {
        const auto stream = static_cast<std::int64_t>(v);
        ASSERT_EQ(voices.identity(stream), alone[v].identity());
        ASSERT_EQ(voices.identity_scores(stream), alone[v].identity_scores());
      }
    }
    // Two of them end while the others go on.
    const bool ending[] = {true, false, true, false};
    std::vector<std::vector<float>> got(streams.size()), expected(streams.size());
    std::vector<float*> places;
    for (std::size_t v = 0; v < streams.size(); ++v) {
      got[v].resize(size_of(voices.frames_owed(static_cast<std::int64_t>(v)) * kCurves));
      expected[v].resize(got[v].size());
      places.push_back(got[v].data());
      if (ending[v]) {
        alone[v].flush(expected[v].data());
      }
    }
    voices.flush(ending, places.data());
    for (const std::size_t v : {0, 2}) {
      EXPECT_EQ(got[v], expected[v]);
    }
  }
}

// However many voices have a frame, and however many have none: one launch.
TEST_F(Talker, ATickIsOneLaunch) {
  constexpr std::int64_t kVoices = 8;
  dt::Voices voices(model_, std::vector<dt::VoiceOptions>(size_of(kVoices)), options_);
  const std::vector<float> audio = dt_test::speech_like(16000);
  std::vector<float> frames(size_of(kVoices * 64 * kCurves));
  const auto step = [&](std::int64_t first, std::int64_t samples) {
    std::vector<dt::Voices::Chunk> chunks(size_of(kVoices));
    for (std::int64_t v = first; v < kVoices; ++v) {
      chunks[size_of(v)] = {audio.data(), samples, &frames[size_of(v * 64 * kCurves)]};
    }
    const int before = control().graph_launches;
    voices.step(chunks.data());
    return control().graph_launches - before;
  };
  const std::int64_t lookahead = model_->lookahead_samples();
  step(0, lookahead);  // frame 0, whose columns do not all fit its own tick
  const std::int64_t frame = 16000 / 60;
  EXPECT_EQ(step(0, frame + 1), 1);
  EXPECT_EQ(step(3, frame + 1), 1);  // some sit out
  EXPECT_EQ(step(7, frame + 1), 1);
  EXPECT_EQ(step(0, 3), 0);  // sound, and no frame
  EXPECT_EQ(step(8, 0), 0);
}

TEST_F(Talker, VoicesWithoutStepsAreHeardAndNotSampled) {
  const std::vector<float> audio = dt_test::speech_like(8000);
  const std::vector<dt::VoiceOptions> streams = {{3, 0}, {4, dt::kAutoIdentity}};
  dt::Voices gpu(model_, streams, options_), cpu(model_, streams);
  EXPECT_FALSE(gpu.takes_fewer_steps());
  for (std::int64_t at = 0; at < 8000; at += 500) {
    for (dt::Voices* voices : {&gpu, &cpu}) {
      voices->set_steps(1, at / 2000 % 2 == 1 ? 0 : model_->sample_steps());
    }
    std::vector<std::vector<float>> out;
    for (dt::Voices* voices : {&gpu, &cpu}) {
      std::vector<float> frames(size_of(2 * 8 * kCurves));
      const dt::Voices::Chunk chunks[] = {{audio.data() + at, 500, frames.data()},
                                          {audio.data() + at, 500, &frames[8 * kCurves]}};
      voices->step(chunks);
      out.push_back(frames);
    }
    ASSERT_EQ(out[0], out[1]) << at;
  }
}

TEST_F(Talker, WithoutGraphsTheValuesAreTheSame) {
  const std::vector<float> audio = dt_test::speech_like(8000);
  for (const char* call : {"cudaStreamBeginCapture", "cudaGraphInstantiateWithFlags"}) {
    for (const int working : {0, 1}) {  // the first role's graph, or the second's
      control().graph_launches = 0;
      control().failing_call = call;
      control().working_calls = working;
      EXPECT_NE(TensorRtTalker(model_, options_, 1)
                    .describe()
                    .find(std::string("without a CUDA graph: CUDA: ") + call),
                std::string::npos);
      control().working_calls = working;
      dt::Runtime runtime(model_, 3, dt::kAutoIdentity, options_);
      EXPECT_EQ(dt_test::run(runtime, kCurves, audio, {}), with_cpu(audio));
      EXPECT_EQ(control().graph_launches, 0);
    }
  }
}

// A device that fails: a sentence, and every stream has to begin anew, in whatever order.
TEST_F(Talker, AFailedLaunchIsASentenceAndAsksForResets) {
  const std::vector<float> audio = dt_test::speech_like(8000);
  const std::vector<float> expected = with_cpu(audio, 0);
  for (const char* call : {"cudaGraphLaunch", "cudaEventRecord", "cudaEventSynchronize"}) {
    for (const int working : {0, 1, 6}) {
      dt::Voices voices(model_, {{3, 0}, {3, 0}}, options_);
      std::vector<float> frames[2] = {std::vector<float>(64 * kCurves),
                                      std::vector<float>(64 * kCurves)};
      const auto step = [&](std::int64_t first, std::int64_t samples) {
        const dt::Voices::Chunk chunks[] = {
            {audio.data(), first == 0 ? samples : 0, frames[0].data()},
            {audio.data(), samples, frames[1].data()}};
        voices.step(chunks);
      };
      control().failing_call = call;
      control().working_calls = working;
      try {
        step(0, 4000);
        FAIL() << call << " was not missed";
      } catch (const std::runtime_error& error) {
        EXPECT_NE(std::string(error.what()).find(std::string("CUDA: ") + call + " failed"),
                  std::string::npos)
            << error.what();
      }
      control().failing_call = "";
      voices.reset(1);  // one is whole again
      step(1, 8000);
      std::vector<float> whole(expected.begin(), expected.begin() + voices.frames(1) * kCurves);
      EXPECT_TRUE(std::equal(whole.begin(), whole.end(), frames[1].begin()));
      try {
        step(0, 4000);
        FAIL() << "a stream in an unknown state went on";
      } catch (const std::runtime_error& error) {
        EXPECT_NE(std::string(error.what()).find("reset the stream first"), std::string::npos);
      }
      voices.reset();
      step(0, 8000);
      for (const std::vector<float>& own : frames) {
        EXPECT_TRUE(std::equal(whole.begin(), whole.end(), own.begin()));
      }
    }
  }
}

TEST_F(Talker, ALaunchThatTensorRtRefusesIsASentence) {
  control().failing_call = "cudaStreamBeginCapture";  // so that launches are not graphs
  dt::Runtime runtime(model_, 3, 0, options_);
  control().working_launches = 0;
  const std::vector<float> audio = dt_test::speech_like(4000);
  std::vector<float> frames(64 * kCurves);
  try {
    runtime.step(audio.data(), 4000, frames.data());
    FAIL() << "not refused";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("the launch failed"), std::string::npos);
  }
}

TEST_F(Talker, SaysWhatItRunsOn) {
  EXPECT_EQ(TensorRtTalker(model_, options_, 4).describe(),
            "TensorRT 10.16.0 on Stand-in (compute capability 8.9), 4 voices, the whole path as a "
            "CUDA graph");
}

TEST_F(Talker, ChecksEveryBindingBeforeTheFirstStep) {
  change_port("input mel float32 -1 2", "input mel float32 -1 3");
  expect_refusal({"binding mel: expected shape (voices, 2, 80), got (voices, 3, 80)"});
  change_port("output next_clock", "output next_time");
  expect_refusal({"binding next_time: expected no such binding"});
  change_port("input heard float32", "input heard float16");
  expect_refusal({"binding heard: expected float32, got data type 1"});
  change_port("input follow", "output follow");
  expect_refusal({"binding follow: expected an input, got an output"});
  // In float16 keys and values are, and nothing else is.
  add_engine(ports());
  options_.engines[0].precision = "float16";
  expect_refusal({"binding keys_0: expected float16, got data type 0"});
  EXPECT_EQ(control().launches, 0);
}

TEST_F(Talker, SaysWhatIsMissing) {
  expect_refusal({"made for 1 to 8 voices a launch, asked for 9", "--streams 9"}, 9);
  EXPECT_THROW(TensorRtTalker(model_, options_, 0), std::invalid_argument);
  control().context_fits = false;
  expect_refusal({"no execution context", "GPU memory"});
  control().context_fits = true;
  for (const char* name : {"mel", "state", "next_state", "curves"}) {
    control().refused_address = name;
    expect_refusal({std::string("the address of ") + name + " was refused"});
  }
  control().refused_address = "";
  for (const char* call : {"cudaMalloc", "cudaHostAlloc", "cudaStreamCreateWithFlags",
                           "cudaEventCreateWithFlags", "cudaStreamSynchronize"}) {
    for (const int working : {0, 1}) {
      control().failing_call = call;
      control().working_calls = working;
      if (working == 0 || std::string(call) != "cudaStreamCreateWithFlags") {
        expect_refusal({"CUDA: ", " failed: "});
      }
    }
  }
  control().failing_call = "";
  control().devices = 0;
  expect_refusal({"no NVIDIA GPU is visible"});
}

}  // namespace
