// A TCP client socket that never blocks longer than it is told, on POSIX systems and Windows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace dt {

// Where a publisher listens. Names other than "localhost" are not resolved: a look-up cannot be
// cancelled, and a Live Link source must be able to stop at once.
struct Endpoint {
  std::string host;  // an IPv4 or IPv6 address
  std::uint16_t port = 0;
};

// Reads `tcp://HOST:PORT` (IPv6 in brackets, "localhost" is 127.0.0.1). On failure `why` says what
// was expected.
bool parse_endpoint(const std::string& text, Endpoint* endpoint, std::string* why);

class TcpSocket {
 public:
  enum class Outcome { kDone, kPending, kFailed };

  TcpSocket() = default;
  ~TcpSocket() { close(); }
  TcpSocket(const TcpSocket&) = delete;
  TcpSocket& operator=(const TcpSocket&) = delete;

  // Starts to connect. kPending: call finish_connect() once wait() says that it can be written.
  Outcome connect(const Endpoint& endpoint);
  Outcome finish_connect();

  // Waits until there is something to read, or to write if `for_write`, at most `timeout_ms`.
  // True if there is, or the connection failed.
  bool wait(bool for_write, int timeout_ms);

  // Both give the number of bytes done in `count`; kPending: none could be done now. A peer that
  // closed the connection is a failure; it closes the socket when found by receive() only.
  Outcome receive(char* bytes, std::size_t size, std::size_t* count);
  Outcome send(const char* bytes, std::size_t size, std::size_t* count);

  void close();
  bool is_open() const { return handle_ != kNone; }
  const std::string& error() const { return error_; }

 private:
  static constexpr std::intptr_t kNone = -1;

  Outcome fail(int code);

  std::intptr_t handle_ = kNone;
  std::string error_;
};

}  // namespace dt
