// Who plays which face's voice: what sources receive finds its players by the face's name.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "dt/face/voice_player.h"

namespace dt {

class Voices {
 public:
  // `player` gets the sound of the face `subject` (the first one that is heard, if it is empty) for
  // as long as somebody else holds it.
  void add(const std::string& subject, const std::shared_ptr<VoicePlayer>& player);

  // On a receiving thread: gives a piece on to whoever plays that face.
  void play(const std::string& subject, const FaceSound& sound);

 private:
  struct Listener {
    std::string subject;
    std::weak_ptr<VoicePlayer> player;
  };

  std::mutex mutex_;  // never taken on the audio thread
  std::vector<Listener> listeners_;
};

}  // namespace dt
