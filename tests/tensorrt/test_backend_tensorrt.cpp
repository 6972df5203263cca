// The TensorRT backend's real source on stand-ins for CUDA and TensorRT (standin/). The stand-in
// engine computes with the CPU backend, so results are compared bit by bit: what is tested is the
// backend's own work, not TensorRT.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "dt/backend.h"
#include "dt/live_runtime.h"
#include "dt/model.h"
#include "dt/runtime.h"
#include "dt/voices.h"
#include "engine_test.h"
#include "random_model.h"
#include "sampler/cpu/backend_cpu.h"
#include "sampler/tensorrt/tensorrt_sampler.h"
#include "standin/standin.h"
#include "weights/model.h"

namespace {

using dt::BackendOptions;
using dt::TensorRtSampler;
using standin::control;

constexpr std::int64_t kCurves = 52;

// What the exported graph computes: every voice's frames, from its state and to its state.
void compute(const dt::Model& model, const standin::Tensors& t) {
  const auto& audio = t.at("audio");
  const std::int64_t voices = audio.shape[0], frames = audio.shape[1], channels = audio.shape[2];
  const auto& state = t.at("state");
  const std::int64_t rows = state.shape[0] * state.shape[1], hidden = state.shape[3];
  ASSERT_EQ(t.at("x0").shape, (std::vector<std::int64_t>{voices, frames, kCurves}));
  ASSERT_EQ(t.at("next_state").shape, state.shape);
  ASSERT_NE(t.at("next_state").data, state.data);
  const std::vector<float>& table = dt::ModelWeights::of(model).decoder.step_table;
  ASSERT_TRUE(std::equal(table.begin(), table.end(), t.at("step_table").data));
  dt::CpuBackend cpu(std::shared_ptr<const dt::Model>(&model, [](const dt::Model*) {}));
  std::vector<float> own(static_cast<std::size_t>(rows * hidden));
  for (std::int64_t v = 0; v < voices; ++v) {
    const auto each_row = [&](const auto& visit) {
      for (std::int64_t r = 0; r < rows; ++r) {
        visit((r * voices + v) * hidden, &own[static_cast<std::size_t>(r * hidden)]);
      }
    };
    each_row([&](std::int64_t at, float* row) {
      std::copy(state.data + at, state.data + at + hidden, row);
    });
    cpu.write_state(own.data());
    cpu.sample(frames, audio.data + v * frames * channels,
               t.at("identity").data + v * frames * channels,
               t.at("noise").data + v * frames * kCurves, t.at("x0").data + v * frames * kCurves);
    cpu.read_state(own.data());
    each_row([&](std::int64_t at, const float* row) {
      std::copy(row, row + hidden, t.at("next_state").data + at);
    });
  }
}

class TensorRt : public dt_test::EngineTest<TensorRtSampler> {
 protected:
  void SetUp() override {
    model_ = random_.build();
    begin();
    control().compute = [this](const standin::Tensors& t) { compute(*model_, t); };
    add_engine(1);
  }

  // A port a line; see standin/nvinfer.cpp.
  std::vector<std::string> ports(std::int64_t frames, const std::string& voices = "-1") const {
    const auto line = [&](const std::string& what, std::vector<std::string> shape) {
      std::string text = what + " float32";
      for (const std::string& size : shape) {
        text += " " + size;
      }
      return text + " voices 1 8";
    };
    const auto& c = model_->config();
    const std::string f = std::to_string(frames), channels = std::to_string(c.channels);
    const std::string steps = std::to_string(model_->sample_steps());
    const std::string layers = std::to_string(c.layers), hidden = std::to_string(c.hidden);
    return {line("input audio", {voices, f, channels}),
            line("input identity", {voices, f, channels}),
            line("input noise", {voices, f, std::to_string(kCurves)}),
            line("input step_table", {steps, std::to_string(c.step_dim)}),
            line("input state", {steps, layers, voices, hidden}),
            line("output x0", {voices, f, std::to_string(kCurves)}),
            line("output next_state", {steps, layers, voices, hidden})};
  }

  void add_engine(std::int64_t frames) {
    options_.engines.push_back({write_engine(ports(frames)), frames, "10.16.0.72", {86, 89}});
  }

  // Replaces a line of the engine's ports.
  void change_port(std::size_t index, const std::string& line) {
    std::vector<std::string> lines = ports(1);
    lines[index] = line;
    options_.engines[0].path = write_engine(lines);
  }

  std::vector<float> with_cpu(const std::vector<float>& audio,
                              const std::vector<std::int64_t>& sizes = {}) const {
    dt::Runtime runtime(model_, 3, 0);
    return dt_test::run(runtime, kCurves, audio, sizes);
  }

  dt_test::RandomModel random_ = dt_test::RandomModel::small();
};

// Also where the encoder has a context: that stays on the CPU with the rest of the encoder, and its
// rings are forgotten by a reset as the states on the GPU are.
TEST_F(TensorRt, AnyChunkingGivesTheBitsOfTheEngine) {
  using dt_test::RandomModel;
  const std::vector<float> audio = dt_test::speech_like(16000);
  for (const RandomModel& kind : {RandomModel::small(), RandomModel::small_with_context()}) {
    model_ = kind.build();
    control().launches = control().graph_launches = 0;
    const std::vector<float> expected = with_cpu(audio);
    dt::Runtime runtime(model_, 3, 0, options_);
    EXPECT_EQ(dt_test::run(runtime, kCurves, audio), expected);
    dt_test::Random random(5);
    for (int i = 0; i < 3; ++i) {
      runtime.reset();
      std::vector<std::int64_t> sizes;
      for (int n = 0; n < 40; ++n) {
        sizes.push_back(random.below(900));
      }
      EXPECT_EQ(dt_test::run(runtime, kCurves, audio, sizes), expected);
    }
    EXPECT_EQ(control().launches, 4);  // two to warm up and two recorded: the rest were graphs
    EXPECT_GT(control().graph_launches, 200);
  }
}

TEST_F(TensorRt, LongerEnginesTakeWhatIsDueAtOnce) {
  add_engine(4);
  add_engine(2);
  const std::vector<float> audio = dt_test::speech_like(16000);
  dt::Runtime runtime(model_, 3, 0, options_);
  EXPECT_EQ(dt_test::run(runtime, kCurves, audio), with_cpu(audio));
  EXPECT_LT(control().graph_launches, 25);  // 60 frames, most of them by four
}

TEST_F(TensorRt, TheLiveWorkerRunsIt) {
  const std::vector<float> audio = dt_test::speech_like(8000);
  dt::LiveRuntime live(model_, 3, 0, options_);
  ASSERT_EQ(live.push(audio.data(), 8000), 8000);
  live.finish();
  std::vector<float> got, part(64 * kCurves);
  while (!live.finished()) {
    live.wait(1.0);
    const auto batch = live.take(64, part.data());
    got.insert(got.end(), part.begin(), part.begin() + batch.count * kCurves);
  }
  EXPECT_EQ(got, with_cpu(audio));
}

// Streams of a Voices: a launch serves one of them, and their states lie apart.
TEST_F(TensorRt, ManyStreamsAreRuntimesOfTheirOwn) {
  add_engine(2);
  const std::vector<dt::VoiceOptions> streams = {{3, 0}, {4, 1}, {3, 2}};
  const std::vector<float> audio = dt_test::speech_like(8000);
  std::vector<dt::Runtime> alone;
  for (const dt::VoiceOptions& stream : streams) {
    alone.emplace_back(model_, stream.seed, stream.identity);
  }
  for (const std::int64_t threads : {1, 2}) {
    dt::Voices voices(model_, streams, options_, {}, threads);
    for (dt::Runtime& runtime : alone) {
      runtime.reset();
    }
    dt_test::Random random(13);
    std::vector<std::int64_t> at(streams.size(), 0);
    for (int round = 0; round < 12; ++round) {
      if (round == 6) {
        voices.reset(1);
        alone[1].reset();
        at[1] = 0;
      }
      std::vector<std::vector<float>> got, expected;
      std::vector<dt::Voices::Chunk> chunks;
      for (std::size_t v = 0; v < streams.size(); ++v) {
        const std::int64_t count = random.below(4) == 0 ? 0 : random.below(660);
        const std::int64_t due = voices.frames_due(static_cast<std::int64_t>(v), count);
        got.emplace_back(static_cast<std::size_t>(due * kCurves));
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
    }
  }
}

// A launch that fails amid a step leaves nothing behind that a reset does not clear.
TEST_F(TensorRt, AStreamBegunAgainAfterAFailedLaunchIsWhole) {
  const std::vector<float> audio = dt_test::speech_like(4000);
  const std::vector<float> expected = with_cpu(audio);
  dt::Runtime runtime(model_, 3, 0, options_);
  for (const int working : {0, 3}) {
    std::vector<float> lost(60 * kCurves);
    control().failing_call = "cudaGraphLaunch";
    control().working_calls = working;
    EXPECT_THROW(runtime.step(audio.data(), 4000, lost.data()), std::runtime_error);
    control().failing_call = "";
    runtime.reset();
    EXPECT_EQ(dt_test::run(runtime, kCurves, audio), expected);
    runtime.reset();
  }
}

TEST_F(TensorRt, WithoutGraphsTheValuesAreTheSame) {
  const std::vector<float> audio = dt_test::speech_like(8000);
  for (const char* call :
       {"cudaStreamBeginCapture", "cudaStreamEndCapture", "cudaGraphInstantiateWithFlags"}) {
    for (const int working : {0, 1}) {  // the first role's graph, or the second's
      control().graph_launches = 0;
      control().failing_call = call;
      control().working_calls = working;
      TensorRtSampler sampler(model_, options_, 1);
      EXPECT_NE(sampler.describe().find(std::string("without a CUDA graph: CUDA: ") + call),
                std::string::npos)
          << sampler.describe();
      control().working_calls = working;
      dt::Runtime runtime(model_, 3, 0, options_);
      EXPECT_EQ(dt_test::run(runtime, kCurves, audio), with_cpu(audio));
      EXPECT_EQ(control().graph_launches, 0);
    }
  }
}

TEST_F(TensorRt, ALaunchThatCannotBeRecordedRunsWithoutGraphs) {
  control().failing_call = "cudaMemcpyAsync";
  control().working_calls = 2;  // the warm-up's two; the recording's first fails
  control().failures = 1;
  TensorRtSampler sampler(model_, options_, 1);
  EXPECT_NE(sampler.describe().find("without a CUDA graph: CUDA: copying to the GPU failed"),
            std::string::npos)
      << sampler.describe();
}

// Voices that begin, pause and begin anew at different times, against one CPU backend each.
TEST_F(TensorRt, VoicesInOneLaunchAreThoseAlone) {
  constexpr std::int64_t kVoices = 4;
  const std::int64_t channels = model_->config().channels;
  add_engine(2);
  TensorRtSampler sampler(model_, options_, kVoices);
  std::vector<dt::CpuBackend> alone;
  for (std::int64_t v = 0; v < kVoices; ++v) {
    alone.emplace_back(model_);
  }
  dt_test::Random random(11);
  for (int round = 0; round < 40; ++round) {
    const std::int64_t frames = 1 + random.below(4);
    const std::vector<float> audio = random.vector(kVoices * frames * channels);
    const std::vector<float> identity = random.vector(kVoices * frames * channels);
    const std::vector<float> noise = random.vector(kVoices * frames * kCurves);
    std::vector<std::uint8_t> active;
    for (std::int64_t v = 0; v < kVoices; ++v) {
      active.push_back(round == 0 || random.below(3) > 0 ? 1 : 0);
    }
    if (round % 7 == 6) {
      const std::int64_t voice = random.below(kVoices);
      sampler.reset(voice);
      alone[static_cast<std::size_t>(voice)].reset();
    }
    std::vector<float> x0(static_cast<std::size_t>(kVoices * frames * kCurves), -7.0F);
    std::vector<float> expected = x0;
    sampler.sample(frames, active.data(), audio.data(), identity.data(), noise.data(), x0.data());
    for (std::int64_t v = 0; v < kVoices; ++v) {
      if (active[static_cast<std::size_t>(v)] != 0) {
        alone[static_cast<std::size_t>(v)].sample(
            frames, &audio[static_cast<std::size_t>(v * frames * channels)],
            &identity[static_cast<std::size_t>(v * frames * channels)],
            &noise[static_cast<std::size_t>(v * frames * kCurves)],
            &expected[static_cast<std::size_t>(v * frames * kCurves)]);
      }
    }
    ASSERT_EQ(x0, expected) << "round " << round;
  }
  // State for state.
  const std::int64_t hidden = model_->config().hidden;
  const std::int64_t rows = model_->sample_steps() * model_->config().layers;
  std::vector<float> states(static_cast<std::size_t>(rows * kVoices * hidden));
  sampler.read_state(states.data());
  std::vector<float> own(static_cast<std::size_t>(rows * hidden));
  for (std::int64_t v = 0; v < kVoices; ++v) {
    alone[static_cast<std::size_t>(v)].read_state(own.data());
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t h = 0; h < hidden; ++h) {
        ASSERT_EQ(states[static_cast<std::size_t>((r * kVoices + v) * hidden + h)],
                  own[static_cast<std::size_t>(r * hidden + h)]);
      }
    }
  }
}

TEST_F(TensorRt, AnEngineForOneNumberOfVoices) {
  options_.engines[0].path = write_engine(ports(1, "2"));
  EXPECT_EQ(refusal(2), "not refused");
  expect_refusal({"binding audio: expected shape (3, 1, 20), got (2, 1, 20)"}, 3);
}

// ---- what is missing
// -----------------------------------------------------------------------------

TEST_F(TensorRt, SaysWhatIsMissingAndNeverEntersTensorRtWithoutADevice) {
  control().device_status = cudaErrorInsufficientDriver;
  expect_refusal({"no NVIDIA driver, or one older than CUDA 13.0", "install"});
  control().device_status = cudaErrorNoDevice;
  expect_refusal({"no NVIDIA GPU is visible", "CUDA_VISIBLE_DEVICES"});
  control().device_status = cudaSuccess;
  control().devices = 0;
  expect_refusal({"no NVIDIA GPU is visible"});
  control().device_status = cudaErrorUnknown;
  expect_refusal({"cudaGetDeviceCount failed: unknown error"});
  EXPECT_EQ(control().runtimes, 0);
}

TEST_F(TensorRt, SaysWhichLibraryIsMissing) {
  options_.library = "/nowhere/libnvinfer.so.10";
  expect_refusal({"library cannot be opened", "/nowhere/libnvinfer.so.10", "pip install"});
  options_.library = OTHER_LIBRARY_FILE;
  expect_refusal({"is not TensorRT", "getInferLibVersion"});
  options_.plugin = "/nowhere/libdt_tensorrt.so";
  expect_refusal({"its library cannot be opened", "/nowhere/libdt_tensorrt.so", "build"});
  options_.plugin = OTHER_LIBRARY_FILE;
  expect_refusal({"is not the backend's library", "dt_tensorrt_api"});
  options_.plugin = "";
  expect_refusal({"not built", "TENSORRT_ROOT"});
}

TEST_F(TensorRt, RefusesAnotherVersionOfTheLibrary) {
  control().version = 8601;
  expect_refusal({"headers of version 10.16.0", "library is version 8.6.1", "TENSORRT_ROOT"});
  control().version = 100300;
  expect_refusal({"built by version 10.16.0.72", "library here is 10.3.0", "export"});
  control().version = 101600;
  control().runtime_starts = false;
  expect_refusal({"does not start (stand-in: told not to start)"});
}

TEST_F(TensorRt, RefusesAnotherComputeCapability) {
  control().major = 9;
  control().minor = 0;
  expect_refusal({"compute capability 8.6, 8.9, and Stand-in has 9.0", "--capability 9.0"});
  EXPECT_EQ(control().runtimes, 0);
  // Of several engines the one that fits is taken.
  add_engine(1);
  options_.engines.back().capabilities = {90};
  EXPECT_EQ(refusal(), "not refused");
}

TEST_F(TensorRt, RefusesAnEngineThatCannotBeRead) {
  options_.engines[0].path = write_engine(ports(1), false);
  expect_refusal({"cut short", "(stand-in: no end of the engine)", "export --tensorrt again"});
  options_.engines[0].path = "/nowhere/sampler.engine";
  expect_refusal({"/nowhere/sampler.engine: the file cannot be read", "export --tensorrt"});
  options_.engines.clear();
  EXPECT_EQ(control().runtimes, 2);
  expect_refusal({"no engine for single frames"});
  add_engine(2);
  expect_refusal({"no engine for single frames"});
}

TEST_F(TensorRt, ChecksEveryBindingBeforeTheFirstStep) {
  change_port(0, "input sound float32 -1 1 20 voices 1 8");
  expect_refusal({"binding sound: expected no such binding"});
  std::vector<std::string> lines = ports(1);
  lines.erase(lines.begin() + 3);
  options_.engines[0].path = write_engine(lines);
  expect_refusal({"binding step_table: expected one, got none"});
  change_port(2, "output noise float32 -1 1 52 voices 1 8");
  expect_refusal({"binding noise: expected an input, got an output"});
  change_port(5, "input x0 float32 -1 1 52 voices 1 8");
  expect_refusal({"binding x0: expected an output, got an input"});
  change_port(4, "input state float16 8 2 -1 24 voices 1 8");
  expect_refusal({"binding state: expected float32, got data type 1"});
  change_port(6, "output next_state float32 4 2 -1 24 voices 1 8");
  expect_refusal({"next_state: expected shape (8, 2, voices, 24), got (4, 2, voices, 24)"});
  change_port(1, "input identity float32 -1 20 voices 1 8");
  expect_refusal({"identity: expected shape (voices, 1, 20), got (voices, 20)"});
  options_.engines[0].path = write_engine(ports(2));  // for two frames, named as for one
  expect_refusal({"audio: expected shape (voices, 1, 20), got (voices, 2, 20)"});
  EXPECT_EQ(control().launches, 0);
}

TEST_F(TensorRt, RefusesMoreVoicesThanTheEngineTakes) {
  expect_refusal({"made for 1 to 8 voices a launch, asked for 9", "--streams 9"}, 9);
  EXPECT_THROW(TensorRtSampler(model_, options_, 0), std::invalid_argument);
}

TEST_F(TensorRt, SaysWhatTensorRtRefused) {
  control().context_fits = false;
  expect_refusal({"no execution context", "GPU memory"});
  control().context_fits = true;
  control().refused_shape = "state";
  expect_refusal({"the shape of state was refused"});
  control().refused_shape = "";
  for (const char* name : {"audio", "step_table", "next_state"}) {
    control().refused_address = name;
    expect_refusal({std::string("the address of ") + name + " was refused"});
  }
}

TEST_F(TensorRt, SaysWhichCallOfCudaFailed) {
  // Each call that may fail on the way, at its first and at a later use.
  for (const char* call :
       {"cudaMalloc", "cudaHostAlloc", "cudaStreamCreateWithFlags", "cudaMemcpyAsync",
        "cudaMemset2DAsync", "cudaStreamSynchronize", "cudaSetDevice"}) {
    control().failing_call = call;
    control().working_calls = 0;
    expect_refusal({"CUDA: ", " failed: "});
  }
  control().failing_call = "cudaMalloc";
  for (int working = 1; working < 5; ++working) {
    control().working_calls = working;
    expect_refusal({"cudaMalloc failed: out of memory"});
  }
}

TEST_F(TensorRt, AFailedLaunchIsASentenceAndAsksForAReset) {
  const std::int64_t channels = model_->config().channels;
  TensorRtSampler sampler(model_, options_, 2);
  const std::vector<float> zeros(static_cast<std::size_t>(2 * channels + 2 * kCurves), 0.5F);
  std::vector<float> x0(2 * kCurves), again(2 * kCurves);
  const std::uint8_t active[2] = {1, 1};
  const auto sample = [&](std::vector<float>* out) {
    sampler.sample(1, active, zeros.data(), zeros.data(), zeros.data(), out->data());
  };
  sample(&x0);
  for (const char* call : {"cudaGraphLaunch", "cudaStreamSynchronize"}) {
    control().failing_call = call;
    control().working_calls = 0;
    EXPECT_THROW(sample(&again), std::runtime_error);
    control().failing_call = "";
    try {
      sample(&again);
      FAIL() << "a sampler in an unknown state went on";
    } catch (const std::runtime_error& error) {
      EXPECT_NE(std::string(error.what()).find("reset the sampler first"), std::string::npos);
    }
    sampler.reset(0);  // one voice is not enough
    EXPECT_THROW(sample(&again), std::runtime_error);
    sampler.reset();
    sample(&again);
    EXPECT_EQ(again, x0);
  }
  EXPECT_THROW(sampler.reset(2), std::invalid_argument);
}

TEST_F(TensorRt, ALaunchThatTensorRtRefusesIsASentence) {
  control().failing_call = "cudaStreamBeginCapture";  // so that launches are not graphs
  TensorRtSampler sampler(model_, options_, 1);
  const std::vector<float> zeros(static_cast<std::size_t>(kCurves), 0.0F);
  std::vector<float> x0(kCurves);
  const std::uint8_t active = 1;
  control().working_launches = 0;
  try {
    sampler.sample(1, &active, zeros.data(), zeros.data(), zeros.data(), x0.data());
    FAIL() << "not refused";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("the launch failed"), std::string::npos);
  }
}

TEST_F(TensorRt, ProbeNamesTheGpuAndTheLibrary) {
  EXPECT_EQ(dt::tensorrt_library(PLUGIN_FILE), "tensorrt");
  EXPECT_EQ(dt::probe_tensorrt(PLUGIN_FILE, NVINFER_FILE),
            "TensorRT 10.16.0 on Stand-in (compute capability 8.9)");
  control().devices = 0;
  EXPECT_THROW(dt::probe_tensorrt(PLUGIN_FILE, NVINFER_FILE), std::runtime_error);
}

TEST_F(TensorRt, UnknownBackendsAreRefused) {
  EXPECT_THROW(dt::Runtime(model_, 3, 0, "opencl"), std::invalid_argument);
}

}  // namespace
