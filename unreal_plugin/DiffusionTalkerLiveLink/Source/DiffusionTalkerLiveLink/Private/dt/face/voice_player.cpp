#include "dt/face/voice_player.h"

#include <algorithm>
#include <cmath>

namespace dt {

namespace {

constexpr double kPi = 3.14159265358979323846;
// The error is smoothed over this time, and worn off over the other: slower than the lumps in which
// devices ask, faster than clocks drift.
constexpr double kSmoothS = 0.5;
constexpr double kWearOffS = 3.0;
constexpr double kMeetS = 0.05;
// Times beyond it (73 years) are nonsense, and sums with them could overflow.
constexpr std::int64_t kLatestNs = std::int64_t{1} << 61;
constexpr std::int32_t kMostRateHz = 192000;

double bessel_i0(double x) {
  double sum = 1.0, term = 1.0;
  for (int k = 1; k < 32; ++k) {
    term *= (x / (2.0 * k)) * (x / (2.0 * k));
    sum += term;
  }
  return sum;
}

std::int64_t fade_samples(std::int32_t rate_hz) {
  return VoicePlayer::kFadeNs * rate_hz / 1'000'000'000;
}

void scale(std::int16_t* sample, std::int64_t part, std::int64_t whole) {
  *sample = static_cast<std::int16_t>(*sample * part / whole);
}

double seconds(std::int64_t ns) { return static_cast<double>(ns) * 1e-9; }

}  // namespace

VoicePlayer::VoicePlayer(std::int32_t device_rate_hz)
    : device_rate_hz_(std::max<std::int32_t>(1, device_rate_hz)),
      table_(static_cast<std::size_t>(kTaps * (kPhases + 1))) {}

void VoicePlayer::push(const FaceSound& sound) {
  const auto count = static_cast<std::int64_t>(sound.samples.size());
  if (count == 0 || sound.rate_hz < 1 || sound.rate_hz > kMostRateHz) return;
  if (sound.local_ns < -kLatestNs || sound.local_ns > kLatestNs) return;
  VoicePiece piece;
  piece.local_ns = sound.local_ns;
  piece.rate_hz = sound.rate_hz;
  const bool same = pushed_ && sound.session == last_session_ && sound.rate_hz == last_rate_hz_;
  const std::int64_t hole = same ? sound.position_samples - next_position_ : 0;
  if (hole < 0) return;  // comes twice, as by two sources of one sender
  piece.begins = !same || hole > kHoleNs / 1'000'000'000 * sound.rate_hz;
  if (!piece.begins && hole > 0) write_hole(hole, piece);
  written_.assign(sound.samples.begin(), sound.samples.end());
  if (!piece.begins && hole > 0) {
    const std::int64_t fade = std::min(count, fade_samples(sound.rate_hz));
    for (std::int64_t i = 0; i < fade; ++i) scale(&written_[static_cast<std::size_t>(i)], i, fade);
  }
  if (!ring_.write(written_.data(), count, piece)) {
    overflows_.fetch_add(1);
    pushed_ = false;
    return;
  }
  pushed_ = true;
  next_position_ = sound.position_samples + count;
  last_session_ = sound.session;
  last_rate_hz_ = sound.rate_hz;
}

// The sender lost sound: silence in its place keeps the rest where it belongs. What was there
// before dies away, so that it does not click.
void VoicePlayer::write_hole(std::int64_t count, const VoicePiece& after) {
  const std::int16_t last = written_.back();
  const std::int64_t fade = std::min(count, fade_samples(after.rate_hz));
  written_.assign(static_cast<std::size_t>(count), 0);
  for (std::int64_t i = 0; i < fade; ++i) {
    std::int16_t& sample = written_[static_cast<std::size_t>(i)];
    sample = last;
    scale(&sample, fade - i, fade);
  }
  VoicePiece silence = after;
  silence.local_ns -= count * 1'000'000'000 / after.rate_hz;
  if (!ring_.write(written_.data(), count, silence)) overflows_.fetch_add(1);
}

void VoicePlayer::render(float* out, int count, std::int64_t now_ns) {
  const std::int64_t at_ns = now_ns + lead_ns_.load();
  take_pieces(at_ns);
  const double fade_s = seconds(kFadeNs) * (1.0 + kMostSpeed);
  if (playing_) {
    steer(at_ns, count);
  } else {
    double index = 0.0;
    std::int32_t rate_hz = 0;
    // There must be enough to fade in, and out again.
    const double enough_s = 3.0 * fade_s + static_cast<double>(count) / device_rate_hz_;
    if (aim(at_ns, &index, &rate_hz) &&
        index + enough_s * rate_hz + kTaps < static_cast<double>(end_index(index))) {
      begin_at(index, rate_hz);
    }
  }

  const float step = 1e9f / static_cast<float>(kFadeNs) / static_cast<float>(device_rate_hz_);
  const double stop = static_cast<double>(end_index(at_)) - fade_s * rate_hz_ - kTaps / 2 - 1;
  const double stride = speed_ * rate_hz_ / device_rate_hz_;
  for (int i = 0; i < count; ++i) {
    if (!playing_) {
      out[i] = 0.0f;
      continue;
    }
    // Before the sound runs out it is faded; if more comes in time it comes back.
    const bool fades = leaving_ || at_ >= stop;
    gain_ = fades ? std::max(0.0f, gain_ - step) : std::min(1.0f, gain_ + step);
    if (fades && gain_ == 0.0f) {
      (leaving_ ? jumps_ : dropouts_).fetch_add(1);
      playing_ = leaving_ = false;
      out[i] = 0.0f;
      continue;
    }
    out[i] = gain_ * interpolated();
    at_ += stride;
  }
  // A tap reaches half its length back; what lies before that is the writer's again.
  if (playing_) ring_.release_before(static_cast<std::int64_t>(at_) - kTaps);
}

// Pieces that were played, or will never be, are forgotten.
void VoicePlayer::take_pieces(std::int64_t at_ns) {
  VoicePiece piece;
  const auto forget = [this] {
    first_ = (first_ + 1) % pieces_.size();
    --pieces_count_;
  };
  while (ring_.next_piece(&piece)) {
    if (pieces_count_ == pieces_.size()) forget();
    pieces_[(first_ + pieces_count_) % pieces_.size()] = piece;
    ++pieces_count_;
  }
  while (pieces_count_ > 1) {
    const VoicePiece& oldest = pieces_[first_];
    const double over_s = seconds(at_ns - oldest.local_ns);
    const bool done = playing_ ? static_cast<double>(oldest.index + oldest.count + kTaps) <= at_
                               : over_s * oldest.rate_hz > static_cast<double>(oldest.count);
    if (!done) break;
    forget();
  }
  // Without anybody to play it the sound must not fill the ring.
  if (!playing_ && pieces_count_ > 0) ring_.release_before(pieces_[first_].index - kTaps);
}

// The index to be played at `at_ns`; false where no piece has that instant.
bool VoicePlayer::aim(std::int64_t at_ns, double* index, std::int32_t* rate_hz) const {
  for (std::size_t back = pieces_count_; back > 0; --back) {
    const VoicePiece& piece = pieces_[(first_ + back - 1) % pieces_.size()];
    const double into = seconds(at_ns - piece.local_ns) * piece.rate_hz;
    if (into < 0.0) continue;
    *rate_hz = piece.rate_hz;
    *index = static_cast<double>(piece.index) + into;
    double most = static_cast<double>(piece.count);
    if (back < pieces_count_) {
      // Where the map of the clocks moves, a piece and the next do not meet to the sample.
      const VoicePiece& next = pieces_[(first_ + back) % pieces_.size()];
      if (!next.begins) most += kMeetS * piece.rate_hz;
    }
    return into < most;
  }
  return false;
}

// Up to where the sound from `index` on is one: it ends where another session begins.
std::int64_t VoicePlayer::end_index(double index) const {
  std::int64_t end = 0;
  for (std::size_t i = 0; i < pieces_count_; ++i) {
    const VoicePiece& piece = pieces_[(first_ + i) % pieces_.size()];
    if (piece.begins && static_cast<double>(piece.index) > index) break;
    end = piece.index + piece.count;
  }
  return end;
}

void VoicePlayer::begin_at(double index, std::int32_t rate_hz) {
  at_ = index;
  rate_hz_ = rate_hz;
  speed_ = 1.0;
  error_s_ = 0.0;
  gain_ = 0.0f;
  playing_ = true;
  leaving_ = false;
  if (rate_hz != table_rate_hz_) make_table();
}

// Sets the speed by how far what is played next lies from what should be.
void VoicePlayer::steer(std::int64_t at_ns, int count) {
  double index = 0.0;
  std::int32_t rate_hz = 0;
  // Where no piece has the instant the sound runs out, and the fade sees to it.
  if (leaving_ || !aim(at_ns, &index, &rate_hz)) return;
  const double error_s = (at_ - index) / rate_hz;
  if (rate_hz != rate_hz_ || std::abs(error_s) > seconds(kJumpNs)) {
    leaving_ = true;
    return;
  }
  const double block_s = static_cast<double>(count) / device_rate_hz_;
  error_s_ += (error_s - error_s_) * std::min(1.0, block_s / kSmoothS);
  speed_ = 1.0 - std::clamp(error_s_ / kWearOffS, -kMostSpeed, kMostSpeed);
  error_ms_.store(1e3 * error_s_);
}

float VoicePlayer::interpolated() const {
  const double whole = std::floor(at_);
  const double phase = (at_ - whole) * kPhases;
  const auto row = static_cast<std::size_t>(phase);
  const float part = static_cast<float>(phase - static_cast<double>(row));
  const float* low = table_.data() + row * kTaps;
  const float* high = low + kTaps;
  const std::int64_t from = static_cast<std::int64_t>(whole) - kTaps / 2 + 1;
  float sum = 0.0f;
  for (int tap = 0; tap < kTaps; ++tap) {
    const std::int64_t index = from + tap;
    if (index < 0) continue;
    sum += (low[tap] + part * (high[tap] - low[tap])) * ring_.sample(index);
  }
  return sum;
}

// A sinc under Kaiser's window, cut off below half of the lower of the two rates.
void VoicePlayer::make_table() {
  table_rate_hz_ = rate_hz_;
  const double cutoff = 0.92 * std::min(1.0, static_cast<double>(device_rate_hz_) / rate_hz_);
  constexpr double kBeta = 7.0;
  for (int row = 0; row <= kPhases; ++row) {
    float* taps = table_.data() + static_cast<std::size_t>(row) * kTaps;
    double sum = 0.0;
    for (int tap = 0; tap < kTaps; ++tap) {
      const double x = tap - (kTaps / 2 - 1) - static_cast<double>(row) / kPhases;
      const double edge = 2.0 * x / kTaps;
      const double window = edge * edge < 1.0
                                ? bessel_i0(kBeta * std::sqrt(1.0 - edge * edge)) / bessel_i0(kBeta)
                                : 0.0;
      const double angle = kPi * cutoff * x;
      taps[tap] = static_cast<float>(window * cutoff * (x == 0.0 ? 1.0 : std::sin(angle) / angle));
      sum += static_cast<double>(taps[tap]);
    }
    for (int tap = 0; tap < kTaps; ++tap) taps[tap] = static_cast<float>(taps[tap] / sum);
  }
}

VoicePlayer::Statistics VoicePlayer::statistics() const {
  Statistics out;
  out.dropouts = dropouts_.load();
  out.jumps = jumps_.load();
  out.overflows = overflows_.load();
  out.error_ms = error_ms_.load();
  return out;
}

}  // namespace dt
