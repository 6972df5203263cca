// TcpSocket without a network: what tests/simulated/simulation.py put on the wire comes when its
// time has come, and waiting is what makes time go on. Linked in place of net/tcp_socket.cpp.
#include <algorithm>
#include <cstring>
#include <string>

#include "dt/net/tcp_socket.h"
#include "simulated/world.h"

namespace dt {

namespace {

// The sender's side of the handshake (ZMTP 3.0, NULL), said without waiting for the other side.
std::string greeting() {
  std::string bytes("\xFF\0\0\0\0\0\0\0\0\x7F\x03\0NULL", 16);
  bytes.resize(64, '\0');
  const std::string ready = std::string("\x05READY\x0BSocket-Type\0\0\0\x04XPUB", 26);
  return bytes + '\x04' + static_cast<char>(ready.size()) + ready;
}

void append_part(const std::string& body, bool more, std::string* out) {
  *out += static_cast<char>((more ? 1 : 0) | (body.size() > 255 ? 2 : 0));
  if (body.size() > 255) {
    for (int shift = 56; shift >= 0; shift -= 8) {
      *out += static_cast<char>(static_cast<std::uint64_t>(body.size()) >> shift & 0xFF);
    }
  } else {
    *out += static_cast<char>(body.size());
  }
  *out += body;
}

}  // namespace

bool parse_endpoint(const std::string&, Endpoint* endpoint, std::string* why) {
  *endpoint = {"127.0.0.1", 5560};
  why->clear();
  return true;
}

TcpSocket::Outcome TcpSocket::connect(const Endpoint&) {
  World& world = World::the();
  world.incoming = greeting();
  world.cut = false;
  handle_ = 1;
  return Outcome::kDone;
}

TcpSocket::Outcome TcpSocket::finish_connect() { return Outcome::kDone; }

bool TcpSocket::wait(bool for_write, int timeout_ms) {
  World& world = World::the();
  world.waited = true;
  if (for_write || !world.incoming.empty() || world.cut) return true;
  const std::int64_t until_ns = world.now_ns + std::int64_t{timeout_ms} * 1'000'000;
  if (!world.has_next() || world.next.arrival_ns > until_ns) {
    world.now_ns = until_ns;
    if (!world.has_next()) world.over();
    return false;
  }
  world.now_ns = std::max(world.now_ns, world.next.arrival_ns);
  while (world.has_next() && world.next.arrival_ns <= world.now_ns && !world.cut) {
    if (world.next.topic.empty()) {
      world.cut = true;
    } else {
      append_part(world.next.topic, true, &world.incoming);
      append_part(world.next.payload, false, &world.incoming);
    }
    world.taken();
  }
  return true;
}

TcpSocket::Outcome TcpSocket::receive(char* bytes, std::size_t size, std::size_t* count) {
  World& world = World::the();
  *count = std::min(size, world.incoming.size());
  if (*count == 0) {
    if (!world.cut) return Outcome::kPending;
    error_ = "the connection was cut";
    return Outcome::kFailed;
  }
  std::memcpy(bytes, world.incoming.data(), *count);
  world.incoming.erase(0, *count);
  return Outcome::kDone;
}

TcpSocket::Outcome TcpSocket::send(const char* bytes, std::size_t size, std::size_t* count) {
  if (std::string(bytes, size).find("\x04PING") != std::string::npos) {
    World::the().incoming += std::string("\x04\x05\x04PONG", 7);
  }
  *count = size;
  return Outcome::kDone;
}

void TcpSocket::close() {
  handle_ = kNone;
  World::the().incoming.clear();
}

}  // namespace dt
