// The ZeroMQ Message Transport Protocol 3.0 (rfc.zeromq.org/spec/23) as a subscriber speaks it,
// without any socket: bytes go in, messages and bytes to answer come out. Without keys by the
// mechanism NULL, with them by CURVE.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dt/net/curve.h"

namespace dt {

class ZmtpSession {
 public:
  // A message part or a command longer than this ends the session before anything is allocated.
  static constexpr std::size_t kMaxPartBytes = 65536;
  static constexpr std::size_t kMaxCommandBytes = 512;
  static constexpr std::size_t kMaxParts = 8;
  // Bytes that may wait for a peer that does not read; more ends the session.
  static constexpr std::size_t kMaxUnsentBytes = 8192;

  enum class Event {
    kNone,     // needs more bytes
    kReady,    // the handshake is done and the subscription sent
    kMessage,  // message() holds a whole message
    kFailed,   // error() says why; the connection is of no use any more
  };

  // Subscribes to every topic that starts with `topic_prefix` (at most 255 bytes); with `keys` from
  // the sender whose key is among them, and from nobody else.
  explicit ZmtpSession(std::string_view topic_prefix, const CurveKeys* keys = nullptr);

  // Takes bytes from the peer. Call next() until it gives kNone before feeding more.
  void feed(const char* bytes, std::size_t count);

  // Gives what the bytes fed so far mean, one event a call.
  Event next();

  // Queues a PING, which a live peer answers.
  void ping();

  // Bytes to send to the peer; sent() drops those that were.
  const std::string& unsent() const { return unsent_; }
  void sent(std::size_t count) { unsent_.erase(0, count); }

  bool ready() const { return stage_ == Stage::kTraffic; }
  // Whether bytes of something unfinished wait for the rest.
  bool midway() const { return input_.size() > consumed_ || !parts_.empty(); }
  const std::vector<std::string>& message() const { return message_; }
  const std::string& error() const { return error_; }

 private:
  enum class Stage { kSignature, kGreeting, kHandshake, kTraffic, kFailed };

  Event fail(std::string why);
  Event greet();
  Event take_frame(bool* progress);
  Event take_part(bool more, std::string_view body);
  Event take_command(std::string_view body);
  Event take_handshake(std::string_view name, std::string_view body);
  Event take_sealed(std::string_view body);
  const char* mechanism() const { return curve_ ? "CURVE" : "NULL"; }
  bool socket_type_publishes(std::string_view properties, std::string* why) const;
  void send_command(std::string_view name, std::string_view body);
  void send_frame(bool command, std::string_view body);

  std::string topic_prefix_;
  std::optional<CurveClient> curve_;
  bool welcome_ = false;  // CURVE's first answer has come
  Stage stage_ = Stage::kSignature;
  std::string input_;
  std::size_t consumed_ = 0;
  std::string unsent_;
  std::vector<std::string> parts_;
  std::vector<std::string> message_;
  std::string error_;
};

}  // namespace dt
