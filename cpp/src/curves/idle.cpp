#include "curves/idle.h"

#include <algorithm>
#include <cmath>

#include "dt/noise.h"
#include "dt/refusal.h"

namespace dt {
namespace {

// Figures without a citation are studies/measure_idle.py's: seven filmed speakers of GRID, clips of
// 3 s at 25 frames a second. The tracker's own jitter is in its spreads and steps.

// Blinks. Speakers' median times to shut were 80 to 120 ms and to open again (to a tenth) 180 to
// 340 ms; lids filmed faster close in 70 to 100 ms and open in about twice that (VanderWerf et al.
// 2003). How many there are is IdleOptions' to say: clips of readers cannot tell, who blink as they
// begin to read. At rest it is 17 a minute (Bentivoglio et al. 1997); speakers' blinks fall at
// breaks of their speech (Nakano and Kitazawa 2010), wide shifts of gaze bring one (Evinger et al.
// 1994).
constexpr double kCloseMs[] = {70.0, 100.0};
constexpr double kShutMs = 20.0;
constexpr double kOpenMs[] = {150.0, 200.0};
constexpr double kLagMs = 6.0;          // of one eye behind the other, at most
constexpr float kAsymmetry = 0.02F;     // how much less far the later eye shuts
constexpr double kSpread = 0.43;        // of the time between blinks, over its mean
constexpr double kShortest = 0.3;       // least time between two, over the mean
constexpr double kRestMs = 250.0;       // open between two at least
constexpr double kShiftInvites = 0.35;  // how early a wide gaze shift may bring a blink, in blinks
constexpr double kEndInvites = 0.6;     // the same for the end of a phrase

// Phrases, for blinks: pauses shorter than this are inside one (Goldman-Eisler 1968).
constexpr std::int64_t kPauseUs = 250000;
constexpr std::int64_t kLeastPhraseUs = 400000;

// Gaze, in values of eyeLook curves. Spread within a clip: across 0.037 to 0.078. Steps: 52 a
// minute of the steadiest speaker, 106 to 171 of those whose jitter counts as steps.
constexpr double kAcross = 0.045, kUpDown = 0.03;
constexpr double kGlance = 3.0;       // how much wider
constexpr double kGlanceShare = 0.2;  // of the fixations
constexpr double kWidest = 0.35;
constexpr double kFixationMs = 250.0;      // shortest
constexpr double kFixationMoreMs = 550.0;  // mean of what is added to it
constexpr double kWideShift = 0.15;
// Main sequence (Bahill et al. 1975): 21 ms and 2.2 ms a degree, an eyeLook curve of 1 being taken
// as 34 degrees.
constexpr double kSaccadeMs = 21.0, kSaccadeMsAUnit = 75.0;
// Lids against down-gaze: slopes from 0.18 to 0.47, the median 0.36.
constexpr double kLidFollows = 0.36;

// Drift. Spread of a speaker's frames (within clips and of their means): browDown 0.02 to 0.08,
// browInnerUp 0.001 to 0.03, browOuterUp 0.004 to 0.047; half of browDown's within a clip is slower
// than 1 Hz. A curve shows one side of its track, which leaves 0.58 of these.
constexpr std::int64_t kDriftKnotMs = 1200;
constexpr double kBrowDown = 0.07, kBrowInnerUp = 0.05, kBrowOuterUp = 0.05;
constexpr double kBrowSide = 0.3;  // of it on one side alone
constexpr double kLid = 0.035, kWide = 0.03, kSquint = 0.04;

// Head, degrees of yaw, pitch, roll. Spread of clips' means 1.0 to 2.2, 0.9 to 2.0, 0.9 to 1.2;
// within a clip 0.26 to 0.41, 0.58 to 1.2, 0.24 to 0.57, of which 0.6 to 0.9 is slower than 1 Hz.
constexpr std::int64_t kHeadSlowKnotMs = 3000, kHeadQuickKnotMs = 600;
constexpr double kHeadSlow[] = {1.2, 1.5, 1.0};
constexpr double kHeadQuick[] = {0.3, 0.6, 0.3};
constexpr double kRadians = 0.017453292519943295;

double clamp(double x, double low, double high) { return std::min(std::max(x, low), high); }
double smoothstep(double x) { return x * x * (3.0 - 2.0 * x); }
double between(const double (&ends)[2], double share) {
  return ends[0] + (ends[1] - ends[0]) * share;
}

}  // namespace

std::array<std::uint32_t, 4> IdleDraws::words(Stream stream, std::int64_t event) const {
  const auto index = static_cast<std::uint64_t>(event);
  // The curves' noise has 0 where there is 1 here.
  return philox4x32({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
                     static_cast<std::uint32_t>(stream), 1U},
                    {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)});
}

double IdleDraws::uniform(std::uint32_t word) {
  return (static_cast<double>(word) + 0.5) / 4294967296.0;
}

double IdleDraws::normal(std::uint32_t word) { return static_cast<double>(normal_from_bits(word)); }

IdleTracks::IdleTracks(const IdleDraws& draws, IdleDraws::Stream stream, std::int64_t knot_ms,
                       const TimeBase& time)
    : draws_(draws), stream_(stream), knot_ms_(knot_ms), time_(time), knots_{} {
  draw_from(draws);
}

void IdleTracks::draw_from(const IdleDraws& draws) {
  draws_ = draws;
  first_ = 0;
  for (std::int64_t k = 0; k < 4; ++k) {
    knots_[static_cast<std::size_t>(k)] = knot(k);
  }
}

IdleTracks::Knot IdleTracks::knot(std::int64_t index) const {
  const std::array<std::uint32_t, 4> words = draws_.words(stream_, index);
  return {IdleDraws::normal(words[0]), IdleDraws::normal(words[1]), IdleDraws::normal(words[2]),
          IdleDraws::normal(words[3])};
}

std::array<double, 4> IdleTracks::at(std::int64_t frame) {
  const TimeBase::Span span = time_.span_of(frame, knot_ms_);
  if (span.index == first_ + 1) {
    std::copy(knots_.begin() + 1, knots_.end(), knots_.begin());
    knots_[3] = knot(span.index + 3);
  } else if (span.index != first_) {
    for (std::int64_t k = 0; k < 4; ++k) {
      knots_[static_cast<std::size_t>(k)] = knot(span.index + k);
    }
  }
  first_ = span.index;
  const double t = span.fraction, u = 1.0 - t;
  const double weights[] = {u * u * u / 6.0, (3.0 * t * t * (t - 2.0) + 4.0) / 6.0,
                            (3.0 * u * u * (u - 2.0) + 4.0) / 6.0, t * t * t / 6.0};
  constexpr double kGain = 1.4443;  // the four weights' squares add up to 0.479 on the average
  std::array<double, 4> tracks{};
  for (std::size_t k = 0; k < 4; ++k) {
    for (std::size_t i = 0; i < tracks.size(); ++i) {
      tracks[i] += kGain * weights[k] * knots_[k][i];
    }
  }
  return tracks;
}

Phrase::Phrase(const TimeBase& time)
    : pause_frames_(std::max<std::int64_t>(1, time.frames_within(kPauseUs))),
      least_frames_(time.frames_within(kLeastPhraseUs)) {}

void Phrase::reset() {
  voiced_frames_ = silent_frames_ = 0;
  spoken_ = false;
}

bool Phrase::push(bool voiced) {
  voiced_frames_ += voiced ? 1 : 0;
  silent_frames_ = voiced ? 0 : silent_frames_ + 1;
  spoken_ = spoken_ || voiced;
  if (!spoken_ || silent_frames_ < pause_frames_) {
    return false;
  }
  const bool ended = voiced_frames_ >= least_frames_;
  reset();
  return ended;
}

Gaze::Gaze(const IdleDraws& draws, const TimeBase& time)
    : draws_(draws), frame_ms_(1000.0 * time.frame_seconds()) {
  reset();
}

void Gaze::reset() {
  fixation_ = frames_ = length_ = 0;
  from_ = to_ = Point{};
  left_ = up_ = 0.0;
}

Gaze::Point Gaze::target(std::int64_t fixation) const {
  const std::array<std::uint32_t, 4> words = draws_.words(IdleDraws::kGaze, 2 * fixation);
  const double wide = IdleDraws::uniform(words[0]) < kGlanceShare ? kGlance : 1.0;
  return {clamp(wide * kAcross * IdleDraws::normal(words[1]), -kWidest, kWidest),
          clamp(wide * kUpDown * IdleDraws::normal(words[2]), -kWidest, kWidest)};
}

// Not std::hypot, which may differ in its last bit from one library to the next.
double Gaze::distance(const Point& a, const Point& b) {
  const double left = b.left - a.left, up = b.up - a.up;
  return std::sqrt(left * left + up * up);
}

bool Gaze::push() {
  bool wide_shift = false;
  if (frames_ >= length_) {
    from_ = to_;
    to_ = target(fixation_);
    const double z = IdleDraws::normal(draws_.words(IdleDraws::kGaze, 2 * fixation_ + 1)[0]);
    length_ = 1 + static_cast<std::int64_t>((kFixationMs + kFixationMoreMs * z * z) / frame_ms_);
    frames_ = 0;
    ++fixation_;
    wide_shift = distance(from_, to_) > kWideShift;
  }
  ++frames_;
  const double size = distance(from_, to_);
  const double since_ms = static_cast<double>(frames_) * frame_ms_;
  const double there = smoothstep(std::min(1.0, since_ms / (kSaccadeMs + kSaccadeMsAUnit * size)));
  left_ = from_.left + there * (to_.left - from_.left);
  up_ = from_.up + there * (to_.up - from_.up);
  return wide_shift;
}

Blinks::Blinks(const IdleDraws& draws, const IdleOptions& options, double share,
               const TimeBase& time)
    : draws_(draws), options_(options), share_(share), frame_ms_(1000.0 * time.frame_seconds()) {
  reset();
}

void Blinks::draw_from(const IdleDraws& draws, double share) {
  draws_ = draws;
  share_ = share;
}

void Blinks::reset() {
  blink_ = 0;
  needed_ = 1.0;
  // As if one had gone before: the first comes at no fixed time.
  progress_ = IdleDraws::uniform(draws_.words(IdleDraws::kBlink, -1)[0]);
  frames_ = 0;
  shown_ = false;
  close_ms_ = open_ms_ = lag_left_ms_ = lag_right_ms_ = 0.0;
  left_ = right_ = 0.0F;
}

void Blinks::begin() {
  const std::array<std::uint32_t, 4> words = draws_.words(IdleDraws::kBlink, 2 * blink_);
  const std::array<std::uint32_t, 4> more = draws_.words(IdleDraws::kBlink, 2 * blink_ + 1);
  progress_ -= needed_;
  needed_ = clamp(1.0 + kSpread * IdleDraws::normal(words[0]), kShortest, 2.0 - kShortest);
  // A whole number of frames, so that one of them shows both eyes shut.
  const double frames = std::ceil(between(kCloseMs, IdleDraws::uniform(words[1])) / frame_ms_);
  close_ms_ = frames * frame_ms_ - kLagMs;
  open_ms_ = between(kOpenMs, IdleDraws::uniform(words[2]));
  const double lag_ms = kLagMs * (2.0 * IdleDraws::uniform(words[3]) - 1.0);
  lag_left_ms_ = std::max(lag_ms, 0.0);
  lag_right_ms_ = std::max(-lag_ms, 0.0);
  shown_ = IdleDraws::uniform(more[0]) < share_;
  frames_ = 0;
  ++blink_;
}

void Blinks::push(bool speaking, bool wide_shift, bool phrase_ended) {
  ++frames_;
  const double a_frame = options_.blinks_a_minute / 60000.0 * frame_ms_;
  progress_ += speaking ? options_.blinks_speaking * a_frame : a_frame;
  const double invited = phrase_ended ? kEndInvites : wide_shift ? kShiftInvites : 0.0;
  const bool rested =
      static_cast<double>(frames_) * frame_ms_ >= close_ms_ + kLagMs + kShutMs + open_ms_ + kRestMs;
  if (a_frame > 0.0 && rested && progress_ >= needed_ - invited) {
    begin();
  }
  const double since_ms = static_cast<double>(frames_) * frame_ms_;
  const auto lost = [](double lag_ms) { return lag_ms > 0.0 ? 1.0F - kAsymmetry : 1.0F; };
  left_ = lost(lag_left_ms_) * shut(since_ms - lag_left_ms_);
  right_ = lost(lag_right_ms_) * shut(since_ms - lag_right_ms_);
}

float Blinks::shut(double since_ms) const {
  if (!shown_ || since_ms <= 0.0) {
    return 0.0F;
  }
  if (since_ms < close_ms_) {
    return static_cast<float>(smoothstep(since_ms / close_ms_));
  }
  // Lids part at once and settle slowly.
  const double left = clamp(1.0 - (since_ms - close_ms_ - kLagMs - kShutMs) / open_ms_, 0.0, 1.0);
  return static_cast<float>(left * left * (1.5 - 0.5 * left));
}

IdleMotion::IdleMotion(const ModelConfig& config, const MotionOptions& motion, std::uint64_t seed,
                       const TimeBase& time)
    : options_(config.idle),
      amount_(motion.idle),
      curves_(static_cast<std::int64_t>(config.curves.size())),
      width_(motion.width(curves_)),
      draws_(seed),
      phrase_(time),
      gaze_(draws_, time),
      blinks_(draws_, options_, motion.idle, time),
      drift_(draws_, IdleDraws::kDrift, kDriftKnotMs, time),
      head_slow_(draws_, IdleDraws::kHeadSlow, kHeadSlowKnotMs, time),
      head_quick_(draws_, IdleDraws::kHeadQuick, kHeadQuickKnotMs, time),
      brow_inner_up_(slot(config, "browInnerUp")) {
  check_amount(amount_);
  const auto pair = [&](const std::string& name) {
    return std::array<Slot, 2>{slot(config, (name + "Left").c_str()),
                               slot(config, (name + "Right").c_str())};
  };
  blink_ = pair("eyeBlink");
  look_in_ = pair("eyeLookIn");
  look_out_ = pair("eyeLookOut");
  look_up_ = pair("eyeLookUp");
  look_down_ = pair("eyeLookDown");
  squint_ = pair("eyeSquint");
  wide_ = pair("eyeWide");
  brow_down_ = pair("browDown");
  brow_outer_up_ = pair("browOuterUp");
}

IdleMotion::Slot IdleMotion::slot(const ModelConfig& config, const char* name) const {
  const auto found = std::find(config.curves.begin(), config.curves.end(), name);
  if (found == config.curves.end()) {
    return {-1, 0.0F, 0.0F};
  }
  const std::int64_t at = found - config.curves.begin();
  const CurveOptions& options = config.curve_options[static_cast<std::size_t>(at)];
  return {at, options.minimum, options.maximum};
}

void IdleMotion::check_amount(double amount) {
  if (!(amount >= 0.0 && amount <= 1.0)) {
    raise({Refusal::Kind::kArgument,
           "idle: expected a value from 0 to 1, got " + std::to_string(amount)});
  }
}

void IdleMotion::set(std::uint64_t seed, double amount) {
  amount_ = amount;
  draws_ = IdleDraws(seed);
  gaze_.draw_from(draws_);
  blinks_.draw_from(draws_, amount);
  drift_.draw_from(draws_);
  head_slow_.draw_from(draws_);
  head_quick_.draw_from(draws_);
}

void IdleMotion::reset() {
  phrase_.reset();
  gaze_.reset();
  blinks_.reset();
  frame_ = 0;
}

void IdleMotion::push(const bool* voiced, std::int64_t frames, float* values) {
  if (width_ > curves_) {
    make_room(frames, values);
  }
  if (amount_ > 0.0) {
    for (std::int64_t f = 0; f < frames; ++f) {
      move(voiced[f], values + f * width_);
    }
  }
}

// Spreads the rows, the last one first, and leaves the head's values at 0.
void IdleMotion::make_room(std::int64_t frames, float* values) const {
  for (std::int64_t f = frames - 1; f >= 0; --f) {
    const float* row = values + f * curves_;
    std::copy_backward(row, row + curves_, values + f * width_ + curves_);
    std::fill_n(values + f * width_ + curves_, width_ - curves_, 0.0F);
  }
}

void IdleMotion::move(bool voiced, float* curves) {
  const bool phrase_ended = phrase_.push(voiced);
  const bool wide_shift = gaze_.push();
  blinks_.push(phrase_.spoken(), wide_shift, phrase_ended);
  look(curves);
  drift(curves);
  shut(curves);
  if (width_ > curves_) {
    turn(curves + curves_);
  }
  ++frame_;
}

// Both eyes go the same way: out on one side is in on the other. Lids follow down.
void IdleMotion::look(float* curves) const {
  const double scale = amount_ * options_.gaze;
  const double left = scale * gaze_.left(), up = scale * gaze_.up();
  shift(curves, look_out_[kLeft], look_in_[kLeft], left);
  shift(curves, look_in_[kRight], look_out_[kRight], left);
  for (const Side side : {kLeft, kRight}) {
    shift(curves, look_up_[side], look_down_[side], up);
    add(curves, blink_[side], kLidFollows * std::max(-up, 0.0));
  }
}

void IdleMotion::drift(float* curves) {
  const double scale = amount_ * options_.drift;
  const auto [brow, brow_side, lid, squint] = drift_.at(frame_);
  add(curves, brow_inner_up_, scale * kBrowInnerUp * std::max(brow, 0.0));
  for (const Side side : {kLeft, kRight}) {
    const double here = brow + (side == kLeft ? kBrowSide : -kBrowSide) * brow_side;
    add(curves, brow_outer_up_[side], scale * kBrowOuterUp * std::max(here, 0.0));
    add(curves, brow_down_[side], scale * kBrowDown * std::max(-here, 0.0));
    add(curves, blink_[side], scale * kLid * std::max(lid, 0.0));
    add(curves, wide_[side], scale * kWide * std::max(-lid, 0.0));
    add(curves, squint_[side], scale * kSquint * std::max(squint, 0.0));
  }
}

// A blink goes over what the lids do otherwise; a wide eye shuts as any other.
void IdleMotion::shut(float* curves) const {
  const float by_side[] = {blinks_.left(), blinks_.right()};
  for (const Side side : {kLeft, kRight}) {
    const float closed = static_cast<float>(options_.blink) * by_side[side];
    const Slot& blink = blink_[side];
    if (blink.at >= 0) {
      curves[blink.at] = std::max(curves[blink.at], std::min(closed, blink.maximum));
    }
    const Slot& wide = wide_[side];
    if (wide.at >= 0 && curves[wide.at] > 0.0F) {
      curves[wide.at] *= 1.0F - std::min(closed, 1.0F);
    }
  }
}

void IdleMotion::turn(float* head) {
  const double scale = amount_ * options_.head * kRadians;
  const auto slow = head_slow_.at(frame_);
  const auto quick = head_quick_.at(frame_);
  for (std::size_t i = 0; i < 3; ++i) {
    head[i] = static_cast<float>(scale * (kHeadSlow[i] * slow[i] + kHeadQuick[i] * quick[i]));
  }
}

void IdleMotion::add(float* curves, const Slot& slot, double value) {
  if (slot.at >= 0) {
    const double sum = static_cast<double>(curves[slot.at]) + value;
    curves[slot.at] = static_cast<float>(
        clamp(sum, static_cast<double>(slot.minimum), static_cast<double>(slot.maximum)));
  }
}

// Adds `value` to the first of two curves that are each other's opposite, or takes it from the
// second as far as that goes; the other way round where it is negative.
void IdleMotion::shift(float* curves, const Slot& to, const Slot& from, double value) {
  if (to.at < 0 || from.at < 0) {
    return;
  }
  if (value < 0.0) {
    shift(curves, from, to, -value);
    return;
  }
  const double taken = clamp(static_cast<double>(curves[from.at]), 0.0, value);
  add(curves, from, -taken);
  add(curves, to, value - taken);
}

}  // namespace dt
