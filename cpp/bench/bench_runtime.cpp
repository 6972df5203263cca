// Processor time a frame of the runtime on a random model of the embedded model's shape, and of one
// with convolution blocks in place of its context; each figure beside a baseline measured in the
// same run, because times alone say little about another machine.
//
//   bench_runtime [seconds per measurement, 0.5]
//   bench_runtime count    half a second of sound, frame by frame and at once, on the kernel that
//                          DT_KERNEL names: for callgrind (tests/golden/instructions.py)
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dt/kernels.h"
#include "dt/model.h"
#include "dt/runtime.h"
#include "random_model.h"
#include "sampler/cpu/backend_cpu.h"

// Callgrind counts between these two; without its header they do nothing.
#define DT_COUNT_BEGIN
#define DT_COUNT_END(name)
#if defined(__has_include)
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#undef DT_COUNT_BEGIN
#undef DT_COUNT_END
#define DT_COUNT_BEGIN CALLGRIND_START_INSTRUMENTATION
#define DT_COUNT_END(name)        \
  CALLGRIND_STOP_INSTRUMENTATION; \
  CALLGRIND_DUMP_STATS_AT(name)
#endif
#endif

namespace {

long long whole(std::int64_t value) { return value; }  // as printf wants it

// Nanoseconds of processor time a frame: the best of the repetitions that fit into `seconds` of it.
// Processor time (Windows: wall-clock time), so that other programs disturb it less.
double measure(double seconds, std::int64_t frames, const std::function<void()>& work) {
  const auto now = [] { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; };
  work();
  double best = 1e30;
  const double start = now();
  do {
    const double before = now();
    work();
    best = std::min(best, (now() - before) * 1e9 / static_cast<double>(frames));
  } while (now() - start < seconds);
  return best;
}

double sampler_ns(const std::shared_ptr<const dt::Model>& model, std::int64_t frames_a_call,
                  double seconds) {
  constexpr std::int64_t kFrames = 64;
  const std::int64_t channels = model->config().channels, curves = model->curve_count();
  dt_test::Random random(1);
  const std::vector<float> audio = random.vector(kFrames * channels);
  const std::vector<float> noise = random.vector(kFrames * curves);
  std::vector<float> x0(static_cast<std::size_t>(kFrames * curves));
  dt::CpuBackend backend(model);
  return measure(seconds, kFrames, [&] {
    for (std::int64_t f = 0; f < kFrames; f += frames_a_call) {
      backend.sample(frames_a_call, audio.data() + f * channels, audio.data() + f * channels,
                     noise.data() + f * curves, x0.data() + f * curves);
    }
  });
}

double frame_rate_hz(const dt::ModelConfig& config) {
  return static_cast<double>(config.frame_rate_num) / static_cast<double>(config.frame_rate_den);
}

double runtime_ns(const std::shared_ptr<const dt::Model>& model, std::int64_t samples_a_step,
                  double seconds) {
  constexpr std::int64_t kSamples = 32000;  // 2 s
  const std::vector<float> audio = dt_test::speech_like(kSamples);
  dt::Runtime runtime(model, 1, dt::kAutoIdentity);
  const auto count = static_cast<std::int64_t>(std::ceil(2.0 * frame_rate_hz(model->config())));
  std::vector<float> frames(static_cast<std::size_t>(count * model->curve_count()));
  return measure(seconds, count, [&] {
    runtime.reset();
    for (std::int64_t at = 0; at < kSamples; at += samples_a_step) {
      runtime.step(audio.data() + at, std::min<std::int64_t>(samples_a_step, kSamples - at),
                   frames.data());
    }
    runtime.flush(frames.data());
  });
}

// Plays the sound, so many samples a step, counted by callgrind where that runs around
// this process; says which and how many frames on a line of its own.
void count(dt::Runtime& runtime, const char* name, std::int64_t samples_a_step,
           const std::vector<float>& audio, std::vector<float>& frames) {
  const auto total = static_cast<std::int64_t>(audio.size());
  std::int64_t due = 0;
  runtime.reset();
  DT_COUNT_BEGIN;
  for (std::int64_t at = 0; at < total; at += samples_a_step) {
    const std::int64_t samples = std::min(samples_a_step, total - at);
    due += runtime.frames_due(samples);
    runtime.step(audio.data() + at, samples, frames.data());
  }
  DT_COUNT_END(name);
  std::printf("%lld frames, %s\n", whole(due), name);
}

// Half a second through the embedded shape, as a live voice and as a clip. Returns the exit code.
int count_both() {
  const dt_test::RandomModel random_model = dt_test::RandomModel::embedded();
  dt::Runtime runtime(random_model.build(""), 1, dt::kAutoIdentity);
  const std::vector<float> audio = dt_test::speech_like(8000);
  std::vector<float> frames(50 * random_model.config.curves.size());  // 100 Hz at most
  count(runtime, "frame by frame", 256, audio, frames);
  count(runtime, "whole clip", 8000, audio, frames);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "count") == 0) {
    return count_both();
  }
  const double seconds = argc > 1 ? std::atof(argv[1]) : 0.5;
  const dt_test::RandomModel random_model = dt_test::RandomModel::embedded();
  constexpr std::int64_t kFramesACall[] = {1, 2, 4, 8, 16, 64};

  const dt::ModelConfig& shape = random_model.config;
  std::printf(
      "the embedded model's shape: %zu blocks of %lld channels, a context of %lld layers of "
      "width %lld, %lld GRU layers of %lld, %lld identities\n\n",
      shape.dilations.size(), whole(shape.channels),
      whole(shape.context ? shape.context->layers : 0),
      whole(shape.context ? shape.context->width : 0), whole(shape.layers), whole(shape.hidden),
      whole(random_model.identities));
  std::printf("sampler alone, %zu steps; baseline: the scalar kernel, one frame a call\n",
              shape.alpha_bar.size());
  std::printf("%-8s %14s %12s %10s %22s\n", "kernel", "frames a call", "ns a frame", "baseline x",
              "one frame a call x");
  const double baseline = sampler_ns(random_model.build("scalar"), 1, seconds);
  for (const std::string& kernel : dt::available_kernels()) {
    const auto model = random_model.build(kernel);
    double single = 0.0;
    for (const std::int64_t frames : kFramesACall) {
      const double ns = sampler_ns(model, frames, seconds);
      single = frames == 1 ? ns : single;
      std::printf("%-8s %14lld %12.0f %10.2f %22.2f\n", kernel.c_str(), whole(frames), ns,
                  baseline / ns, single / ns);
    }
  }

  const double rate_hz = frame_rate_hz(shape);
  std::printf("\nwhole runtime, %g Hz, 2 s of audio; baseline: the scalar kernel, 10 ms steps\n",
              rate_hz);
  std::printf("%-8s %14s %12s %10s %22s\n", "kernel", "ms a step", "ns a frame", "baseline x",
              "share of one core");
  const double whole_baseline = runtime_ns(random_model.build("scalar"), 160, seconds);
  for (const std::string& kernel : dt::available_kernels()) {
    const auto model = random_model.build(kernel);
    for (const std::int64_t samples : {160, 1600, 16000}) {
      const double ns = runtime_ns(model, samples, seconds);
      std::printf("%-8s %14lld %12.0f %10.2f %22.4f\n", kernel.c_str(), whole(samples / 16), ns,
                  whole_baseline / ns, ns * rate_hz * 1e-9);
    }
  }

  std::printf(
      "\neight convolution blocks and no context; baseline: the embedded shape, as above\n");
  std::printf("%-8s %14s %12s %10s %22s\n", "kernel", "ms a step", "ns a frame", "baseline x",
              "share of one core");
  const dt_test::RandomModel with_blocks = dt_test::RandomModel::with_blocks();
  for (const std::string& kernel : dt::available_kernels()) {
    const auto embedded = random_model.build(kernel), model = with_blocks.build(kernel);
    for (const std::int64_t samples : {160, 320, 800, 1600, 16000}) {
      const double before = runtime_ns(embedded, samples, seconds);
      const double ns = runtime_ns(model, samples, seconds);
      std::printf("%-8s %14lld %12.0f %10.2f %22.4f\n", kernel.c_str(), whole(samples / 16), ns,
                  ns / before, ns * rate_hz * 1e-9);
    }
  }
  return 0;
}
