#include "dt/net/tcp_socket.h"

#if defined(_WIN32)
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#if defined(_MSC_VER)
#pragma warning(push, 0)
#endif
#include <winsock2.h>
#include <ws2tcpip.h>
#if defined(_MSC_VER)
#pragma warning(pop)
#endif
#else
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#endif

#include <cstring>

namespace dt {

namespace {

#if defined(_WIN32)

using Handle = SOCKET;
using Size = int;

// Winsock counts its users: one start-up for as long as the module is loaded.
struct Winsock {
  Winsock() {
    WSADATA data;
    started = WSAStartup(MAKEWORD(2, 2), &data) == 0;
  }
  ~Winsock() {
    if (started) WSACleanup();
  }
  bool started = false;
};

bool start_sockets() {
  static const Winsock winsock;
  return winsock.started;
}

int last_error() { return WSAGetLastError(); }
bool would_block(int code) { return code == WSAEWOULDBLOCK || code == WSAEINPROGRESS; }
bool interrupted(int) { return false; }
void close_handle(Handle handle) { closesocket(handle); }
int poll_one(Handle handle, short events, int timeout_ms) {
  WSAPOLLFD entry = {handle, events, 0};
  return WSAPoll(&entry, 1, timeout_ms);
}
bool set_nonblocking(Handle handle) {
  u_long on = 1;
  return ioctlsocket(handle, FIONBIO, &on) == 0;
}
std::string error_text(int code) {
  switch (code) {
    case WSAECONNREFUSED:
      return "connection refused";
    case WSAECONNRESET:
      return "connection reset by the peer";
    case WSAETIMEDOUT:
      return "timed out";
    case WSAEHOSTUNREACH:
      return "no route to the host";
    case WSAENETUNREACH:
      return "the network is unreachable";
    default:
      return "socket error " + std::to_string(code);
  }
}
constexpr int kSendFlags = 0;

#else

using Handle = int;
using Size = std::size_t;

bool start_sockets() { return true; }
int last_error() { return errno; }
bool would_block(int code) { return code == EAGAIN || code == EWOULDBLOCK || code == EINPROGRESS; }
bool interrupted(int code) { return code == EINTR; }
void close_handle(Handle handle) { ::close(handle); }
int poll_one(Handle handle, short events, int timeout_ms) {
  pollfd entry = {handle, events, 0};
  return ::poll(&entry, 1, timeout_ms);
}
bool set_nonblocking(Handle handle) {
  const int flags = ::fcntl(handle, F_GETFL, 0);
  return flags >= 0 && ::fcntl(handle, F_SETFL, flags | O_NONBLOCK) == 0;
}
std::string error_text(int code) {
  switch (code) {
    case ECONNREFUSED:
      return "connection refused";
    case ECONNRESET:
      return "connection reset by the peer";
    case EPIPE:
      return "connection reset by the peer";
    case ETIMEDOUT:
      return "timed out";
    case EHOSTUNREACH:
      return "no route to the host";
    case ENETUNREACH:
      return "the network is unreachable";
    default:
      return "socket error " + std::to_string(code);
  }
}
#if defined(MSG_NOSIGNAL)
constexpr int kSendFlags = MSG_NOSIGNAL;  // a vanished peer must not raise SIGPIPE
#else
constexpr int kSendFlags = 0;
#endif

#endif

}  // namespace

bool parse_endpoint(const std::string& text, Endpoint* endpoint, std::string* why) {
  const std::string scheme = "tcp://";
  const std::size_t colon = text.rfind(':');
  *why = "endpoint \"" + text + "\": expected tcp://ADDRESS:PORT, as in tcp://127.0.0.1:5560";
  if (text.compare(0, scheme.size(), scheme) != 0 || colon < scheme.size()) return false;

  const std::string port = text.substr(colon + 1);
  std::uint32_t number = 0;
  for (const char digit : port) {
    if (digit < '0' || digit > '9' || number > 65535) return false;
    number = number * 10 + static_cast<std::uint32_t>(digit - '0');
  }
  if (number < 1 || number > 65535) return false;

  std::string host = text.substr(scheme.size(), colon - scheme.size());
  const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (brackets) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  // Digits first: a name is refused here, with a better reason than a failed connection.
  unsigned char address[16];
  const int family = brackets ? AF_INET6 : AF_INET;
  if (!start_sockets() || ::inet_pton(family, host.c_str(), address) != 1) {
    *why = "endpoint \"" + text + "\": expected an IP address or localhost before the port; " +
           "names are not looked up";
    return false;
  }
  endpoint->host = host;
  endpoint->port = static_cast<std::uint16_t>(number);
  why->clear();
  return true;
}

TcpSocket::Outcome TcpSocket::fail(int code) {
  error_ = error_text(code);
  close();
  return Outcome::kFailed;
}

TcpSocket::Outcome TcpSocket::connect(const Endpoint& endpoint) {
  close();
  error_.clear();
  if (!start_sockets()) return fail(last_error());

  sockaddr_storage storage;
  std::memset(&storage, 0, sizeof storage);
  socklen_t size = 0;
  if (endpoint.host.find(':') == std::string::npos) {
    auto* address = reinterpret_cast<sockaddr_in*>(&storage);
    address->sin_family = AF_INET;
    address->sin_port = htons(endpoint.port);
    ::inet_pton(AF_INET, endpoint.host.c_str(), &address->sin_addr);
    size = sizeof *address;
  } else {
    auto* address = reinterpret_cast<sockaddr_in6*>(&storage);
    address->sin6_family = AF_INET6;
    address->sin6_port = htons(endpoint.port);
    ::inet_pton(AF_INET6, endpoint.host.c_str(), &address->sin6_addr);
    size = sizeof *address;
  }

  const Handle handle = ::socket(storage.ss_family, SOCK_STREAM, IPPROTO_TCP);
  if (handle == static_cast<Handle>(kNone)) return fail(last_error());
  handle_ = static_cast<std::intptr_t>(handle);
  if (!set_nonblocking(handle)) return fail(last_error());
  const int on = 1;
  ::setsockopt(handle, IPPROTO_TCP, TCP_NODELAY, reinterpret_cast<const char*>(&on), sizeof on);
#if defined(SO_NOSIGPIPE)
  ::setsockopt(handle, SOL_SOCKET, SO_NOSIGPIPE, reinterpret_cast<const char*>(&on), sizeof on);
#endif
  if (::connect(handle, reinterpret_cast<const sockaddr*>(&storage), size) == 0)
    return Outcome::kDone;
  const int code = last_error();
  // An interrupted connect goes on in the background like a pending one.
  return would_block(code) || interrupted(code) ? Outcome::kPending : fail(code);
}

TcpSocket::Outcome TcpSocket::finish_connect() {
  const Handle handle = static_cast<Handle>(handle_);
  int code = 0;
  socklen_t size = sizeof code;
  if (::getsockopt(handle, SOL_SOCKET, SO_ERROR, reinterpret_cast<char*>(&code), &size) != 0) {
    return fail(last_error());
  }
  return code == 0 ? Outcome::kDone : fail(code);
}

bool TcpSocket::wait(bool for_write, int timeout_ms) {
  const short events = static_cast<short>(for_write ? POLLIN | POLLOUT : POLLIN);
  return poll_one(static_cast<Handle>(handle_), events, timeout_ms) > 0;
}

TcpSocket::Outcome TcpSocket::receive(char* bytes, std::size_t size, std::size_t* count) {
  *count = 0;
  const auto done = ::recv(static_cast<Handle>(handle_), bytes, static_cast<Size>(size), 0);
  if (done > 0) {
    *count = static_cast<std::size_t>(done);
    return Outcome::kDone;
  }
  if (done == 0) {
    close();
    error_ = "the peer closed the connection";
    return Outcome::kFailed;
  }
  const int code = last_error();
  return would_block(code) || interrupted(code) ? Outcome::kPending : fail(code);
}

TcpSocket::Outcome TcpSocket::send(const char* bytes, std::size_t size, std::size_t* count) {
  *count = 0;
  const auto done =
      ::send(static_cast<Handle>(handle_), bytes, static_cast<Size>(size), kSendFlags);
  if (done >= 0) {
    *count = static_cast<std::size_t>(done);
    return Outcome::kDone;
  }
  const int code = last_error();
  if (would_block(code) || interrupted(code)) return Outcome::kPending;
  // Stays open: what the peer sent before it closed can still be read.
  error_ = error_text(code);
  return Outcome::kFailed;
}

void TcpSocket::close() {
  if (handle_ == kNone) return;
  close_handle(static_cast<Handle>(handle_));
  handle_ = kNone;
}

}  // namespace dt
