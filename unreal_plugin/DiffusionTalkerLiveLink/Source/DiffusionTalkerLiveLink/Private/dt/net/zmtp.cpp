#include "dt/net/zmtp.h"

#include <utility>

namespace dt {

namespace {

constexpr std::size_t kSignatureBytes = 10;
constexpr std::size_t kGreetingBytes = 64;
constexpr std::size_t kMechanismOffset = 12;
constexpr std::size_t kMechanismBytes = 20;
constexpr std::size_t kLongestShort = 255;
constexpr unsigned kMore = 1;
constexpr unsigned kLong = 2;
constexpr unsigned kCommand = 4;
constexpr std::size_t kMaxPingContextBytes = 16;

std::string mechanism_field(const char* name) {
  std::string field = name;
  field.resize(kMechanismBytes, '\0');
  return field;
}

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t whole = 0;
  for (const char byte : bytes) whole = (whole << 8) | static_cast<unsigned char>(byte);
  return whole;
}

// Foreign text for a status line: printable ASCII, shortened.
std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 60)) out += c >= ' ' && c <= '~' ? c : '?';
  return out;
}

// What a subscriber says of itself.
std::string own_properties() {
  std::string properties;
  properties += '\x0B';
  properties += "Socket-Type";
  properties += std::string("\0\0\0\x03", 4) + "SUB";
  properties += '\x08';
  properties += "Identity";
  properties += std::string("\0\0\0\0", 4);
  return properties;
}

// Reads a one-byte length and as many bytes off the front of `rest`.
bool take_short(std::string_view* rest, std::string_view* out) {
  if (rest->empty()) return false;
  const std::size_t size = static_cast<unsigned char>(rest->front());
  if (rest->size() < 1 + size) return false;
  *out = rest->substr(1, size);
  rest->remove_prefix(1 + size);
  return true;
}

}  // namespace

ZmtpSession::ZmtpSession(std::string_view topic_prefix, const CurveKeys* keys)
    : topic_prefix_(topic_prefix.substr(0, 254)) {
  if (keys != nullptr) curve_.emplace(*keys);
  unsent_ += '\xFF';
  unsent_.append(8, '\0');
  unsent_ += '\x7F';
  unsent_ += '\x03';  // version 3.0
  unsent_ += '\0';
  unsent_ += mechanism_field(mechanism());
  unsent_.resize(kGreetingBytes, '\0');  // as-server 0 and filler
}

void ZmtpSession::feed(const char* bytes, std::size_t count) {
  input_.erase(0, consumed_);
  consumed_ = 0;
  input_.append(bytes, count);
}

ZmtpSession::Event ZmtpSession::next() {
  for (;;) {
    const std::size_t waiting = input_.size() - consumed_;
    switch (stage_) {
      case Stage::kFailed:
        return Event::kFailed;
      case Stage::kSignature:
        // Looked at as early as it can be, so that a peer that speaks something else is told apart
        // from one that is slow.
        if (waiting > 0 && static_cast<unsigned char>(input_[0]) != 0xFF) {
          return fail("the peer does not speak ZeroMQ");
        }
        if (waiting < kSignatureBytes) return Event::kNone;
        if ((static_cast<unsigned char>(input_[9]) & 1) == 0) {
          return fail("the peer does not speak ZeroMQ");
        }
        stage_ = Stage::kGreeting;
        break;
      case Stage::kGreeting: {
        if (waiting < kGreetingBytes) return Event::kNone;
        const Event event = greet();
        if (event != Event::kNone) return event;
        break;
      }
      case Stage::kHandshake:
      case Stage::kTraffic: {
        bool progress = false;
        const Event event = take_frame(&progress);
        if (event != Event::kNone || !progress) return event;
        break;
      }
    }
  }
}

ZmtpSession::Event ZmtpSession::greet() {
  const unsigned major = static_cast<unsigned char>(input_[kSignatureBytes]);
  if (major < 3) return fail("the peer speaks ZMTP " + std::to_string(major) + ", expected 3");
  const std::string theirs = input_.substr(kMechanismOffset, kMechanismBytes);
  if (!curve_ && theirs == mechanism_field("CURVE")) {
    return fail("the sender asks for a key: give the source its folder of keys");
  }
  if (theirs != mechanism_field(mechanism())) {
    return fail("the peer wants the security mechanism " + shown(theirs.c_str()) + ", expected " +
                mechanism());
  }
  consumed_ += kGreetingBytes;
  stage_ = Stage::kHandshake;
  if (curve_) {
    send_command("HELLO", curve_->hello());
  } else {
    send_command("READY", own_properties());
  }
  return Event::kNone;
}

ZmtpSession::Event ZmtpSession::take_frame(bool* progress) {
  const std::string_view waiting = std::string_view(input_).substr(consumed_);
  if (waiting.empty()) return Event::kNone;
  const unsigned flags = static_cast<unsigned char>(waiting[0]);
  const bool is_command = (flags & kCommand) != 0;
  if (flags > (kMore | kLong | kCommand) || (is_command && (flags & kMore) != 0)) {
    return fail("a frame with unknown flags");
  }
  const std::size_t length_bytes = (flags & kLong) != 0 ? 8 : 1;
  if (waiting.size() < 1 + length_bytes) return Event::kNone;
  const std::uint64_t length = big_endian(waiting.substr(1, length_bytes));
  const std::size_t added = curve_ ? CurveClient::kAddedBytes : 0;
  const std::size_t most = is_command ? kMaxCommandBytes : kMaxPartBytes + added;
  if (length > most) {
    return fail("a frame of " + std::to_string(length) + " bytes, expected at most " +
                std::to_string(most));
  }
  const std::size_t whole = 1 + length_bytes + static_cast<std::size_t>(length);
  if (waiting.size() < whole) return Event::kNone;

  const std::string_view body = waiting.substr(1 + length_bytes, static_cast<std::size_t>(length));
  consumed_ += whole;
  *progress = true;
  if (is_command && curve_ && stage_ == Stage::kTraffic) return fail("a command in clear");
  if (is_command) return take_command(body);
  if (stage_ == Stage::kHandshake) return fail("a message before the handshake");
  if (curve_) return take_sealed(body);
  return take_part((flags & kMore) != 0, body);
}

ZmtpSession::Event ZmtpSession::take_sealed(std::string_view sealed) {
  bool more = false;
  bool command = false;
  std::string body;
  if (!curve_->open(sealed, &more, &command, &body)) {
    return fail("a message that the sender's key has not sealed");
  }
  if (!command) return take_part(more, body);
  if (body.size() > kMaxCommandBytes) return fail("a command that is too long");
  return take_command(body);
}

ZmtpSession::Event ZmtpSession::take_part(bool more, std::string_view body) {
  if (parts_.size() == kMaxParts) return fail("a message of more than 8 parts");
  parts_.emplace_back(body);
  if (more) return Event::kNone;
  message_.swap(parts_);
  parts_.clear();
  return Event::kMessage;
}

ZmtpSession::Event ZmtpSession::take_command(std::string_view body) {
  std::string_view name;
  if (!take_short(&body, &name)) return fail("a malformed command");
  if (name == "ERROR") {
    std::string_view reason;
    take_short(&body, &reason);
    return fail("the peer refused: " + shown(reason));
  }
  if (stage_ == Stage::kHandshake) return take_handshake(name, body);
  if (name == "PING") {
    if (body.size() < 2 || body.size() > 2 + kMaxPingContextBytes) return fail("a malformed PING");
    send_command("PONG", body.substr(2));
    if (unsent_.size() > kMaxUnsentBytes) return fail("the peer sends but does not read");
  }
  // PONG, and commands of later versions, need no answer.
  return Event::kNone;
}

ZmtpSession::Event ZmtpSession::take_handshake(std::string_view name, std::string_view body) {
  std::string opened;
  if (curve_ && !welcome_) {
    if (name != "WELCOME") return fail("expected WELCOME, got the command " + shown(name));
    if (!curve_->take_welcome(body)) return fail("the peer has another key than sender.key");
    welcome_ = true;
    send_command("INITIATE", curve_->initiate(own_properties()));
    return Event::kNone;
  }
  if (name != "READY") return fail("expected READY, got the command " + shown(name));
  if (curve_) {
    if (!curve_->take_ready(body, &opened)) return fail("a READY that its key has not sealed");
    body = opened;
  }
  std::string why;
  if (!socket_type_publishes(body, &why)) return fail(why);
  stage_ = Stage::kTraffic;
  // A subscription in ZMTP 3.0 is a message: 1 and the topic prefix.
  send_frame(false, "\x01" + topic_prefix_);
  return Event::kReady;
}

bool ZmtpSession::socket_type_publishes(std::string_view properties, std::string* why) const {
  while (!properties.empty()) {
    std::string_view name;
    if (!take_short(&properties, &name) || properties.size() < 4) break;
    const std::uint64_t size = big_endian(properties.substr(0, 4));
    properties.remove_prefix(4);
    if (size > properties.size()) break;
    const std::string_view value = properties.substr(0, static_cast<std::size_t>(size));
    properties.remove_prefix(static_cast<std::size_t>(size));
    if (name != "Socket-Type") continue;
    if (value == "PUB" || value == "XPUB") return true;
    *why = "the peer is a " + shown(value) + " socket, expected PUB or XPUB";
    return false;
  }
  *why = "a malformed READY";
  return false;
}

void ZmtpSession::send_command(std::string_view name, std::string_view body) {
  std::string whole(1, static_cast<char>(name.size()));
  whole += name;
  whole += body;
  send_frame(true, whole);
}

// In clear until CURVE's handshake is done; then a command is a message like others.
void ZmtpSession::send_frame(bool command, std::string_view body) {
  const bool seals = curve_ && stage_ == Stage::kTraffic;
  const std::string sealed = seals ? curve_->seal(command, body) : std::string();
  if (seals) body = sealed;
  const bool is_long = body.size() > kLongestShort;
  unsent_ += static_cast<char>((command && !seals ? kCommand : 0u) | (is_long ? kLong : 0u));
  for (int shift = is_long ? 56 : 0; shift >= 0; shift -= 8) {
    unsent_ += static_cast<char>(static_cast<std::uint64_t>(body.size()) >> shift);
  }
  unsent_ += body;
}

void ZmtpSession::ping() {
  // A time to live of 0 asks the peer not to drop us when we are silent.
  if (ready() && unsent_.size() < kMaxUnsentBytes)
    send_command("PING", std::string_view("\0\0", 2));
}

ZmtpSession::Event ZmtpSession::fail(std::string why) {
  error_ = std::move(why);
  stage_ = Stage::kFailed;
  // Nothing of this connection is of use any more.
  input_.clear();
  consumed_ = 0;
  parts_.clear();
  return Event::kFailed;
}

}  // namespace dt
