// Plays the sound that moves a face, each sample when the frame of its instant is shown. Three
// clocks are in it: the sender's, which the client has mapped to the engine's already; the
// engine's; and the sound device's, which asks for samples in lumps and a little too fast or too
// slow. The player reads the sound through an interpolator whose speed follows the difference, at
// most half a per cent off, which nobody hears, and jumps, faded out and in, where the difference
// is too large to follow.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "dt/face/face_client.h"
#include "dt/face/voice_ring.h"

namespace dt {

class VoicePlayer {
 public:
  // Sound that is further off than this is sought anew.
  static constexpr std::int64_t kJumpNs = 120'000'000;
  // The largest change of speed.
  static constexpr double kMostSpeed = 0.005;
  static constexpr std::int64_t kFadeNs = 5'000'000;
  // A hole in the sound up to this length is played as silence; after a longer one it begins anew.
  static constexpr std::int64_t kHoleNs = 1'000'000'000;
  static constexpr int kTaps = 32;
  static constexpr int kPhases = 256;

  struct Statistics {
    std::int64_t dropouts = 0;   // times that the sound ran out while it played; its end is one
    std::int64_t jumps = 0;      // times that it was sought anew
    std::int64_t overflows = 0;  // pieces that nobody was there to play
    double error_ms = 0.0;       // how early (below 0: late) samples are played now, smoothed
  };

  // `device_rate_hz`: samples a second that render() is asked for.
  explicit VoicePlayer(std::int32_t device_rate_hz);

  // On the receiving thread: the next piece, as FaceSink::face_heard gives it.
  void push(const FaceSound& sound);

  // From any thread: plays all sound so much earlier, to make up for what the device adds.
  void set_lead_ns(std::int64_t lead_ns) { lead_ns_.store(lead_ns); }

  // On the audio thread: the next `count` samples, the first of which the device takes at `now_ns`
  // of the engine's clock, as well as that can be told.
  void render(float* out, int count, std::int64_t now_ns);

  // From any thread.
  Statistics statistics() const;

 private:
  void write_hole(std::int64_t count, const VoicePiece& after);
  void take_pieces(std::int64_t at_ns);
  bool aim(std::int64_t at_ns, double* index, std::int32_t* rate_hz) const;
  std::int64_t end_index(double index) const;
  void begin_at(double index, std::int32_t rate_hz);
  void steer(std::int64_t at_ns, int count);
  float interpolated() const;
  void make_table();

  const std::int32_t device_rate_hz_;
  VoiceRing ring_;
  std::atomic<std::int64_t> lead_ns_{0};
  std::atomic<std::int64_t> dropouts_{0}, jumps_{0}, overflows_{0};
  std::atomic<double> error_ms_{0.0};

  // The receiving thread's.
  bool pushed_ = false;
  std::int64_t next_position_ = 0;
  std::int64_t last_session_ = 0;
  std::int32_t last_rate_hz_ = 0;
  std::vector<std::int16_t> written_;  // as it goes into the ring

  // The audio thread's.
  std::array<VoicePiece, 512> pieces_{};  // taken from the ring, oldest first from first_
  std::size_t first_ = 0, pieces_count_ = 0;
  bool playing_ = false;
  bool leaving_ = false;  // fades out, to be sought anew
  double at_ = 0.0;       // index of the sample that is played next, and what lies between two
  std::int32_t rate_hz_ = 0;
  std::int32_t table_rate_hz_ = 0;
  double speed_ = 1.0;
  double error_s_ = 0.0;
  float gain_ = 0.0f;
  std::vector<float> table_;  // kPhases + 1 rows of kTaps
};

}  // namespace dt
