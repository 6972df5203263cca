// What a face does that nobody hears: blinks, glances, a slow drift of brows and lids, and the
// head's small turns.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "dt/model.h"
#include "dt/time_base.h"

namespace dt {

// Random numbers by (seed, stream, event): pure functions, as normal_noise is, from counters that
// it never uses.
class IdleDraws {
 public:
  enum Stream : std::uint32_t { kBlink, kGaze, kDrift, kHeadSlow, kHeadQuick };

  explicit IdleDraws(std::uint64_t seed) : seed_(seed) {}

  // Four independent words of an event, and what is made of one: uniform in (0, 1), normal.
  std::array<std::uint32_t, 4> words(Stream stream, std::int64_t event) const;
  static double uniform(std::uint32_t word);
  static double normal(std::uint32_t word);

 private:
  std::uint64_t seed_;
};

// Four independent smooth tracks of mean 0 and variance 1: cubic B-splines over normal draws
// `knot_ms` apart, so that little of them is faster than 500 / knot_ms Hz. A function of the frame
// alone; the knots drawn last are kept.
class IdleTracks {
 public:
  IdleTracks(const IdleDraws& draws, IdleDraws::Stream stream, std::int64_t knot_ms,
             const TimeBase& time);

  std::array<double, 4> at(std::int64_t frame);
  void draw_from(const IdleDraws& draws);  // from frame 0 on again

 private:
  using Knot = std::array<double, 4>;
  Knot knot(std::int64_t index) const;

  IdleDraws draws_;
  IdleDraws::Stream stream_;
  std::int64_t knot_ms_;
  TimeBase time_;
  std::int64_t first_ = 0;  // of the four knots around the latest frame
  std::array<Knot, 4> knots_;
};

// Whether a phrase is being spoken: short pauses belong to it.
class Phrase {
 public:
  explicit Phrase(const TimeBase& time);

  // Moves on by a frame and says whether a phrase has just ended.
  bool push(bool voiced);
  bool spoken() const { return spoken_; }
  void reset();

 private:
  std::int64_t pause_frames_, least_frames_;
  std::int64_t voiced_frames_ = 0, silent_frames_ = 0;
  bool spoken_ = false;
};

// Where the eyes look: fixations, and saccades between them.
class Gaze {
 public:
  Gaze(const IdleDraws& draws, const TimeBase& time);

  // Moves on by a frame and says whether a wide shift has just begun.
  bool push();
  double left() const { return left_; }  // the face's own left, in values of eyeLook curves
  double up() const { return up_; }
  void reset();
  void draw_from(const IdleDraws& draws) { draws_ = draws; }  // before reset()

 private:
  struct Point {
    double left, up;
  };
  Point target(std::int64_t fixation) const;
  static double distance(const Point& a, const Point& b);

  IdleDraws draws_;
  double frame_ms_;
  std::int64_t fixation_ = 0, frames_ = 0, length_ = 0;
  Point from_{}, to_{};
  double left_ = 0.0, up_ = 0.0;
};

// When the eyes blink and how far each is shut. Blinks are due at a rate; one that is nearly due
// falls where a gaze shift or the end of a phrase invites it, which leaves the rate as it is.
class Blinks {
 public:
  Blinks(const IdleDraws& draws, const IdleOptions& options, double share, const TimeBase& time);

  void push(bool speaking, bool wide_shift, bool phrase_ended);
  float left() const { return left_; }  // 0 to 1
  float right() const { return right_; }
  void reset();
  void draw_from(const IdleDraws& draws, double share);  // before reset()

 private:
  void begin();
  float shut(double since_ms) const;

  IdleDraws draws_;
  IdleOptions options_;
  double share_, frame_ms_;
  std::int64_t blink_ = 0;   // the next one
  double progress_ = 0.0;    // towards it, in blinks
  double needed_ = 1.0;      // of it
  std::int64_t frames_ = 0;  // since the present one began
  bool shown_ = false;
  double close_ms_ = 0.0, open_ms_ = 0.0, lag_left_ms_ = 0.0, lag_right_ms_ = 0.0;
  float left_ = 0.0F, right_ = 0.0F;
};

// The stage: adds all that to frames, as far as `motion.idle` says, and appends the head's rotation
// where that is asked for. A function of the seed, the frame's number and the voiced flags
// so far.
class IdleMotion {
 public:
  // Throws std::invalid_argument for an amount outside 0 to 1.
  IdleMotion(const ModelConfig& config, const MotionOptions& motion, std::uint64_t seed,
             const TimeBase& time);

  // In place: (frames, curves) becomes (frames, motion.width(curves)); voiced (frames).
  void push(const bool* voiced, std::int64_t frames, float* values);
  void reset();
  // From the next reset() on; `amount` was checked.
  void set(std::uint64_t seed, double amount);
  static void check_amount(double amount);  // throws as the constructor does

 private:
  void make_room(std::int64_t frames, float* values) const;
  void move(bool voiced, float* curves);
  void look(float* curves) const;
  void drift(float* curves);
  void shut(float* curves) const;
  void turn(float* head);

  // A curve's place among the model's, -1 if it has none, and what it may be.
  struct Slot {
    std::int64_t at;
    float minimum, maximum;
  };
  Slot slot(const ModelConfig& config, const char* name) const;
  static void add(float* curves, const Slot& slot, double value);
  static void shift(float* curves, const Slot& to, const Slot& from, double value);

  IdleOptions options_;
  double amount_;
  std::int64_t curves_, width_;
  IdleDraws draws_;
  Phrase phrase_;
  Gaze gaze_;
  Blinks blinks_;
  IdleTracks drift_, head_slow_, head_quick_;
  std::int64_t frame_ = 0;

  enum Side { kLeft, kRight };
  std::array<Slot, 2> blink_, look_in_, look_out_, look_up_, look_down_, squint_, wide_;
  std::array<Slot, 2> brow_down_, brow_outer_up_;
  Slot brow_inner_up_;
};

}  // namespace dt
