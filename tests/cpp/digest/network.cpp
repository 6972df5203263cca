// The network's stages and the whole runtime, with one kernel each.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dt/model.h"
#include "dt/runtime.h"
#include "dt/voices.h"
#include "features/alignment.h"
#include "features/encoder.h"
#include "features/identity.h"
#include "kernels/aligned.h"
#include "kernels/kernels.h"
#include "kernels/matrix.h"
#include "random_model.h"
#include "sampler/sampler.h"
#include "stages.h"

namespace dt_digest {
namespace {

using dt_test::Random;
using Model = std::shared_ptr<const dt::Model>;

constexpr std::uint64_t kSeed = 7;  // that of tests/golden/curves.json
// Stages are computed of the first seconds alone where that says as much: emulators and
// unoptimised builds are slow. A second fills the context's window nearly twice.
constexpr std::size_t kShortSamples = 40000;

void add(Digest& digest, const dt::AlignedFloats& values) {
  for (const float value : values) {
    digest.add(value);
  }
}

// ---- the kernels by themselves
// -------------------------------------------------------------------

// Values of all sizes, exact zeros among them.
std::vector<float> of_all_sizes(Random& random, std::int64_t n) {
  constexpr float kSizes[] = {1.0F, 1e-3F, 30.0F, 1e-12F, 0.0F, 4.0F, 1e-41F};
  std::vector<float> values = random.vector(n);
  for (float& value : values) {
    value *= kSizes[random.below(7)];
  }
  return values;
}

void add_product(const dt::Kernels& kernels, Random& random, std::int64_t rows, std::int64_t depth,
                 std::int64_t most, Digest& digest) {
  constexpr std::int64_t kBatches[] = {1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 31, 33, 64};
  std::vector<std::int8_t> values(static_cast<std::size_t>(rows * depth));
  for (std::int8_t& value : values) {
    const std::int64_t drawn = random.below(2 * most + 3) - most - 1;  // the ends more often
    value = static_cast<std::int8_t>(std::max(-most, std::min(most, drawn)));
  }
  std::vector<float> scales = random.vector(rows, 0.5F, 0.6F);
  dt::Elements elements;
  elements.values = values.data();
  elements.scales = scales.data();
  elements.row_stride = depth;
  const dt::Matrix matrix = dt::pack(dt::Precision::kInt8, elements, 1, rows, depth);
  for (const std::int64_t batch : kBatches) {
    dt::Operand operand(dt::Precision::kInt8, batch, depth);
    for (std::int64_t b = 0; b < batch; ++b) {
      const std::vector<float> row = of_all_sizes(random, depth);
      std::copy(row.begin(), row.end(), operand.row(b));
    }
    if (batch > 4) {  // the greatest sums there are
      std::fill_n(operand.row(3), depth, 1.0F);
      std::fill_n(operand.row(4), depth, -1.0F);
    }
    operand.close(kernels, batch);
    dt::AlignedFloats y(static_cast<std::size_t>(batch * matrix.rows), 0.25F);
    matrix.multiply_add(kernels, operand, batch, y.data(), matrix.rows);
    add(digest, y);
  }
}

void products(const Heard&, const ModelFile&, const std::string& kernel, Digest& digest) {
  const dt::Kernels& kernels = dt::find_kernels(kernel.c_str());
  Random random(5);
  for (const std::int64_t most : {127, 7}) {
    add_product(kernels, random, 1, 1, most, digest);
    add_product(kernels, random, 33, 100, most, digest);
    add_product(kernels, random, 52, 256, most, digest);
    add_product(kernels, random, 150, 67, most, digest);
  }
}

void activations(const Heard&, const ModelFile&, const std::string& kernel, Digest& digest) {
  const dt::Kernels& kernels = dt::find_kernels(kernel.c_str());
  Random random(6);
  for (std::int64_t n = 1; n < 300; n += 7) {
    const std::int64_t whole = dt::padded(n);
    dt::AlignedFloats x(static_cast<std::size_t>(whole), 0.0F), out(x.size(), 0.0F);
    const std::vector<float> values = of_all_sizes(random, n);
    std::copy(values.begin(), values.end(), x.begin());
    dt::AlignedFloats scale = x;
    scale[0] = 1.0F;
    std::vector<std::uint8_t> bytes(x.size());
    for (const std::int32_t zero : {0, dt::kZeroPoint}) {
      digest.add(kernels.quantise(x.data(), whole, dt::kActivationSteps, zero, bytes.data()));
      for (const std::uint8_t byte : bytes) {
        digest.add(static_cast<std::uint32_t>(byte));
      }
    }
    kernels.normalise(scale.data(), scale.data(), x.data(), n, out.data());
    add(digest, out);
    kernels.softmax(out.data(), n);
    add(digest, out);
    out = x;
    kernels.gelu(out.data(), whole);
    add(digest, out);
    const std::vector<float> input = of_all_sizes(random, 3 * whole);
    const std::vector<float> recurrent = of_all_sizes(random, 3 * whole);
    std::fill(out.begin(), out.end(), 0.5F);
    kernels.gru(input.data(), recurrent.data(), whole, out.data(), bytes.data());
    add(digest, out);
    for (const std::uint8_t byte : bytes) {
      digest.add(static_cast<std::uint32_t>(byte));
    }
  }
}

// ---- the network
// ---------------------------------------------------------------------------------

std::int64_t short_columns(const Heard& heard) {
  const auto samples = static_cast<std::int64_t>(std::min(heard.clip.size(), kShortSamples));
  return std::min(heard.columns, dt::LogMel::available_columns(samples));
}

// (columns, channels) of the short clip, `at_once` columns at a time.
std::vector<float> features_of(const Heard& heard, const Model& model, std::int64_t at_once) {
  const std::int64_t columns = short_columns(heard), channels = model->config().channels;
  dt::Encoder encoder(model);
  dt::EncoderState state(*model);
  std::vector<float> features(static_cast<std::size_t>(columns * channels));
  for (std::int64_t m = 0; m < columns; m += at_once) {
    const dt::Encoder::Job job = {&state, heard.mel.data() + m * dt::LogMel::kBands,
                                  std::min(at_once, columns - m), features.data() + m * channels};
    encoder.push(&job, 1);
  }
  return features;
}

template <std::int64_t at_once>
void encoder(const Heard& heard, const ModelFile& file, const std::string& kernel, Digest& digest) {
  digest.add(features_of(heard, file.build(kernel), at_once));
}

// What the denoising network makes of the encoder's features, `at_once` frames at a time.
template <std::int64_t at_once>
void sampler(const Heard& heard, const ModelFile& file, const std::string& kernel, Digest& digest) {
  const Model model = file.build(kernel);
  const dt::ModelConfig& config = model->config();
  const dt::TimeBase time(config.frame_rate_num, config.frame_rate_den, config.lookahead_columns);
  const std::int64_t columns = short_columns(heard), channels = config.channels;
  const auto samples = static_cast<std::int64_t>(std::min(heard.clip.size(), kShortSamples));
  const std::vector<float> features = features_of(heard, model, columns);

  std::vector<float> audio(static_cast<std::size_t>(time.most_frames_in(samples) * channels));
  const Flags voiced(new bool[static_cast<std::size_t>(time.most_frames_in(samples))]);
  dt::Alignment alignment(time, channels, config.gate.lookback_ms, columns);
  const std::int64_t frames = alignment.push(features.data(), heard.voiced_columns.get(), columns,
                                             samples, audio.data(), voiced.get());
  std::vector<float> identities(audio.size());
  dt::IdentityMatcher(model, dt::kAutoIdentity)
      .push(audio.data(), voiced.get(), frames, identities.data());
  std::vector<float> curves(static_cast<std::size_t>(frames * model->curve_count()));
  dt::Sampler stage(model, {kSeed}, {});
  for (std::int64_t f = 0; f < frames; f += at_once) {
    const dt::Sampler::Job job = {0, std::min(at_once, frames - f), audio.data() + f * channels,
                                  identities.data() + f * channels,
                                  curves.data() + f * model->curve_count()};
    stage.push(&job, 1);
  }
  digest.add(curves);
}

// ---- the whole runtime
// ---------------------------------------------------------------------------

// All frames of `clip` in chunks of `chunk_samples`, head and idle motion included.
std::vector<float> played(const Model& model, const std::vector<float>& clip,
                          std::int64_t chunk_samples) {
  dt::MotionOptions motion;
  motion.head = true;
  dt::Runtime runtime(model, kSeed, dt::kAutoIdentity, {}, motion);
  const auto total = static_cast<std::int64_t>(clip.size());
  const std::vector<std::int64_t> sizes(
      static_cast<std::size_t>((total + chunk_samples - 1) / chunk_samples), chunk_samples);
  return dt_test::run(runtime, runtime.width(), clip, sizes);
}

std::vector<float> short_clip(const Heard& heard) {
  const std::size_t samples = std::min(heard.clip.size(), kShortSamples);
  return {heard.clip.begin(), heard.clip.begin() + static_cast<std::ptrdiff_t>(samples)};
}

void curves(const Heard& heard, const ModelFile& file, const std::string& kernel, Digest& digest) {
  digest.add(played(file.build(kernel), heard.clip, static_cast<std::int64_t>(heard.clip.size())));
}

void beginning(const Heard& heard, const ModelFile& file, const std::string& kernel,
               Digest& digest) {
  digest.add(played(file.build(kernel), short_clip(heard), 256));
}

// The same stream among two others, one of which begins late and one of which is silent.
void beginning_among_others(const Heard& heard, const ModelFile& file, const std::string& kernel,
                            Digest& digest) {
  const Model model = file.build(kernel);
  dt::MotionOptions motion;
  motion.head = true;
  dt::Voices voices(model, {{1, dt::kAutoIdentity}, {kSeed, dt::kAutoIdentity}, {3, 0}}, {}, motion,
                    1);
  const std::vector<float> clip = short_clip(heard);
  const std::vector<float> silence(clip.size(), 0.0F);
  const auto width = static_cast<std::size_t>(voices.width());
  std::vector<float> frames[3];
  const auto room = [&](std::int64_t voice, std::int64_t due) {
    std::vector<float>& all = frames[voice];
    const std::size_t before = all.size();
    all.resize(before + static_cast<std::size_t>(due) * width);
    return all.data() + before;
  };
  constexpr std::int64_t kChunk = 800;
  const auto total = static_cast<std::int64_t>(clip.size());
  for (std::int64_t at = 0; at < total; at += kChunk) {
    const std::int64_t count = std::min(kChunk, total - at);
    const std::int64_t late = at < total / 4 ? 0 : count;
    const dt::Voices::Chunk chunks[] = {
        {clip.data() + at - (late == 0 ? 0 : total / 4), late, room(0, voices.frames_due(0, late))},
        {clip.data() + at, count, room(1, voices.frames_due(1, count))},
        {silence.data() + at, count, room(2, voices.frames_due(2, count))}};
    voices.step(chunks);
  }
  constexpr bool kEnding[] = {false, true, false};
  float* const last[] = {nullptr, room(1, voices.frames_owed(1)), nullptr};
  voices.flush(kEnding, last);
  digest.add(frames[1]);
}

// Sizes that fill no register, in an encoder with blocks and a context.
void odd_sizes(const Heard& heard, const ModelFile&, const std::string& kernel, Digest& digest) {
  const Model model = dt_test::RandomModel::small_with_context().build(kernel);
  digest.add(played(model, short_clip(heard), 1000));
}

}  // namespace

const std::vector<NetworkStage>& stages_of_network() {
  static const std::vector<NetworkStage> stages = {
      {"products", "", products},
      {"activations", "", activations},
      {"odd_sizes", "", odd_sizes},
      {"encoder", "at once", encoder<1 << 20>},
      {"encoder", "by the column", encoder<1>},
      {"sampler", "at once", sampler<1 << 20>},
      {"sampler", "by the frame", sampler<1>},
      {"beginning", "alone", beginning},
      {"beginning", "among others", beginning_among_others},
      {"curves", "", curves},
  };
  return stages;
}

}  // namespace dt_digest
