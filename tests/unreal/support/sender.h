// A sender in a process of its own: tests/unreal/publisher.py, that is real libzmq.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

extern char** environ;

class Process {
 public:
  explicit Process(std::vector<std::string> arguments) {
    // Not inherited: a child that held another's pipe open would keep it from seeing our end.
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) {
      ADD_FAILURE() << "no pipes";
      return;
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    if (posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ) != 0) {
      ADD_FAILURE() << "cannot start " << arguments[0];
      pid_ = -1;
    }
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    in_ = in[1];
    out_ = out[0];
  }

  ~Process() {
    kill_now();
    close(in_);
    close(out_);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // The next line it prints, without its end; empty after `timeout_ms` or at its end.
  std::string line(int timeout_ms = 60000) {
    for (;;) {
      const std::size_t end = read_.find('\n');
      if (end != std::string::npos) {
        const std::string out = read_.substr(0, end);
        read_.erase(0, end + 1);
        return out;
      }
      pollfd entry = {out_, POLLIN, 0};
      char bytes[4096];
      const ssize_t count = poll(&entry, 1, timeout_ms) > 0 ? read(out_, bytes, sizeof bytes) : 0;
      if (count <= 0) return "";
      read_.append(bytes, static_cast<std::size_t>(count));
    }
  }

  // Drops what it has printed, so that it never waits for a reader.
  void drain() {
    pollfd entry = {out_, POLLIN, 0};
    char bytes[4096];
    while (poll(&entry, 1, 0) > 0 && read(out_, bytes, sizeof bytes) > 0) {
    }
  }

  void tell(const std::string& text) {
    const std::string bytes = text + "\n";
    EXPECT_EQ(write(in_, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }

  void send_signal(int number) {
    if (pid_ > 0) kill(pid_, number);
  }

  // As a crash would: nothing is said, nothing is flushed.
  void kill_now() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    wait_for_end();
  }

  void wait_for_end() {
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
  std::string read_;
};

class Sender {
 public:
  explicit Sender(std::vector<std::string> options = {}) : process_(command(std::move(options))) {
    endpoint_ = process_.line();
    EXPECT_EQ(endpoint_.compare(0, 6, "tcp://"), 0) << "the sender did not start";
  }

  const std::string& endpoint() const { return endpoint_; }
  std::string port() const { return endpoint_.substr(endpoint_.rfind(':') + 1); }
  void go() { process_.tell("go"); }
  void stop() {
    process_.tell("stop");
    process_.wait_for_end();
  }
  Process& process() { return process_; }

 private:
  static std::vector<std::string> command(std::vector<std::string> options) {
    std::vector<std::string> out = {TEST_PYTHON, TEST_DIR "/publisher.py"};
    out.insert(out.end(), options.begin(), options.end());
    return out;
  }

  Process process_;
  std::string endpoint_;
};

// What publisher.py sends as curve `curve` of frame `frame`.
inline float sent_value(int subject, std::int64_t frame, std::size_t curve) {
  return static_cast<float>(
      static_cast<double>((subject * 7 + frame * 13 + static_cast<std::int64_t>(curve) * 31) %
                          1000) /
      1000.0);
}
