// The stages around the network: the same code on every instruction set.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arithmetic/elementary.h"
#include "audio/log_mel_stream.h"
#include "audio/resampler.h"
#include "audio/voice.h"
#include "curves/idle.h"
#include "curves/knobs.h"
#include "curves/postprocess.h"
#include "dt/noise.h"
#include "features/alignment.h"
#include "features/identity.h"
#include "random_model.h"
#include "stages.h"

namespace dt_digest {
namespace {

using dt_test::Random;

const std::vector<std::string> kCurves = {
    "jawOpen",          "eyeBlinkLeft",    "eyeBlinkRight",  "eyeLookInLeft",   "eyeLookInRight",
    "eyeLookOutLeft",   "eyeLookOutRight", "eyeLookUpLeft",  "eyeLookUpRight",  "eyeLookDownLeft",
    "eyeLookDownRight", "eyeSquintLeft",   "eyeSquintRight", "eyeWideLeft",     "eyeWideRight",
    "browDownLeft",     "browDownRight",   "browInnerUp",    "browOuterUpLeft", "browOuterUpRight"};

void elementary(const Heard&, Digest& digest) {
  for (int i = -8000; i <= 8000; ++i) {
    const double x = 0.0937 * i;
    digest.add(dt::arithmetic::exp(x));
    digest.add(dt::arithmetic::exp(x * 1e-3));
    digest.add(dt::arithmetic::log(1.0 + x * x));
    digest.add(dt::arithmetic::log(0x1p-1060 * (1.0 + x * x)));
    digest.add(dt::arithmetic::cos_of_turn(i, 4801));
    digest.add(dt::arithmetic::sin_of_turn(i, 4801));
  }
  Random random(1);
  std::vector<float> values = random.vector(3001, 0.5F, 0.5F);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float square = values[i] * values[i];
    values[i] = i % 3 == 0 ? values[i] : i % 3 == 1 ? square * square * 1e-20F : 1e20F * square;
  }
  dt::arithmetic::log10(values.data(), static_cast<std::int64_t>(values.size()), values.data());
  digest.add(values);
}

void noise(const Heard&, Digest& digest) {
  std::vector<float> values(52), scale(52);
  for (std::size_t c = 0; c < scale.size(); ++c) {
    scale[c] = c % 3 == 0 ? 0.0F : 1.0F / static_cast<float>(c);
  }
  for (std::int64_t frame = 0; frame < 500; ++frame) {
    dt::normal_noise(7, frame * frame * 1000003, 52, values.data());
    digest.add(values);
    dt::normal_noise(8, frame, 52, values.data(), scale.data());
    digest.add(values);
  }
}

// The clip as if it were of other rates; the last has a filter of its own for every sample.
void resampler(const Heard& heard, Digest& digest) {
  constexpr std::pair<std::int64_t, std::size_t> kRates[] = {
      {8000, 4000}, {44100, 12000}, {48000, 12000}, {192000, 12000}, {44099, 3000}};
  for (const auto& [rate_hz, samples] : kRates) {
    dt::Resampler stage(std::make_shared<const dt::ResamplingFilter>(rate_hz));
    std::vector<float> out;
    for (std::size_t at = 0, piece = 1; at < samples; at += piece, piece = piece * 3 % 1000 + 1) {
      const auto count = static_cast<std::int64_t>(std::min(piece, samples - at));
      const std::size_t before = out.size();
      out.resize(before + static_cast<std::size_t>(stage.most(count)));
      const std::int64_t made = stage.push(&heard.clip[at], count, &out[before]);
      out.resize(before + static_cast<std::size_t>(made));
    }
    digest.add(out);
  }
}

void log_mel(const Heard& heard, Digest& digest) {
  digest.add(heard.mel);
  digest.add(heard.level_db);
}

void voice(const Heard& heard, Digest& digest) {
  for (std::int64_t m = 0; m < heard.columns; ++m) {
    digest.add(static_cast<std::uint32_t>(heard.voiced_columns[static_cast<std::size_t>(m)]));
  }
}

void alignment(const Heard& heard, Digest& digest) {
  digest.add(heard.audio);
  for (std::int64_t f = 0; f < heard.frames; ++f) {
    digest.add(static_cast<std::uint32_t>(heard.voiced[static_cast<std::size_t>(f)]));
  }
}

void identity(const Heard& heard, Digest& digest) {
  const dt_test::RandomModel model = dt_test::RandomModel::small();
  dt::IdentityMatcher matcher(model.build("scalar"), dt::kAutoIdentity);
  std::vector<float> features(heard.audio.size());
  matcher.push(heard.audio.data(), heard.voiced.get(), heard.frames, features.data());
  digest.add(features);
  digest.add(matcher.scores());
}

// Curves from the model's hands, some out of their limits.
std::vector<float> raw_curves(const Heard& heard) {
  return Random(2).vector(heard.frames * static_cast<std::int64_t>(kCurves.size()), 0.8F, 0.4F);
}

void postprocess(const Heard& heard, Digest& digest) {
  std::vector<dt::CurveOptions> options(kCurves.size());
  for (std::size_t c = 0; c < options.size(); ++c) {
    options[c].gain = 1.0F + 0.01F * static_cast<float>(c);
    options[c].smoothing_ms = 3.7F * static_cast<float>(c);
    options[c].gated = c % 2 == 0;
    options[c].rest = c % 4 == 0 ? 0.125F : 0.0F;
  }
  std::vector<float> curves = raw_curves(heard);
  dt::PostProcess stage(options, dt::GateOptions(), heard.time);
  stage.push(heard.voiced.get(), heard.frames, curves.data());
  digest.add(curves);
}

void idle(const Heard& heard, Digest& digest) {
  dt::ModelConfig config;
  config.curves = kCurves;
  config.curve_options.resize(kCurves.size());
  dt::IdleMotion motion(config, {0.9, true}, 11, heard.time);
  std::vector<float> curves = raw_curves(heard);
  curves.resize(static_cast<std::size_t>(heard.frames) * (kCurves.size() + 3));
  motion.push(heard.voiced.get(), heard.frames, curves.data());
  digest.add(curves);
}

void knobs(const Heard& heard, Digest& digest) {
  const auto width = static_cast<std::int64_t>(kCurves.size());
  const std::vector<float> gain = Random(3).vector(width, 0.5F, 1.0F);
  const std::vector<float> offset = Random(4).vector(width, 0.1F);
  std::vector<float> curves = raw_curves(heard);
  dt::Knobs stage(width, width, heard.time.frame_seconds());
  stage.set(gain.data(), offset.data(), 41.0);
  stage.push(heard.frames, curves.data());
  digest.add(curves);
}

}  // namespace

Heard::Heard(std::vector<float> samples) : clip(std::move(samples)) {
  const dt::LogMel log_mel;
  log_mel.columns(clip.data(), clip.size(), false, &mel, &level_db);
  columns = static_cast<std::int64_t>(level_db.size());
  voiced_columns.reset(new bool[level_db.size()]);
  dt::VoiceDetector voice{dt::GateOptions()};
  voice.push(level_db.data(), columns, voiced_columns.get());

  std::vector<float> features(static_cast<std::size_t>(columns * kChannels));
  for (std::int64_t m = 0; m < columns; ++m) {
    const float* row = mel.data() + m * dt::LogMel::kBands;
    std::copy(row, row + kChannels, features.data() + m * kChannels);
  }
  const auto samples_heard = static_cast<std::int64_t>(clip.size());
  audio.resize(static_cast<std::size_t>(time.most_frames_in(samples_heard) * kChannels));
  voiced.reset(new bool[audio.size()]);
  dt::Alignment alignment(time, kChannels, dt::GateOptions().lookback_ms, columns);
  frames = alignment.push(features.data(), voiced_columns.get(), columns, samples_heard,
                          audio.data(), voiced.get());
  audio.resize(static_cast<std::size_t>(frames * kChannels));
}

const std::vector<Stage>& stages_around() {
  static const std::vector<Stage> stages = {
      {"elementary", elementary},
      {"noise", noise},
      {"resampler", resampler},
      {"log_mel", log_mel},
      {"voice", voice},
      {"alignment", alignment},
      {"identity", identity},
      {"postprocess", postprocess},
      {"idle", idle},
      {"knobs", knobs},
  };
  return stages;
}

}  // namespace dt_digest
