#include "dt/voices.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "arithmetic/rounding.h"
#include "dt/refusal.h"
#include "dt/runtime.h"
#include "features/encoder.h"
#include "refusal/text_stream.h"
#include "runtime/crew.h"
#include "runtime/voice.h"
#include "sampler/sampler.h"

namespace dt {
namespace {

// Longer chunks run in blocks of this size, which bounds every buffer. A second fills the sampler's
// diagonals well; where many voices do that together, each needs less.
constexpr std::int64_t kBlockSamplesAlone = 16000, kBlockSamples = 1600;

// The first sample that is none, or `count`.
std::int64_t first_bad_sample(const float* samples, std::int64_t count) {
  std::int64_t i = 0;
  // Written so that NaN fails too.
  while (i < count && std::fabs(samples[i]) <= Runtime::kSampleLimit) {
    ++i;
  }
  return i;
}

[[noreturn]] void refuse_sample(const std::string& where, std::int64_t number, float sample) {
  TextStream text;
  text << "step: " << where << "sample " << number << " is ";
  if (std::isnan(sample)) {
    text << "NaN";
  } else {
    text << sample;
  }
  text << "; expected finite values, full scale is 1.0";
  raise({Refusal::Kind::kArgument, text.str()});
}

// Adds the time it lives to a counter of seconds.
class Stopwatch {
 public:
  explicit Stopwatch(double* seconds) : seconds_(seconds) {}
  ~Stopwatch() {
    *seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double* seconds_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

std::vector<std::uint64_t> seeds_of(const std::vector<VoiceOptions>& voices) {
  std::vector<std::uint64_t> seeds;
  for (const VoiceOptions& voice : voices) {
    seeds.push_back(voice.seed);
  }
  return seeds;
}

// The voices that one thread computes, and the network for them.
class Share {
 public:
  Share(const std::shared_ptr<const Model>& model, const std::vector<VoiceOptions>& options,
        const BackendOptions& backend, const MotionOptions& motion, std::int64_t block_samples)
      : sampler_(model, seeds_of(options), backend),
        width_(motion.width(model->curve_count())),
        block_samples_(block_samples),
        silence_(static_cast<std::size_t>(block_samples)) {
    voices_.reserve(options.size());
    for (const VoiceOptions& voice : options) {
      voices_.emplace_back(model, voice.seed, voice.identity, motion, block_samples,
                           sampler_.hears());
    }
    if (sampler_.hears()) {
      ticks_.reserve(options.size());
    } else {
      encoder_.emplace(model);
    }
    pieces_.reserve(options.size());
    heard_.reserve(options.size());
    due_.reserve(options.size());
    left_.reserve(options.size());
  }

  std::vector<Voice>& voices() { return voices_; }
  Sampler& sampler() { return sampler_; }
  const std::array<double, Voices::kStages>& stage_seconds() const { return stage_seconds_; }
  void forget_seconds() { stage_seconds_.fill(0.0); }

  void step(const Voices::Chunk* chunks) {
    const arithmetic::StandardRounding rounding;
    left_.assign(chunks, chunks + voices_.size());
    for (std::size_t v = 0; v < voices_.size(); ++v) {
      voices_[v].position_samples += left_[v].count;
    }
    for (;;) {
      pieces_.clear();
      for (std::size_t v = 0; v < voices_.size(); ++v) {
        const std::int64_t count = std::min(left_[v].count, block_samples_);
        if (count > 0) {
          pieces_.push_back({v, left_[v].samples, count, &left_[v].frames});
          left_[v].samples += count;
          left_[v].count -= count;
        }
      }
      if (pieces_.empty()) {
        return;
      }
      run();
    }
  }

  void flush(const bool* ending, float* const* frames) {
    const arithmetic::StandardRounding rounding;
    left_.resize(voices_.size());
    for (std::size_t v = 0; v < voices_.size(); ++v) {
      left_[v].frames = frames[v];
    }
    for (;;) {
      pieces_.clear();
      for (std::size_t v = 0; v < voices_.size(); ++v) {
        const Voice& voice = voices_[v];
        const std::int64_t total = voice.time.total_frames(voice.position_samples);
        if (ending[v] && voice.frames < total) {
          const std::int64_t missing = voice.time.samples_for(total) - voice.heard_samples;
          pieces_.push_back({v, nullptr, std::min(block_samples_, missing), &left_[v].frames});
        }
      }
      if (pieces_.empty()) {
        break;
      }
      run();
    }
    for (std::size_t v = 0; v < voices_.size(); ++v) {
      voices_[v].flushed = voices_[v].flushed || ending[v];
    }
  }

  void reset(std::size_t voice) {
    voices_[voice].reset();
    sampler_.reset(static_cast<std::int64_t>(voice));
  }

  void reset(std::size_t voice, const VoiceOptions& options, double idle) {
    voices_[voice].set(options.seed, options.identity, idle);
    sampler_.set_seed(static_cast<std::int64_t>(voice), options.seed);
    reset(voice);
  }

 private:
  // A voice's next samples (null: silence), and where its frames go; moved on behind them.
  struct Piece {
    std::size_t voice;
    const float* samples;
    std::int64_t count;
    float** frames;
  };

  // The pipeline, of up to a block of samples a voice.
  void run() {
    auto begun = std::chrono::steady_clock::now();
    const auto ends = [&](std::size_t stage) {
      const auto now = std::chrono::steady_clock::now();
      stage_seconds_[stage] += std::chrono::duration<double>(now - begun).count();
      begun = now;
    };
    heard_.clear();
    for (const Piece& piece : pieces_) {
      Voice& voice = voices_[piece.voice];
      heard_.push_back(voice.listen(samples_of(piece, voice), piece.count));
    }
    ends(0);
    due_.clear();
    if (encoder_) {
      encoder_->push(heard_.data(), static_cast<std::int64_t>(heard_.size()));
      ends(1);
      for (const Piece& piece : pieces_) {
        due_.push_back(
            voices_[piece.voice].align(static_cast<std::int64_t>(piece.voice), *piece.frames));
      }
      ends(2);
      sampler_.push(due_.data(), static_cast<std::int64_t>(due_.size()));
    } else {
      for (const Piece& piece : pieces_) {
        due_.push_back(
            voices_[piece.voice].begin(static_cast<std::int64_t>(piece.voice), *piece.frames));
      }
      ends(2);
      talk();
    }
    ends(3);
    for (std::size_t p = 0; p < pieces_.size(); ++p) {
      voices_[pieces_[p].voice].finish(due_[p]);
      *pieces_[p].frames += due_[p].frames * width_;
    }
    ends(4);
  }

  // The due frames by a backend that hears: a launch for the next tick of every voice that has one.
  void talk() {
    for (;;) {
      ticks_.clear();
      for (const Sampler::Job& job : due_) {
        Sampler::Tick tick{};
        if (voices_[static_cast<std::size_t>(job.voice)].next(job, &tick)) {
          ticks_.push_back(tick);
        }
      }
      if (ticks_.empty()) {
        break;
      }
      sampler_.talk(ticks_.data(), static_cast<std::int64_t>(ticks_.size()));
    }
    sampler_.rest();
  }

  // Silence is what this voice's microphone gives: a step from an offset to zero would be a sound.
  const float* samples_of(const Piece& piece, const Voice& voice) {
    if (piece.samples != nullptr) {
      return piece.samples;
    }
    std::fill_n(silence_.begin(), piece.count, voice.log_mel.offset());
    return silence_.data();
  }

  Sampler sampler_;
  std::optional<Encoder> encoder_;  // without a backend that hears
  std::int64_t width_, block_samples_;
  std::vector<Voice> voices_;
  std::vector<float> silence_;
  std::vector<Voices::Chunk> left_;
  std::vector<Piece> pieces_;
  std::vector<Encoder::Job> heard_;
  std::vector<Sampler::Job> due_;
  std::vector<Sampler::Tick> ticks_;
  std::array<double, Voices::kStages> stage_seconds_{};
};

}  // namespace

struct Voices::Impl {
  Impl(const std::shared_ptr<const Model>& model, const std::vector<VoiceOptions>& options,
       const BackendOptions& backend, const MotionOptions& motion, std::int64_t threads)
      : size(static_cast<std::int64_t>(options.size())),
        width(motion.width(model->curve_count())),
        crew(std::min(threads, size)) {
    const std::int64_t shares_count = std::min(threads, size);
    const std::int64_t block = size == 1 ? kBlockSamplesAlone : kBlockSamples;
    shares.reserve(static_cast<std::size_t>(shares_count));
    for (std::int64_t s = 0; s < shares_count; ++s) {
      first.push_back(size * s / shares_count);
      const auto begin = options.begin() + first.back();
      const auto end = options.begin() + size * (s + 1) / shares_count;
      shares.push_back(std::make_unique<Share>(model, std::vector<VoiceOptions>(begin, end),
                                               backend, motion, block));
    }
  }

  std::size_t share_of(std::int64_t voice) const {
    if (voice < 0 || voice >= size) {
      raise({Refusal::Kind::kArgument, "stream: expected 0 to " + std::to_string(size - 1) +
                                           ", got " + std::to_string(voice)});
    }
    const auto after = std::upper_bound(first.begin(), first.end(), voice);
    return static_cast<std::size_t>(after - first.begin() - 1);
  }

  // Its number within its share.
  std::int64_t place(std::int64_t number) const { return number - first[share_of(number)]; }

  Voice& voice(std::int64_t number) const {
    return shares[share_of(number)]->voices()[static_cast<std::size_t>(place(number))];
  }

  // "stream 3: ", where there are several.
  std::string name(std::int64_t number) const {
    return size == 1 ? "" : "stream " + std::to_string(number) + ": ";
  }

  std::int64_t size, width;
  std::vector<std::int64_t> first;  // voice of each share
  std::vector<std::unique_ptr<Share>> shares;
  Crew crew;
  double compute_seconds = 0.0;
};

namespace {

std::int64_t at_least_one(const char* what, std::int64_t value) {
  if (value < 1) {
    raise({Refusal::Kind::kArgument,
           std::string(what) + ": expected at least 1, got " + std::to_string(value)});
  }
  return value;
}

}  // namespace

Voices::Voices(std::shared_ptr<const Model> model, const std::vector<VoiceOptions>& voices,
               const BackendOptions& backend, const MotionOptions& motion, std::int64_t threads) {
  const arithmetic::StandardRounding rounding;  // stages compute their coefficients
  at_least_one("streams", static_cast<std::int64_t>(voices.size()));
  impl_ = std::make_unique<Impl>(model, voices, backend, motion, at_least_one("threads", threads));
}
Voices::~Voices() = default;
Voices::Voices(Voices&&) noexcept = default;

std::int64_t Voices::size() const { return impl_->size; }
std::int64_t Voices::width() const { return impl_->width; }

std::int64_t Voices::frames_due(std::int64_t voice, std::int64_t more_samples) const {
  const Voice& v = impl_->voice(voice);
  return v.flushed ? 0 : v.time.due_frames(v.position_samples + more_samples) - v.frames;
}

std::int64_t Voices::frames_owed(std::int64_t voice) const {
  const Voice& v = impl_->voice(voice);
  return v.flushed ? 0 : v.time.total_frames(v.position_samples) - v.frames;
}

bool Voices::flushed(std::int64_t voice) const { return impl_->voice(voice).flushed; }
std::int64_t Voices::identity(std::int64_t voice) const {
  return impl_->voice(voice).identity.current();
}
const std::vector<float>& Voices::identity_scores(std::int64_t voice) const {
  return impl_->voice(voice).identity.scores();
}
std::int64_t Voices::position_samples(std::int64_t voice) const {
  return impl_->voice(voice).position_samples;
}
std::int64_t Voices::frames(std::int64_t voice) const { return impl_->voice(voice).frames; }
float Voices::level_db(std::int64_t voice) const { return impl_->voice(voice).newest_level_db; }
double Voices::compute_seconds() const { return impl_->compute_seconds; }

void Voices::set_steps(std::int64_t voice, std::int64_t steps) {
  impl_->shares[impl_->share_of(voice)]->sampler().set_steps(impl_->place(voice), steps);
}

std::int64_t Voices::steps(std::int64_t voice) const {
  return impl_->shares[impl_->share_of(voice)]->sampler().steps(impl_->place(voice));
}

bool Voices::takes_fewer_steps() const {
  return impl_->shares.front()->sampler().takes_fewer_steps();
}

const std::array<const char*, Voices::kStages>& Voices::stage_names() {
  static const std::array<const char*, kStages> names = {"log-mel", "encoder", "alignment",
                                                         "sampler", "curves"};
  return names;
}

std::array<double, Voices::kStages> Voices::stage_seconds() const {
  std::array<double, kStages> sum{};
  for (const auto& share : impl_->shares) {
    for (std::size_t stage = 0; stage < kStages; ++stage) {
      sum[stage] += share->stage_seconds()[stage];
    }
  }
  return sum;
}

void Voices::step(const Chunk* chunks) {
  for (std::int64_t v = 0; v < impl_->size; ++v) {
    if (chunks[v].count > 0 && impl_->voice(v).flushed) {
      raise({Refusal::Kind::kState,
             "step: " + impl_->name(v) + "the stream was flushed; call reset() to begin another"});
    }
    const std::int64_t bad = first_bad_sample(chunks[v].samples, chunks[v].count);
    if (bad < chunks[v].count) {
      refuse_sample(impl_->name(v), bad, chunks[v].samples[bad]);
    }
  }
  const Stopwatch stopwatch(&impl_->compute_seconds);
  const auto work = [&](std::int64_t share) {
    const auto s = static_cast<std::size_t>(share);
    impl_->shares[s]->step(chunks + impl_->first[s]);
  };
  impl_->crew.run(std::ref(work));  // a copy of it could be too large to go without an allocation
}

void Voices::flush(const bool* ending, float* const* frames) {
  for (std::int64_t v = 0; v < impl_->size; ++v) {
    if (ending[v] && impl_->voice(v).flushed) {
      raise({Refusal::Kind::kState,
             "flush: " + impl_->name(v) + "the stream was flushed; call reset() to begin another"});
    }
  }
  const Stopwatch stopwatch(&impl_->compute_seconds);
  const auto work = [&](std::int64_t share) {
    const auto s = static_cast<std::size_t>(share);
    impl_->shares[s]->flush(ending + impl_->first[s], frames + impl_->first[s]);
  };
  impl_->crew.run(std::ref(work));
}

void Voices::reset() {
  for (std::int64_t v = 0; v < impl_->size; ++v) {
    reset(v);
  }
  impl_->compute_seconds = 0.0;
  for (const auto& share : impl_->shares) {
    share->forget_seconds();
  }
}

void Voices::reset(std::int64_t voice) {
  const arithmetic::StandardRounding rounding;
  const std::size_t share = impl_->share_of(voice);
  impl_->shares[share]->reset(static_cast<std::size_t>(voice - impl_->first[share]));
}

void Voices::reset(std::int64_t voice, const VoiceOptions& options, double idle) {
  const arithmetic::StandardRounding rounding;
  const std::size_t share = impl_->share_of(voice);
  impl_->shares[share]->reset(static_cast<std::size_t>(voice - impl_->first[share]), options, idle);
}

}  // namespace dt
