// A client of one publisher: receives, checks, orders and times the frames of its faces, and gives
// them to a sink. This is all that an engine's plugin needs besides its own data structures.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "dt/face/connection.h"
#include "dt/face/jitter_buffer.h"
#include "dt/face/statistics.h"
#include "dt/net/subscriber.h"
#include "dt/wire/curve_names.h"
#include "dt/wire/wire.h"

namespace dt {

// A frame as it leaves the client.
struct FaceFrame {
  std::int64_t local_ns = 0;  // when to show it, on the client's clock; grows within a subject
  std::int64_t index = 0;     // shows the instant index * rate_den / rate_num seconds of the stream
  std::int32_t rate_num = 60;
  std::int32_t rate_den = 1;
  std::uint32_t flags = 0;    // kFlag...
  std::vector<float> values;  // in the order of the names that face_started gave
};

// A piece of the sound as it leaves the client, if the sender publishes it. It comes before the
// frames that it belongs to, so that it can be played when they are shown.
struct FaceSound {
  std::int64_t local_ns = 0;          // when to play the first sample, on the client's clock
  std::int64_t position_samples = 0;  // of the first sample since the stream began
  std::int32_t rate_hz = 0;
  std::int64_t session = 0;           // another number: another sender, another clock
  std::vector<std::int16_t> samples;  // mono
};

// Where the frames go. Called on the thread that runs the client, never after run() returned.
class FaceSink {
 public:
  virtual ~FaceSink() = default;
  // Before the first frame of each session of a subject, and never otherwise.
  virtual void face_started(const std::string& subject, const std::vector<std::string>& names) = 0;
  virtual void face_moved(const std::string& subject, const FaceFrame& frame) = 0;
  // Sound is given on as it comes, in order; whoever does not want it need not do anything.
  virtual void face_heard(const std::string& /*subject*/, const FaceSound& /*sound*/) {}
};

class FaceClient {
 public:
  // Frames stop for this long: the face is closed, over kClosingNs.
  static constexpr std::int64_t kStallNs = 500'000'000;
  static constexpr std::int64_t kClosingNs = 200'000'000;
  static constexpr std::size_t kMaxFaces = 16;

  using Clock = std::int64_t (*)();  // a monotonic clock in ns

  static std::int64_t steady_clock_ns();

  // `sink` must outlive run(). The connection must be one that parse_connection accepted.
  FaceClient(const Connection& connection, FaceSink* sink, Clock clock = steady_clock_ns,
             const Subscriber::Timing& timing = Subscriber::Timing());

  // Receives until stop() is called, then shows every face as neutral and returns.
  void run();

  // From any thread, any number of times; run() returns within about 0.1 s.
  void stop() { stopping_.store(true); }

  // From any thread; these hold from the next frame on.
  void set_delay_ms(int delay_ms) { delay_ms_.store(delay_ms); }
  void set_gains(const std::vector<CurveGain>& gains);

  // From any thread.
  Statistics statistics() const;
  std::string status() const { return describe(statistics(), clock_()); }

 private:
  struct Face {
    std::string subject;
    std::int64_t session = 0;
    std::vector<std::string> wire_names;
    std::vector<std::string> names;
    std::vector<float> gains;
    std::string audio_format;
    std::int64_t heard = -1;  // sequence of the last piece of sound
    JitterBuffer buffer;
    FaceFrame last;               // shown last, before gains
    bool neutral = true;          // the face shown last
    bool left = false;            // its sender said goodbye
    std::int64_t moved_ns = 0;    // when the sender's last frame was shown
    std::int64_t closing_ns = 0;  // since when the client closes it; 0: it does not
    std::vector<float> closing_from;
  };

  void step();
  void handle(const std::vector<std::string>& parts, std::int64_t now_ns);
  void take_schema(Message& message);
  void take_frame(Message& message, std::int64_t now_ns);
  void take_audio(Message& message);
  void take_bye(const Message& message);
  void release(Face& face, std::int64_t now_ns);
  void close_if_stalled(Face& face, std::int64_t now_ns);
  void show(Face& face, std::int64_t local_ns);
  void refuse(const std::string& why);
  int wait_ms(std::int64_t now_ns) const;
  void take_settings();
  void publish_statistics(std::int64_t now_ns);
  Face* find(const std::string& subject);

  FaceSink* sink_;
  Clock clock_;
  Subscriber subscriber_;
  std::vector<std::unique_ptr<Face>> faces_;
  Message message_;
  FaceFrame shown_;
  FaceSound sound_;
  Statistics seen_;
  std::int64_t rate_since_ns_ = 0;
  std::uint64_t rate_frames_ = 0;

  std::atomic<bool> stopping_{false};
  std::atomic<int> delay_ms_{0};
  std::atomic<std::uint32_t> gains_version_{0};
  std::uint32_t gains_taken_ = 0;
  std::vector<CurveGain> gains_in_use_;

  mutable std::mutex mutex_;  // guards the two below
  std::vector<CurveGain> gains_;
  Statistics published_;
};

}  // namespace dt
