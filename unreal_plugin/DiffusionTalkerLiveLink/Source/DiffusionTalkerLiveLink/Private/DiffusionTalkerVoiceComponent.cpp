#include "DiffusionTalkerVoiceComponent.h"

#include <string>

#include "DiffusionTalkerVoices.h"
#include "HAL/PlatformTime.h"

dt::Voices& DiffusionTalkerVoices() {
  static dt::Voices Voices;
  return Voices;
}

UDiffusionTalkerVoiceComponent::UDiffusionTalkerVoiceComponent(
    const FObjectInitializer& ObjectInitializer)
    : Super(ObjectInitializer) {
  NumChannels = 1;
}

// On the game thread, before the audio thread asks for sound.
bool UDiffusionTalkerVoiceComponent::Init(int32& SampleRate) {
  Player = std::make_shared<dt::VoicePlayer>(SampleRate);
  SetLeadMs(LeadMs);
  // A name that is not set reads "None".
  const std::string Name = Subject.IsNone() ? "" : TCHAR_TO_UTF8(*Subject.ToString());
  DiffusionTalkerVoices().add(Name, Player);
  return true;
}

int32 UDiffusionTalkerVoiceComponent::OnGenerateAudio(float* OutAudio, int32 NumSamples) {
  // The client runs on the same clock, so the voice and the face need no other to agree on.
  Player->render(OutAudio, NumSamples, static_cast<std::int64_t>(FPlatformTime::Seconds() * 1e9));
  return NumSamples;
}

void UDiffusionTalkerVoiceComponent::SetLeadMs(int32 InLeadMs) {
  LeadMs = FMath::Clamp(InLeadMs, 0, 2000);
  if (Player != nullptr) Player->set_lead_ns(LeadMs * std::int64_t{1'000'000});
}

float UDiffusionTalkerVoiceComponent::GetErrorMs() const {
  return Player == nullptr ? 0.0f : static_cast<float>(Player->statistics().error_ms);
}
