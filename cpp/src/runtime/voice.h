// One stream's own stages and clock: everything but the network, which serves many streams at once.
#pragma once

#include <cstdint>
#include <memory>
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
#include "sampler/sampler.h"

namespace dt {

struct Voice {
  // Takes up to `block_samples` at a time.
  Voice(const std::shared_ptr<const Model>& model, std::uint64_t seed, std::int64_t pinned_identity,
        const MotionOptions& motion, std::int64_t block_samples);

  // A block goes through these in this order; between them stand the encoder, which turns `mel`
  // into `features`, and the sampler, which turns `audio` and `identities` into curves.
  Encoder::Job listen(const float* samples, std::int64_t count);
  Sampler::Job align(std::int64_t number, float* curves);
  void finish(const Sampler::Job& job);

  void reset();
  // What the next stream is told, from its reset() on. Throws, and changes nothing, as the
  // constructor does.
  void set(std::uint64_t seed, std::int64_t pinned_identity, double idle_amount);

  TimeBase time;

  LogMelStream log_mel;
  VoiceDetector detector;
  EncoderState encoder;
  Alignment alignment;
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

 private:
  static constexpr float kSilenceDb = -120.0F;
};

}  // namespace dt
