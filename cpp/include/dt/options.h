// Settings of a face: the silence gate, what becomes of each curve, and idle motion.
#pragma once

#include <cstdint>

namespace dt {

// What a setting may be, ends included; where it is a list, each of its values.
struct Range {
  double low, high;
};

// Settings come in structs whose `each` walks over them: row(name, member) or row(name, member,
// range). What binds them, checks them or reads them from a manifest goes by these rows, so a
// setting is a member, its row, and its use.

// Silence gate: a voiced frame opens the gated curves, silence moves them to their rest values.
struct GateOptions {
  double floor_initial_db = -70.0;      // noise floor before any audio, dBFS
  double floor_minimum_db = -80.0;      // lowest floor
  double floor_maximum_db = -45.0;      // highest floor
  double rise_db_s = 3.0;               // how fast the floor follows rising noise
  double margin_db = 12.0;              // voiced means this far above the floor
  double threshold_minimum_db = -58.0;  // limits of floor + margin
  double threshold_maximum_db = -35.0;
  double lookback_ms = 20.0;  // columns this long before a frame count as its own
  double hold_ms = 60.0;      // stays open this long after the last voiced frame
  double attack_ms = 40.0;    // time from shut to open
  double release_ms = 100.0;  // time from open to shut

  template <typename Row>
  static void each(Row&& row) {
    constexpr Range kLevelDb{-200.0, 100.0}, kTimeMs{0.0, 10000.0};
    row("floor_initial_db", &GateOptions::floor_initial_db, kLevelDb);
    row("floor_minimum_db", &GateOptions::floor_minimum_db, kLevelDb);
    row("floor_maximum_db", &GateOptions::floor_maximum_db, kLevelDb);
    row("rise_db_s", &GateOptions::rise_db_s, Range{0.0, 10000.0});
    row("margin_db", &GateOptions::margin_db, Range{0.0, 200.0});
    row("threshold_minimum_db", &GateOptions::threshold_minimum_db, kLevelDb);
    row("threshold_maximum_db", &GateOptions::threshold_maximum_db, kLevelDb);
    row("lookback_ms", &GateOptions::lookback_ms, kTimeMs);
    row("hold_ms", &GateOptions::hold_ms, kTimeMs);
    row("attack_ms", &GateOptions::attack_ms, kTimeMs);
    row("release_ms", &GateOptions::release_ms, kTimeMs);
  }
};

// Idle motion: what a face does beside speaking. The amounts are shares of measured faces' own
// (cpp/src/curves/idle.cpp has those).
struct IdleOptions {
  double blinks_a_minute = 16.0;  // in silence
  double blinks_speaking = 0.5;   // share of that rate while a phrase is spoken
  double blink = 1.0;             // how far a blink shuts the eye
  double gaze = 1.0;              // width of the glances
  double drift = 1.0;             // of brows and lids
  double head = 1.0;              // rotation, where it is asked for

  template <typename Row>
  static void each(Row&& row) {
    constexpr Range kAmount{0.0, 4.0};
    row("blinks_a_minute", &IdleOptions::blinks_a_minute, Range{0.0, 60.0});
    row("blinks_speaking", &IdleOptions::blinks_speaking, kAmount);
    row("blink", &IdleOptions::blink, Range{0.0, 1.0});
    row("gaze", &IdleOptions::gaze, kAmount);
    row("drift", &IdleOptions::drift, kAmount);
    row("head", &IdleOptions::head, kAmount);
  }
};

// What a runtime gives beside the curves that speech moves.
struct MotionOptions {
  double idle = 1.0;  // 0 to 1: how much idle motion is added; 0 leaves the model's curves alone
  bool head = false;  // three values after the curves: yaw, pitch, roll of the head, radians

  // Values of a frame.
  std::int64_t width(std::int64_t curves) const { return curves + (head ? 3 : 0); }
};

// Post-processing of one curve, in the order of the fields.
struct CurveOptions {
  float gain = 1.0F;
  float offset = 0.0F;
  float minimum = 0.0F;
  float maximum = 1.0F;
  float smoothing_ms = 0.0F;  // time constant of a one-pole low-pass; 0 = off
  float rest = 0.0F;          // value in silence, if gated
  bool gated = false;         // follows the silence gate

  template <typename Row>
  static void each(Row&& row) {
    constexpr Range kValue{-10000.0, 10000.0};
    row("gain", &CurveOptions::gain, kValue);
    row("offset", &CurveOptions::offset, kValue);
    row("minimum", &CurveOptions::minimum, kValue);
    row("maximum", &CurveOptions::maximum, kValue);
    row("smoothing_ms", &CurveOptions::smoothing_ms, Range{0.0, 10000.0});
    row("rest", &CurveOptions::rest, kValue);
    row("gated", &CurveOptions::gated);
  }
};

}  // namespace dt
