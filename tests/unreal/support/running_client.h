// A client on a thread of its own, with a sink that remembers what it was given.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "dt/face/face_client.h"

// Waits until `done` holds; false if it does not within the time. On a busy machine much takes
// long: no test is about that.
inline bool wait_until(const std::function<bool()>& done, double seconds = 60.0) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

// Waits until `done` holds, however long that takes; false if `progress` stands still for a minute.
inline bool wait_while_it_moves(const std::function<bool()>& done,
                                const std::function<std::size_t()>& progress) {
  for (;;) {
    const std::size_t before = progress();
    if (wait_until(done)) return true;
    if (progress() == before) return false;
  }
}

inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// For how long each thread of this process was ready to run and had to wait for a processor, by its
// number, in seconds. Linux tells; elsewhere this is empty.
inline std::map<std::string, double> held_up_s() {
  std::map<std::string, double> out;
  std::error_code none;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", none)) {
    std::ifstream file(task.path() / "schedstat");
    double ran_ns = 0.0, waited_ns = 0.0;
    if (file >> ran_ns >> waited_ns) out[task.path().filename()] = waited_ns * 1e-9;
  }
  return out;
}

// Seconds until `done` holds, asked every 5 ms, less the time for which this process wanted to run
// and was not let: on a machine that is too busy, that says nothing about what is tested.
inline double net_seconds_until(const std::function<bool()>& done, double limit_s = 60.0) {
  const auto start = std::chrono::steady_clock::now();
  const std::map<std::string, double> before = held_up_s();
  std::map<std::string, double> after;
  while (!done()) {
    if (seconds_since(start) > limit_s) {
      ADD_FAILURE() << "not done after " << limit_s << " s";
      return limit_s;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    // Noted each time: a thread that has ended tells nothing any more.
    for (const auto& [thread, seconds] : held_up_s()) after[thread] = seconds;
  }
  double took_s = seconds_since(start);
  for (const auto& [thread, seconds] : after) {
    const auto known = before.find(thread);
    took_s -= seconds - (known == before.end() ? 0.0 : known->second);
  }
  return took_s;
}

class RunningClient : public dt::FaceSink {
 public:
  struct Seen {
    int starts = 0;
    std::vector<std::string> names;
    std::vector<dt::FaceFrame> frames;
    std::vector<dt::FaceSound> sounds;
  };

  explicit RunningClient(const std::string& endpoint, const std::string& subject = "",
                         int delay_ms = 0,
                         const dt::Subscriber::Timing& timing = dt::Subscriber::Timing(),
                         const std::string& keys = "")
      : client(connection(endpoint, subject, delay_ms, keys), this, dt::FaceClient::steady_clock_ns,
               timing),
        thread_([this] {
          client.run();
          ended_ = true;
        }) {}

  ~RunningClient() override { stop(); }

  // Stops, and gives the time that took in seconds.
  double stop() {
    if (!thread_.joinable()) return 0.0;
    client.stop();
    const double took_s = net_seconds_until([this] { return ended_.load(); });
    thread_.join();
    return took_s;
  }

  Seen seen(const std::string& subject = "Face") {
    const std::lock_guard<std::mutex> lock(mutex_);
    return seen_[subject];
  }

  std::size_t frames(const std::string& subject = "Face") {
    const std::lock_guard<std::mutex> lock(mutex_);
    return seen_[subject].frames.size();
  }

  dt::FaceFrame last(const std::string& subject = "Face") {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto& all = seen_[subject].frames;
    return all.empty() ? dt::FaceFrame() : all.back();
  }

  void face_started(const std::string& subject, const std::vector<std::string>& names) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++seen_[subject].starts;
    seen_[subject].names = names;
  }

  void face_moved(const std::string& subject, const dt::FaceFrame& frame) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    Seen& seen = seen_[subject];
    EXPECT_GT(seen.starts, 0) << "a frame before its names";
    EXPECT_EQ(frame.values.size(), seen.names.size());
    if (!seen.frames.empty()) {
      EXPECT_GT(frame.local_ns, seen.frames.back().local_ns);
    }
    seen.frames.push_back(frame);
  }

  void face_heard(const std::string& subject, const dt::FaceSound& sound) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    seen_[subject].sounds.push_back(sound);
  }

  dt::FaceClient client;

 private:
  static dt::Connection connection(const std::string& endpoint, const std::string& subject,
                                   int delay_ms, const std::string& keys) {
    dt::Connection out;
    out.endpoint = endpoint;
    out.subject = subject;
    out.delay_ms = delay_ms;
    out.keys = keys;
    return out;
  }

  std::atomic<bool> ended_{false};
  std::mutex mutex_;
  std::map<std::string, Seen> seen_;
  std::thread thread_;
};

inline bool is_neutral(const dt::FaceFrame& frame) {
  for (const float value : frame.values) {
    if (value != 0.0f) return false;
  }
  return !frame.values.empty();
}
