#include "dt/net/subscriber.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <thread>

namespace dt {

namespace {

// A connection that lasted this long was a good one: the pause starts small again.
constexpr std::int64_t kGoodAfterNs = 2'000'000'000;

void sleep_ms(std::int64_t ms) {
  if (ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

}  // namespace

void Subscriber::step(std::int64_t now_ns, int timeout_ms) {
  switch (state_) {
    case State::kPause:
      if (now_ns < resume_ns_) {
        sleep_ms(std::min<std::int64_t>(timeout_ms, (resume_ns_ - now_ns) / 1'000'000 + 1));
        return;
      }
      start(now_ns);
      return;
    case State::kConnecting:
      if (socket_.wait(true, timeout_ms)) {
        if (socket_.finish_connect() == TcpSocket::Outcome::kFailed) {
          drop(now_ns, socket_.error());
        } else {
          connected_at(now_ns);
        }
      } else if (now_ns - since_ns_ > timing_.hang_after_ns) {
        drop(now_ns, "the connection timed out");
      }
      return;
    case State::kHandshake:
    case State::kTraffic:
      // Only a silent peer is asked whether it lives. One that sends does, and if it has closed
      // after its last message, writing to it would reset the connection and lose what is not yet
      // read.
      if (state_ == State::kTraffic &&
          now_ns - std::max(heard_ns_, pinged_ns_) >= timing_.ping_every_ns) {
        session_.ping();
        pinged_ns_ = now_ns;
      }
      if (socket_.wait(!session_.unsent().empty(), timeout_ms)) receive(now_ns);
      if (state_ == State::kPause) return;
      send();
      if (now_ns - heard_ns_ > timing_.hang_after_ns) {
        drop(now_ns, "the peer hangs: it answered nothing for " +
                         std::to_string(timing_.hang_after_ns / 1'000'000) + " ms");
      } else if (midway_ns_ != 0 && now_ns - midway_ns_ > timing_.hang_after_ns) {
        drop(now_ns, "the peer hangs in the middle of a message");
      } else if (state_ == State::kHandshake && now_ns - since_ns_ > timing_.hang_after_ns) {
        drop(now_ns, "the handshake timed out");
      }
      return;
  }
}

const std::vector<std::string>* Subscriber::next_message(std::int64_t now_ns) {
  while (take_event(now_ns)) {
    if (message_ready_) {
      message_ready_ = false;
      return &session_.message();
    }
  }
  return nullptr;
}

// One event of the session; false when there is none.
bool Subscriber::take_event(std::int64_t now_ns) {
  if (state_ != State::kHandshake && state_ != State::kTraffic) return false;
  switch (session_.next()) {
    case ZmtpSession::Event::kNone:
      midway_ns_ = !session_.midway() ? 0 : midway_ns_ == 0 ? now_ns : midway_ns_;
      return false;
    case ZmtpSession::Event::kReady:
      state_ = State::kTraffic;
      since_ns_ = pinged_ns_ = now_ns;
      ++connections_;
      attempts_ = 0;
      send();
      return true;
    case ZmtpSession::Event::kMessage:
      midway_ns_ = 0;
      message_ready_ = true;
      return true;
    case ZmtpSession::Event::kFailed:
      break;
  }
  drop(now_ns, session_.error());
  return false;
}

void Subscriber::start(std::int64_t now_ns) {
  ++attempts_;
  CurveKeys keys;
  std::string why;
  // Read each time: whoever puts the right file there need not start anything again.
  if (!keys_folder_.empty() && !read_curve_keys(keys_folder_, &keys, &why)) {
    drop(now_ns, why);
    return;
  }
  session_ = ZmtpSession(topic_prefix_, keys_folder_.empty() ? nullptr : &keys);
  state_ = State::kConnecting;
  since_ns_ = now_ns;
  const TcpSocket::Outcome outcome = socket_.connect(endpoint_);
  if (outcome == TcpSocket::Outcome::kDone) connected_at(now_ns);
  if (outcome == TcpSocket::Outcome::kFailed) drop(now_ns, socket_.error());
}

void Subscriber::connected_at(std::int64_t now_ns) {
  state_ = State::kHandshake;
  since_ns_ = heard_ns_ = now_ns;
  midway_ns_ = 0;
}

void Subscriber::receive(std::int64_t now_ns) {
  char bytes[16384];
  std::size_t count = 0;
  switch (socket_.receive(bytes, sizeof bytes, &count)) {
    case TcpSocket::Outcome::kDone:
      heard_ns_ = now_ns;
      session_.feed(bytes, count);
      break;
    case TcpSocket::Outcome::kPending:
      break;
    case TcpSocket::Outcome::kFailed:
      drop(now_ns, socket_.error() + (state_ == State::kHandshake ? handshake_hint() : ""));
      break;
  }
}

// libzmq hangs up without a word on whoever it does not want.
const char* Subscriber::handshake_hint() const {
  return keys_folder_.empty() ? " during the handshake; if the sender asks for a key, give the "
                                "source its folder of keys"
                              : " during the handshake; it may not know this key, or ask for none";
}

void Subscriber::send() {
  std::size_t count = 0;
  while (!session_.unsent().empty()) {
    switch (socket_.send(session_.unsent().data(), session_.unsent().size(), &count)) {
      case TcpSocket::Outcome::kDone:
        session_.sent(count);
        break;
      case TcpSocket::Outcome::kPending:
        return;
      case TcpSocket::Outcome::kFailed:
        // The peer has closed, but its last messages may still wait to be read: receive() finds the
        // end after them.
        session_.sent(session_.unsent().size());
        return;
    }
  }
}

void Subscriber::drop(std::int64_t now_ns, const std::string& why) {
  const bool was_good = state_ == State::kTraffic && now_ns - since_ns_ >= kGoodAfterNs;
  socket_.close();
  message_ready_ = false;
  trouble_ = why;
  pause_ns_ = was_good || pause_ns_ == 0 ? timing_.first_pause_ns
                                         : std::min(2 * pause_ns_, timing_.longest_pause_ns);
  resume_ns_ = now_ns + pause_ns_;
  state_ = State::kPause;
}

}  // namespace dt
