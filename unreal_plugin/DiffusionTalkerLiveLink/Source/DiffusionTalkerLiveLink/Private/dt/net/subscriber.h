// Keeps one connection to a publisher: connects, shakes hands, subscribes, notices a peer that
// hangs, and connects again, with a growing pause, for as long as it is driven.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dt/net/tcp_socket.h"
#include "dt/net/zmtp.h"

namespace dt {

class Subscriber {
 public:
  struct Timing {
    std::int64_t first_pause_ns = 100'000'000;  // before connecting again; doubles each time
    std::int64_t longest_pause_ns = 1'000'000'000;
    std::int64_t ping_every_ns = 1'000'000'000;  // while the peer is silent
    // Without a byte for this long, or with a half message for this long, the peer counts as hung.
    std::int64_t hang_after_ns = 3'000'000'000;
  };

  // With a receiver's folder of keys (curve.h) it connects to the sender that they name alone.
  Subscriber(const Endpoint& endpoint, std::string_view topic_prefix, const Timing& timing,
             std::string_view keys_folder = std::string_view())
      : endpoint_(endpoint),
        topic_prefix_(topic_prefix),
        keys_folder_(keys_folder),
        timing_(timing),
        session_(topic_prefix) {}

  // Does what can be done now, waiting at most `timeout_ms` for the peer. `now_ns` is the local
  // monotonic clock. Afterwards next_message() gives the messages that came.
  void step(std::int64_t now_ns, int timeout_ms);

  // The next whole message, or null; valid until the next call of either function.
  const std::vector<std::string>* next_message(std::int64_t now_ns);

  bool connected() const { return state_ == State::kTraffic; }
  std::int64_t connections() const { return connections_; }
  std::int64_t attempts() const { return attempts_; }  // since the last good connection
  // Why the last connection that failed or ended did so; empty if none has.
  const std::string& trouble() const { return trouble_; }

 private:
  enum class State { kPause, kConnecting, kHandshake, kTraffic };

  void start(std::int64_t now_ns);
  void connected_at(std::int64_t now_ns);
  void receive(std::int64_t now_ns);
  void send();
  void drop(std::int64_t now_ns, const std::string& why);
  bool take_event(std::int64_t now_ns);
  const char* handshake_hint() const;

  Endpoint endpoint_;
  std::string topic_prefix_;
  std::string keys_folder_;
  Timing timing_;
  TcpSocket socket_;
  ZmtpSession session_;
  State state_ = State::kPause;
  std::int64_t pause_ns_ = 0;  // the first attempt comes at once
  std::int64_t resume_ns_ = 0;
  std::int64_t since_ns_ = 0;  // when this state began
  std::int64_t heard_ns_ = 0;
  std::int64_t pinged_ns_ = 0;
  std::int64_t midway_ns_ = 0;  // since when half a message waits; 0: none does
  std::int64_t connections_ = 0;
  std::int64_t attempts_ = 0;
  bool message_ready_ = false;
  std::string trouble_;
};

}  // namespace dt
