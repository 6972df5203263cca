// Settings of a face: the silence gate and what becomes of each curve.
#pragma once

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
