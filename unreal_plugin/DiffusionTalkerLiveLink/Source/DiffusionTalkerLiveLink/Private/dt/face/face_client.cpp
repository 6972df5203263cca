#include "dt/face/face_client.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>

#include "dt/net/tcp_socket.h"

namespace dt {

namespace {

// The longest wait, so that stop(), a stall and new settings are noticed soon.
constexpr std::int64_t kSliceMs = 40;
// The format of sound that this client reads: mono, signed 16-bit, little-endian.
constexpr char kAudioFormat[] = "s16le";
// Closing frames come at this interval.
constexpr std::int64_t kClosingStepNs = 16'666'667;

Endpoint endpoint_of(const Connection& connection) {
  Endpoint endpoint;
  std::string why;
  parse_endpoint(connection.endpoint, &endpoint, &why);
  return endpoint;
}

bool all_zero(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return value == 0.0f; });
}

}  // namespace

std::int64_t FaceClient::steady_clock_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

FaceClient::FaceClient(const Connection& connection, FaceSink* sink, Clock clock,
                       const Subscriber::Timing& timing)
    : sink_(sink),
      clock_(clock),
      subscriber_(endpoint_of(connection), subscription(connection.subject), timing,
                  connection.keys),
      delay_ms_(connection.delay_ms),
      gains_in_use_(preset_gains(connection.gains)) {
  seen_.endpoint = connection.endpoint;
  published_ = seen_;
}

void FaceClient::run() {
  while (!stopping_.load()) step();
  const std::int64_t now_ns = clock_();
  for (const auto& face : faces_) {
    if (face->neutral) continue;
    std::fill(face->last.values.begin(), face->last.values.end(), 0.0f);
    face->last.flags = kFlagClosing | kFlagNeutral;
    show(*face, now_ns);
  }
}

void FaceClient::step() {
  take_settings();
  std::int64_t now_ns = clock_();
  subscriber_.step(now_ns, wait_ms(now_ns));
  now_ns = clock_();
  while (const std::vector<std::string>* parts = subscriber_.next_message(now_ns)) {
    handle(*parts, now_ns);
  }
  for (const auto& face : faces_) {
    release(*face, now_ns);
    close_if_stalled(*face, now_ns);
  }
  publish_statistics(now_ns);
}

void FaceClient::handle(const std::vector<std::string>& parts, std::int64_t now_ns) {
  ++seen_.messages;
  std::string why;
  if (!decode(parts, &message_, &why)) {
    refuse(why);
    return;
  }
  switch (message_.kind) {
    case Kind::kSchema:
      take_schema(message_);
      break;
    case Kind::kFrame:
      take_frame(message_, now_ns);
      break;
    case Kind::kAudio:
      take_audio(message_);
      break;
    case Kind::kBye:
      take_bye(message_);
      break;
    case Kind::kUnknown:
      break;
  }
}

void FaceClient::take_schema(Message& message) {
  Face* face = find(message.subject);
  // Repeated every second: almost always nothing new.
  if (face != nullptr && face->session == message.session &&
      face->wire_names == message.schema.curves) {
    return;
  }
  std::vector<std::string> names;
  std::string why;
  if (!pascal_names(message.schema.curves, &names, &why)) {
    refuse(why);
    return;
  }
  if (face == nullptr) {
    for (const auto& other : faces_) {
      if (!same_name(other->subject, message.subject)) continue;
      refuse("subjects " + other->subject + " and " + message.subject + " differ only in case");
      return;
    }
    if (faces_.size() == kMaxFaces) {
      refuse("more than 16 subjects at one publisher");
      return;
    }
    faces_.push_back(std::make_unique<Face>());
    face = faces_.back().get();
    face->subject = message.subject;
    seen_.faces += (seen_.faces.empty() ? "" : ", ") + message.subject;
  }
  face->session = message.session;
  face->wire_names = std::move(message.schema.curves);
  face->names = std::move(names);
  face->gains = gains_in_order(face->names, gains_in_use_);
  face->audio_format = message.schema.audio_format;
  face->heard = -1;
  face->buffer.start_session();
  face->last.values.assign(face->names.size(), 0.0f);
  face->neutral = true;
  face->left = false;
  face->closing_ns = 0;
  ++seen_.sessions;
  seen_.farewell.clear();
  sink_->face_started(face->subject, face->names);
}

void FaceClient::take_frame(Message& message, std::int64_t now_ns) {
  Face* face = find(message.subject);
  if (face == nullptr || face->session != message.session) {
    ++seen_.unannounced;
    return;
  }
  if (message.frame.values.size() != face->names.size()) {
    refuse("frame curves: expected " + std::to_string(face->names.size()) + ", got " +
           std::to_string(message.frame.values.size()));
    return;
  }
  face->buffer.set_delay_ns(delay_ms_.load() * std::int64_t{1'000'000});
  switch (face->buffer.push(std::move(message.frame), now_ns)) {
    case JitterBuffer::Fate::kTaken:
      release(*face, now_ns);
      break;
    case JitterBuffer::Fate::kDuplicate:
      ++seen_.duplicates;
      break;
    case JitterBuffer::Fate::kLate:
      ++seen_.late;
      break;
  }
}

void FaceClient::take_audio(Message& message) {
  Face* face = find(message.subject);
  if (face == nullptr || face->session != message.session) {
    ++seen_.unannounced;
    return;
  }
  // A format of a later version, or a piece that came twice or too late.
  if (face->audio_format != kAudioFormat || message.audio.sequence <= face->heard) return;
  face->heard = message.audio.sequence;
  if (!face->buffer.local_time(message.audio.capture_ns, &sound_.local_ns)) return;
  sound_.position_samples = message.audio.position_samples;
  sound_.rate_hz = message.audio.audio_rate_hz;
  sound_.session = message.session;
  sound_.samples.swap(message.audio.samples);
  sink_->face_heard(face->subject, sound_);
}

void FaceClient::take_bye(const Message& message) {
  Face* face = find(message.subject);
  if (face == nullptr || face->session != message.session) return;
  face->left = true;
  const bool all_left =
      std::all_of(faces_.begin(), faces_.end(), [](const auto& other) { return other->left; });
  if (all_left)
    seen_.farewell = message.bye.reason.empty() ? "no reason given" : message.bye.reason;
}

void FaceClient::release(Face& face, std::int64_t now_ns) {
  JitterBuffer::Released out;
  while (face.buffer.pop(now_ns, &out)) {
    face.closing_ns = 0;
    face.moved_ns = now_ns;
    face.last.index = out.frame.index;
    face.last.rate_num = out.frame.rate_num;
    face.last.rate_den = out.frame.rate_den;
    face.last.flags = out.frame.flags | (out.lost > 0 ? kFlagGap : 0u);
    face.last.values = std::move(out.frame.values);
    seen_.lost += static_cast<std::uint64_t>(out.lost);
    ++seen_.frames;
    ++rate_frames_;
    seen_.last_frame_ns = now_ns;
    show(face, out.local_ns);
  }
}

// A sender that hangs, crashes or leaves with an open mouth must not leave the face so.
void FaceClient::close_if_stalled(Face& face, std::int64_t now_ns) {
  if (face.neutral || face.buffer.waiting() > 0) return;
  if (face.closing_ns == 0) {
    if (!face.left && now_ns - face.moved_ns < kStallNs) return;
    face.closing_ns = now_ns;
    face.closing_from = face.last.values;
  }
  const double done = std::min(1.0, static_cast<double>(now_ns - face.closing_ns) / kClosingNs);
  const float left = static_cast<float>(1.0 - done * done * (3.0 - 2.0 * done));
  for (std::size_t i = 0; i < face.closing_from.size(); ++i) {
    face.last.values[i] = done == 1.0 ? 0.0f : face.closing_from[i] * left;
  }
  // The index stands still: a sender that was only slow goes on right after it.
  face.last.flags = kFlagClosing | (done == 1.0 ? kFlagNeutral : 0u);
  show(face, now_ns);
}

void FaceClient::show(Face& face, std::int64_t local_ns) {
  face.last.local_ns = std::max(local_ns, face.last.local_ns + 1000);
  face.neutral = all_zero(face.last.values);
  shown_ = face.last;
  apply_gains(face.gains, &shown_.values);
  sink_->face_moved(face.subject, shown_);
}

void FaceClient::refuse(const std::string& why) {
  ++seen_.malformed;
  seen_.last_malformed = why;
}

int FaceClient::wait_ms(std::int64_t now_ns) const {
  std::int64_t wait_ns = kSliceMs * 1'000'000;
  for (const auto& face : faces_) {
    const std::int64_t due_ns = face->buffer.next_due_ns();
    if (due_ns != INT64_MAX) wait_ns = std::min(wait_ns, due_ns - now_ns);
    if (face->closing_ns != 0 && !face->neutral) wait_ns = std::min(wait_ns, kClosingStepNs);
  }
  // Rounded up: waking before a frame is due would spin.
  return static_cast<int>(std::max<std::int64_t>(0, (wait_ns + 999'999) / 1'000'000));
}

void FaceClient::take_settings() {
  if (gains_version_.load() == gains_taken_) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    gains_taken_ = gains_version_.load();
    gains_in_use_ = gains_;
  }
  for (const auto& face : faces_) face->gains = gains_in_order(face->names, gains_in_use_);
}

void FaceClient::set_gains(const std::vector<CurveGain>& gains) {
  const std::lock_guard<std::mutex> lock(mutex_);
  gains_ = gains;
  gains_version_.fetch_add(1);
}

void FaceClient::publish_statistics(std::int64_t now_ns) {
  const std::int64_t passed_ns = now_ns - rate_since_ns_;
  if (passed_ns >= 1'000'000'000) {
    seen_.frames_per_second =
        static_cast<double>(rate_frames_) * 1e9 / static_cast<double>(passed_ns);
    rate_since_ns_ = now_ns;
    rate_frames_ = 0;
  }
  seen_.connected = subscriber_.connected();
  seen_.connections = subscriber_.connections();
  seen_.attempts = subscriber_.attempts();
  seen_.trouble = subscriber_.trouble();
  seen_.clock_resets = 0;
  for (const auto& face : faces_) {
    seen_.clock_resets += static_cast<std::uint64_t>(face->buffer.clock_resets());
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  published_ = seen_;
}

Statistics FaceClient::statistics() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return published_;
}

FaceClient::Face* FaceClient::find(const std::string& subject) {
  for (const auto& face : faces_) {
    if (face->subject == subject) return face.get();
  }
  return nullptr;
}

}  // namespace dt
