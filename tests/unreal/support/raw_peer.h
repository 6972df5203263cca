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
  explicit RawPeer(std::function<void(Connection&, int)> script) : script_(std::move(script)) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 4), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    endpoint_ = "tcp://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this] { serve(); });
  }

  ~RawPeer() {
    stopping_ = true;
    thread_.join();
    close(listener_);
  }

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
  int listener_ = -1;
  std::string endpoint_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> accepted_{0};
  std::thread thread_;
};
