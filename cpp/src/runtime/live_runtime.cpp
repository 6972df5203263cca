#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "audio/ring_buffer.h"
#include "dt/backend.h"
#include "dt/live_runtime.h"
#include "dt/model.h"
#include "dt/runtime.h"
#include "dt/time_base.h"
#include "weights/model.h"

namespace dt {
namespace {

// Read at once by the worker: a bound for its buffers, and for how long stop() waits.
constexpr std::int64_t kReadSamples = 4000;
// push() notifies without the lock, so a notice can fall between the worker's look into the ring
// and its sleep. It then wakes by itself this soon.
constexpr std::chrono::milliseconds kNap{4};

std::int64_t at_least_one(const char* what, std::int64_t value) {
  if (value < 1) {
    throw std::invalid_argument(std::string(what) + ": expected at least 1, got " +
                                std::to_string(value));
  }
  return value;
}

// The newest frames, of `width` values each, in order. The oldest gives way when it is full: a face
// wants the present.
class FrameQueue {
 public:
  FrameQueue(std::int64_t capacity, std::int64_t width)
      : capacity_(capacity),
        width_(width),
        frames_(static_cast<std::size_t>(capacity * width)),
        steps_(static_cast<std::size_t>(capacity)) {}

  void push(const float* frames, std::int64_t count, std::int64_t steps) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      for (std::int64_t f = 0; f < count; ++f, ++end_) {
        std::copy(frames + f * width_, frames + (f + 1) * width_, slot(end_));
        steps_[static_cast<std::size_t>(end_ % capacity_)] = static_cast<std::uint8_t>(steps);
      }
      if (end_ - begin_ > capacity_) {
        dropped_ += end_ - begin_ - capacity_;
        begin_ = end_ - capacity_;
      }
    }
    changed_.notify_all();
  }

  LiveRuntime::Batch take(std::int64_t max_frames, float* out, std::uint8_t* steps) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const LiveRuntime::Batch batch = {begin_, std::min(max_frames, end_ - begin_)};
    for (std::int64_t f = 0; f < batch.count; ++f, ++begin_) {
      std::copy(slot(begin_), slot(begin_) + width_, out + f * width_);
      if (steps != nullptr) {
        steps[f] = steps_[static_cast<std::size_t>(begin_ % capacity_)];
      }
    }
    return batch;
  }

  // Returns as soon as there is a frame, or none can come any more.
  std::int64_t wait(double timeout_s) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, std::chrono::duration<double>(std::max(timeout_s, 0.0)),
                      [this] { return end_ > begin_ || closed_; });
    return end_ - begin_;
  }

  void close() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      closed_ = true;
    }
    changed_.notify_all();
  }

  void reset() {
    const std::lock_guard<std::mutex> lock(mutex_);
    begin_ = end_ = dropped_ = 0;
    closed_ = false;
  }

  bool empty() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return begin_ == end_;
  }
  std::int64_t dropped() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return dropped_;
  }

 private:
  float* slot(std::int64_t frame) {
    return &frames_[static_cast<std::size_t>(frame % capacity_ * width_)];
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t capacity_, width_;
  std::vector<float> frames_;
  std::vector<std::uint8_t> steps_;
  std::int64_t begin_ = 0, end_ = 0, dropped_ = 0;
  bool closed_ = false;
};

}  // namespace

struct LiveRuntime::Impl {
  Impl(std::shared_ptr<const Model> shared_model, std::uint64_t seed, std::int64_t pinned_identity,
       const BackendOptions& backend, std::int64_t ring_capacity, std::int64_t frame_capacity,
       const MotionOptions& motion)
      : model(std::move(shared_model)),
        runtime(model, seed, pinned_identity, backend, motion),
        ring(at_least_one("ring_capacity_samples", ring_capacity)),
        queue(at_least_one("frame_capacity", frame_capacity), runtime.width()),
        samples(static_cast<std::size_t>(kReadSamples)),
        policy(Overload::kKeep, model->sample_steps()) {
    // What a full read makes due, and what flush() owes for the look-ahead.
    const TimeBase& time = ModelWeights::of(*model).time;
    curves.resize(static_cast<std::size_t>(
        runtime.width() * time.most_frames_in(kReadSamples + model->lookahead_samples())));
    publish();
  }

  // With `lifecycle` held.
  void start() {
    worker = std::thread([this] { work(); });
  }

  // With `lifecycle` held.
  void join() {
    stopping.store(true);
    wake.notify_one();
    if (worker.joinable()) {
      worker.join();
    }
    queue.close();
  }

  void work() {
    try {
      bool rested = true;  // nothing waited when it looked last
      while (!stopping.load()) {
        // Asked first: samples pushed before finish() are then surely seen by the read.
        const bool last = finishing.load();
        const std::int64_t waiting = ring.waiting();
        const std::int64_t count = ring.read(samples.data(), kReadSamples);
        if (count > 0) {
          choose_steps(waiting, count, rested);
          rested = false;
          step(count);
        } else if (last) {
          finish();
          return;
        } else {
          rested = true;
          std::unique_lock<std::mutex> lock(nap);
          wake.wait_for(lock, kNap);
        }
      }
    } catch (const std::exception& failure) {
      error = failure.what();
      failed.store(true);
      queue.close();
    }
  }

  void step(std::int64_t count) {
    const std::int64_t due = runtime.frames_due(count);
    runtime.step(samples.data(), count, curves.data());
    publish();
    queue.push(curves.data(), due, runtime.steps());
  }

  void choose_steps(std::int64_t waiting, std::int64_t count, bool rested) {
    const Overload wanted = overload.load();
    if (wanted != in_force) {
      in_force = wanted;
      policy = OverloadPolicy(wanted, model->sample_steps());
      runtime.set_steps(model->sample_steps());
    }
    if (in_force != Overload::kKeep) {
      runtime.set_steps(policy.steps(waiting, count, rested));
    }
  }

  void finish() {
    runtime.set_steps(model->sample_steps());
    std::fill(samples.begin(), samples.end(), 0.0F);
    for (std::int64_t missing = ring.missing(); missing > 0 && !stopping.load();) {
      const std::int64_t count = std::min(missing, kReadSamples);
      step(count);
      missing -= count;
    }
    const std::int64_t owed = runtime.frames_owed();
    runtime.flush(curves.data());
    publish();
    queue.push(curves.data(), owed, runtime.steps());
    flushed.store(true);
    queue.close();
  }

  void publish() {
    position_samples.store(runtime.position_samples());
    frames.store(runtime.frames());
    identity.store(runtime.identity());
    level_db.store(runtime.level_db());
    compute_seconds.store(runtime.compute_seconds());
  }

  std::shared_ptr<const Model> model;
  Runtime runtime;
  RingBuffer ring;
  FrameQueue queue;
  std::vector<float> samples, curves;  // the worker's
  OverloadPolicy policy;               // the worker's
  Overload in_force = Overload::kKeep;
  std::atomic<Overload> overload{Overload::kKeep};

  std::mutex lifecycle;  // of the worker: starting and joining it
  std::mutex nap;
  std::condition_variable wake;
  std::atomic<bool> finishing{false}, stopping{false}, flushed{false}, failed{false};
  std::string error;  // written before `failed`
  std::atomic<std::int64_t> position_samples{0}, frames{0}, identity{0}, invalid_samples{0};
  std::atomic<float> level_db{0.0F};
  std::atomic<double> compute_seconds{0.0};
  std::thread worker;
};

LiveRuntime::LiveRuntime(std::shared_ptr<const Model> model, std::uint64_t seed,
                         std::int64_t identity, const BackendOptions& backend,
                         std::int64_t ring_capacity_samples, std::int64_t frame_capacity,
                         const MotionOptions& motion)
    : impl_(std::make_unique<Impl>(std::move(model), seed, identity, backend, ring_capacity_samples,
                                   frame_capacity, motion)) {
  impl_->start();
}

LiveRuntime::~LiveRuntime() { stop(); }

std::int64_t LiveRuntime::push(const float* samples, std::int64_t count) noexcept {
  if (impl_->finishing.load() || impl_->stopping.load()) {
    return 0;
  }
  std::int64_t invalid = 0;
  const std::int64_t taken = impl_->ring.push(samples, count, [&invalid](float sample) {
    const bool valid = std::fabs(sample) <= Runtime::kSampleLimit;
    invalid += valid ? 0 : 1;
    return valid;
  });
  impl_->invalid_samples.fetch_add(invalid, std::memory_order_relaxed);
  impl_->wake.notify_one();
  return taken;
}

std::int64_t LiveRuntime::room() noexcept { return impl_->ring.room(); }

std::int64_t LiveRuntime::ring_capacity_samples() const noexcept { return impl_->ring.capacity(); }

std::int64_t LiveRuntime::wait(double timeout_s) {
  const std::int64_t ready = impl_->queue.wait(timeout_s);
  if (ready == 0 && impl_->failed.load()) {
    throw std::runtime_error("live runtime: " + impl_->error);
  }
  return ready;
}

LiveRuntime::Batch LiveRuntime::take(std::int64_t max_frames, float* frames, std::uint8_t* steps) {
  return impl_->queue.take(max_frames, frames, steps);
}

void LiveRuntime::set_overload(Overload overload) {
  if (overload == Overload::kSteps && !impl_->runtime.takes_fewer_steps()) {
    throw std::invalid_argument(
        "overload: this backend runs all sampling steps at once; expected keep or skip");
  }
  impl_->overload.store(overload);
}

void LiveRuntime::finish() {
  impl_->finishing.store(true);
  impl_->wake.notify_one();
}

bool LiveRuntime::finished() const { return impl_->flushed.load() && impl_->queue.empty(); }

void LiveRuntime::stop() {
  const std::lock_guard<std::mutex> lock(impl_->lifecycle);
  impl_->join();
}

void LiveRuntime::reset() {
  const std::lock_guard<std::mutex> lock(impl_->lifecycle);
  impl_->join();
  impl_->runtime.reset();
  impl_->in_force = Overload::kKeep;  // so that the worker begins its policy anew
  impl_->runtime.set_steps(impl_->model->sample_steps());
  impl_->ring.reset();
  impl_->queue.reset();
  impl_->finishing = impl_->stopping = impl_->flushed = impl_->failed = false;
  impl_->invalid_samples = 0;
  impl_->publish();
  impl_->start();
}

std::int64_t LiveRuntime::width() const { return impl_->runtime.width(); }
std::int64_t LiveRuntime::dropped_samples() const { return impl_->ring.dropped(); }
std::int64_t LiveRuntime::dropped_frames() const { return impl_->queue.dropped(); }
std::int64_t LiveRuntime::invalid_samples() const { return impl_->invalid_samples.load(); }
std::int64_t LiveRuntime::position_samples() const { return impl_->position_samples.load(); }
std::int64_t LiveRuntime::frames() const { return impl_->frames.load(); }
std::int64_t LiveRuntime::identity() const { return impl_->identity.load(); }
float LiveRuntime::level_db() const { return impl_->level_db.load(); }
double LiveRuntime::compute_seconds() const { return impl_->compute_seconds.load(); }

}  // namespace dt
