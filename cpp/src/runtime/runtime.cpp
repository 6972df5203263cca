#include "dt/runtime.h"

#include <memory>
#include <utility>
#include <vector>

#include "dt/refusal.h"
#include "dt/voices.h"

namespace dt {

// One voice of its own.
struct Runtime::Impl {
  Voices voices;
};

Runtime::Runtime(std::shared_ptr<const Model> model, std::uint64_t seed, std::int64_t identity,
                 const BackendOptions& backend, const MotionOptions& motion)
    : impl_(new Impl{Voices(std::move(model), {{seed, identity}}, backend, motion)}) {}
Runtime::~Runtime() = default;
Runtime::Runtime(Runtime&&) noexcept = default;

std::int64_t Runtime::frames_due(std::int64_t more_samples) const {
  return impl_->voices.frames_due(0, more_samples);
}

std::int64_t Runtime::frames_owed() const { return impl_->voices.frames_owed(0); }

void Runtime::step(const float* samples, std::int64_t count, float* frames) {
  if (impl_->voices.flushed(0)) {
    raise({Refusal::Kind::kState, "step: the stream was flushed; call reset() to begin another"});
  }
  const Voices::Chunk chunk = {samples, count, frames};
  impl_->voices.step(&chunk);
}

void Runtime::flush(float* frames) {
  constexpr bool kEnding = true;
  impl_->voices.flush(&kEnding, &frames);
}

void Runtime::reset() { impl_->voices.reset(); }

void Runtime::set_steps(std::int64_t steps) { impl_->voices.set_steps(0, steps); }
std::int64_t Runtime::steps() const { return impl_->voices.steps(0); }
bool Runtime::takes_fewer_steps() const { return impl_->voices.takes_fewer_steps(); }

std::int64_t Runtime::width() const { return impl_->voices.width(); }
std::int64_t Runtime::identity() const { return impl_->voices.identity(0); }
const std::vector<float>& Runtime::identity_scores() const {
  return impl_->voices.identity_scores(0);
}
std::int64_t Runtime::position_samples() const { return impl_->voices.position_samples(0); }
std::int64_t Runtime::frames() const { return impl_->voices.frames(0); }
float Runtime::level_db() const { return impl_->voices.level_db(0); }
double Runtime::compute_seconds() const { return impl_->voices.compute_seconds(); }

}  // namespace dt
