#include "dt/face/voices.h"

#include <algorithm>

namespace dt {

void Voices::add(const std::string& subject, const std::shared_ptr<VoicePlayer>& player) {
  const std::lock_guard<std::mutex> lock(mutex_);
  listeners_.push_back({subject, player});
}

void Voices::play(const std::string& subject, const FaceSound& sound) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto gone = [](const Listener& listener) { return listener.player.expired(); };
  listeners_.erase(std::remove_if(listeners_.begin(), listeners_.end(), gone), listeners_.end());
  for (Listener& listener : listeners_) {
    if (listener.subject.empty()) listener.subject = subject;
    if (!same_name(listener.subject, subject)) continue;
    if (const auto player = listener.player.lock()) player->push(sound);
  }
}

}  // namespace dt
