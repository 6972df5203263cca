// Settings of a face: the silence gate and what becomes of each curve.
#pragma once

namespace dt {

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
};

}  // namespace dt
