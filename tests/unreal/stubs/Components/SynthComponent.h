#pragma once

#include "CoreMinimal.h"

// A component whose sound is made as it plays. The engine calls Init on the game thread, then
// OnGenerateAudio on the audio thread until the sound is stopped.
class USynthComponent : public UObject {
  DT_STUB_CLASS_BODY

 public:
  explicit USynthComponent(const FObjectInitializer&) {}

  // For the tests: what the engine does when the sound starts and while it plays.
  bool StubStart(int32& SampleRate) { return Init(SampleRate); }
  int32 StubGenerate(float* OutAudio, int32 NumSamples) {
    return OnGenerateAudio(OutAudio, NumSamples);
  }
  int32 StubNumChannels() const { return NumChannels; }

 protected:
  virtual bool Init(int32& SampleRate) {
    (void)SampleRate;
    return true;
  }
  virtual int32 OnGenerateAudio(float* OutAudio, int32 NumSamples) {
    (void)OutAudio;
    (void)NumSamples;
    return 0;
  }
  int32 NumChannels = 2;
};
