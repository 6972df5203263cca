// The messages on the wire (docs/wire.md): two-part ZeroMQ messages [topic, payload], topic
// `dt/SUBJECT/KIND`, payload in msgpack. Accepts what python/diffusiontalker/wire.py accepts, and
// refuses what it refuses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dt {

constexpr std::uint64_t kWireVersion = 1;
constexpr std::size_t kMaxPayloadBytes = 65536;
constexpr std::size_t kMaxSubjectBytes = 128;
constexpr std::size_t kMaxCurves = 256;
constexpr std::size_t kMaxTextBytes = 256;
constexpr std::size_t kMaxAudioBytes = 16384;

constexpr std::uint32_t kFlagClosing = 1;  // made by the sender while it closes the face
constexpr std::uint32_t kFlagNeutral = 2;  // every curve is 0
constexpr std::uint32_t kFlagGap = 4;      // audio or frames were lost just before this frame
constexpr std::uint32_t kFlagFewerSteps =
    8;  // made with fewer sampling steps: an overloaded sender

enum class Kind { kSchema, kFrame, kAudio, kBye, kUnknown };

// What the frames of a session mean.
struct Schema {
  std::vector<std::string> curves;  // names, in the order of a frame's values
  std::int32_t rate_num = 0;        // frames a second
  std::int32_t rate_den = 0;
  std::string model;
  std::string model_version;
  double lookahead_ms = 0.0;
  std::int32_t audio_rate_hz = 0;
  std::int64_t start_ns = 0;       // sender's monotonic clock at sample 0
  std::int64_t start_unix_ns = 0;  // the same instant in Unix time
  std::string audio_format;        // of the audio messages; empty if none are sent
};

// One instant of the face.
struct Frame {
  std::int64_t sequence = 0;  // counts the frames sent, without gaps
  std::int64_t index = 0;     // depicts index * rate_den / rate_num seconds of audio
  std::int32_t rate_num = 0;
  std::int32_t rate_den = 0;
  std::int64_t position_samples = 0;  // that instant on the audio clock
  std::int32_t audio_rate_hz = 0;
  std::int64_t capture_ns = 0;  // sender's monotonic clock when that sample was captured
  std::uint32_t flags = 0;
  std::vector<float> values;  // in the schema's order
};

// A piece of the sound that moves the face, mono, on the clock of the frames.
struct Audio {
  std::int64_t sequence = 0;          // counts the audio messages sent, without gaps
  std::int64_t position_samples = 0;  // of the first sample on the audio clock
  std::int32_t audio_rate_hz = 0;
  std::int64_t capture_ns = 0;  // sender's monotonic clock when the first sample was captured
  std::vector<std::int16_t> samples;
};

// The sender leaves; no frame of this session follows.
struct Bye {
  std::int64_t frames = 0;  // sent in this session
  std::string reason;
};

// One decoded message; only the member that `kind` names is meaningful.
struct Message {
  Kind kind = Kind::kUnknown;
  std::string subject;
  std::int64_t session = 0;
  Schema schema;
  Frame frame;
  Audio audio;
  Bye bye;
};

// Reads the parts of one ZeroMQ message. False on a message that breaks a rule; `why` then says in
// one line what was expected. A well-formed topic of a kind that this version does not know gives
// true and kUnknown: later versions may add kinds.
bool decode(const std::vector<std::string>& parts, Message* message, std::string* why);

// Whether `subject` can name a face on the wire: 1 to 128 bytes of UTF-8 without '/' and without
// control characters.
bool is_subject(std::string_view subject);

// Topic prefix to subscribe to: everything of one subject, or of every subject if it is empty.
std::string subscription(std::string_view subject);

}  // namespace dt
