// One stream's own stages and clock: everything but the network, which serves many streams at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "audio/log_mel_stream.h"
#include "audio/voice.h"
#include "curves/idle.h"
#include "curves/postprocess.h"
#include "dt/model.h"
#include "dt/time_base.h"
#include "features/alignment.h"
#include "features/encoder.h"
#include "features/identity.h"
#include "features/ticks.h"
#include "sampler/sampler.h"

namespace dt {

struct Voice {
  // Takes up to `block_samples` at a time.
  // `heard`: the backend hears, and columns go to it in place of the encoder and the alignment.
  Voice(const std::shared_ptr<const Model>& model, std::uint64_t seed, std::int64_t pinned_identity,
        const MotionOptions& motion, std::int64_t block_samples, bool heard);

  // A block goes through these in this order; between them stand the encoder, which turns `mel`
  // into `features`, and the sampler, which turns `audio` and `identities` into curves.
  Encoder::Job listen(const float* samples, std::int64_t count);
  Sampler::Job align(std::int64_t number, float* curves);
  void finish(const Sampler::Job& job);

  // The same for a backend that hears: in place of the encoder and align(), next() for each tick
  // of the frames that `begin` says are due. `curves` is where the tick's frame goes.
  Sampler::Job begin(std::int64_t number, float* curves);
  bool next(const Sampler::Job& job, Sampler::Tick* tick);

  void reset();
  // What the next stream is told, from its reset() on. Throws, and changes nothing, as the
  // constructor does.
  void set(std::uint64_t seed, std::int64_t pinned_identity, double idle_amount);

  TimeBase time;
  std::int64_t curve_count;

  LogMelStream log_mel;
  VoiceDetector detector;
  std::optional<EncoderState> encoder;  // without a backend that hears, and so is the next
  std::optional<Alignment> alignment;
  std::optional<Ticks> ticks;  // with one
  IdentityMatcher identity;
  PostProcess postprocess;
  IdleMotion idle;

  std::int64_t position_samples = 0;  // taken from the caller
  std::int64_t heard_samples = 0;     // with the silence of a flush
  std::int64_t frames = 0;
  bool flushed = false;
  float newest_level_db = kSilenceDb;

  // What flows between the stages of one block.
  std::int64_t columns = 0;
  std::vector<float> mel, level_db;
  std::unique_ptr<bool[]> voiced_columns;
  std::vector<float> features, audio;
  std::unique_ptr<bool[]> voiced;
  std::vector<float> identities;
  std::int64_t told = 0;  // of the due frames, how many have had their tick

 private:
  static constexpr float kSilenceDb = -120.0F;
};

}  // namespace dt
