// A TCP server on loopback that says exactly what a test tells it to: half messages, garbage, or
// nothing at all.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

// Listens at a free port of loopback, AF_INET or AF_INET6; -1 and no endpoint where the system does
// not have that family.
inline int listen_on_loopback(int family, int backlog, std::string* endpoint) {
  sockaddr_in v4 = {};
  v4.sin_family = AF_INET;
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 v6 = {};
  v6.sin6_family = AF_INET6;
  v6.sin6_addr = in6addr_loopback;
  const bool is_v4 = family == AF_INET;
  auto* address = is_v4 ? reinterpret_cast<sockaddr*>(&v4) : reinterpret_cast<sockaddr*>(&v6);
  socklen_t size = is_v4 ? sizeof v4 : sizeof v6;
  const int handle = socket(family, SOCK_STREAM, 0);
  if (handle < 0) return -1;
  if (bind(handle, address, size) != 0 || listen(handle, backlog) != 0) {
    close(handle);
    return -1;
  }
  getsockname(handle, address, &size);
  *endpoint = is_v4 ? "tcp://127.0.0.1:" : "tcp://[::1]:";
  *endpoint += std::to_string(ntohs(is_v4 ? v4.sin_port : v6.sin6_port));
  return handle;
}

class RawPeer {
 public:
  // One accepted connection, for the script.
  class Connection {
   public:
    Connection(int handle, const std::atomic<bool>* stopping)
        : handle_(handle), stopping_(stopping) {}

    bool send(const std::string& bytes) {
      std::size_t done = 0;
      while (done < bytes.size()) {
        const ssize_t count =
            ::send(handle_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
        if (count <= 0) return false;
        done += static_cast<std::size_t>(count);
      }
      return true;
    }

    // Reads and drops what comes, up to and with `text`; false if it does not come.
    bool hear(const std::string& text) {
      std::string heard;
      char byte = 0;
      while (!*stopping_ && heard.find(text) == std::string::npos) {
        pollfd entry = {handle_, POLLIN, 0};
        if (poll(&entry, 1, 10) == 0) continue;
        if (recv(handle_, &byte, 1, 0) <= 0) return false;
        heard += byte;
      }
      return !*stopping_;
    }

    // Makes the close that follows a reset: what is under way is lost, and the peer is told so.
    void reset() {
      const struct ::linger at_once = {1, 0};
      EXPECT_EQ(setsockopt(handle_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    }

    // Reads and drops what comes, until the peer leaves, the test ends or the time is over.
    void linger(int timeout_ms = 60000) {
      char bytes[4096];
      for (int waited = 0; waited < timeout_ms && !*stopping_; waited += 10) {
        pollfd entry = {handle_, POLLIN, 0};
        if (poll(&entry, 1, 10) > 0 && recv(handle_, bytes, sizeof bytes, 0) <= 0) return;
      }
    }

   private:
    int handle_;
    const std::atomic<bool>* stopping_;
  };

  // `script` runs for each connection, one after the other; then the connection is closed.
  explicit RawPeer(std::function<void(Connection&, int)> script, int family = AF_INET)
      : script_(std::move(script)), listener_(listen_on_loopback(family, 4, &endpoint_)) {
    thread_ = std::thread([this] { serve(); });
  }

  ~RawPeer() {
    stopping_ = true;
    thread_.join();
    close(listener_);
  }

  // Empty where the system does not have the family.
  const std::string& endpoint() const { return endpoint_; }
  int accepted() const { return accepted_; }

 private:
  void serve() {
    while (!stopping_) {
      pollfd entry = {listener_, POLLIN, 0};
      if (poll(&entry, 1, 10) <= 0) continue;
      const int handle = accept(listener_, nullptr, nullptr);
      if (handle < 0) continue;
      Connection connection(handle, &stopping_);
      script_(connection, accepted_++);
      close(handle);
    }
  }

  std::function<void(Connection&, int)> script_;
  std::string endpoint_;
  int listener_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> accepted_{0};
  std::thread thread_;
};

// Listens and takes no connection, and its queue is full: whoever else connects gets no answer.
class DeafPeer {
 public:
  DeafPeer() : listener_(listen_on_loopback(AF_INET, 0, &endpoint_)) {
    sockaddr_in address = {};
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    for (int i = 0; i < 8; ++i) {
      waiting_.push_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
      // It may be done, under way or refused: unanswered() tells.
      (void)connect(waiting_.back(), reinterpret_cast<sockaddr*>(&address), size);
    }
  }

  ~DeafPeer() {
    for (const int handle : waiting_) close(handle);
    close(listener_);
  }
  DeafPeer(const DeafPeer&) = delete;
  DeafPeer& operator=(const DeafPeer&) = delete;

  const std::string& endpoint() const { return endpoint_; }

  // Whether the last connection got no answer; not every system is like Linux in this.
  bool unanswered() const {
    pollfd entry = {waiting_.back(), POLLOUT, 0};
    return poll(&entry, 1, 100) == 0;
  }

 private:
  std::string endpoint_;
  int listener_;
  std::vector<int> waiting_;
};
