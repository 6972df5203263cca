#pragma once

#include <memory>

#include "Components/SynthComponent.h"
#include "CoreMinimal.h"

#include "DiffusionTalkerVoiceComponent.generated.h"

namespace dt {
class VoicePlayer;
}

/**
 * Plays the voice that moves a face, in step with the face: what a DiffusionTalker source receives
 * from `dt-stream --publish-audio`. Put it on the character, at the mouth; attenuation and all else
 * that a sound has are the component's own.
 */
UCLASS(ClassGroup = (Audio), meta = (BlueprintSpawnableComponent))
class DIFFUSIONTALKERLIVELINK_API UDiffusionTalkerVoiceComponent : public USynthComponent {
  GENERATED_BODY()

 public:
  UDiffusionTalkerVoiceComponent(const FObjectInitializer& ObjectInitializer);

  /** The Live Link subject whose voice this is; empty: the first one that is heard. */
  UPROPERTY(EditAnywhere, BlueprintReadOnly, Category = "DiffusionTalker")
  FName Subject;

  /**
   * Plays the voice this much earlier, to make up for what the sound device adds. No more than the
   * sound is early: about 40 ms and the source's Delay Ms.
   */
  UPROPERTY(EditAnywhere, BlueprintReadOnly, Category = "DiffusionTalker",
            meta = (ClampMin = 0, ClampMax = 2000))
  int32 LeadMs = 0;

  /** Sets LeadMs while the voice plays. */
  UFUNCTION(BlueprintCallable, Category = "DiffusionTalker")
  void SetLeadMs(int32 InLeadMs);

  /** How many milliseconds early the voice is played against its face (below 0: late). */
  UFUNCTION(BlueprintCallable, Category = "DiffusionTalker")
  float GetErrorMs() const;

 protected:
  virtual bool Init(int32& SampleRate) override;
  virtual int32 OnGenerateAudio(float* OutAudio, int32 NumSamples) override;

 private:
  // Made before the sound starts; the source's thread writes to it, the audio thread reads.
  std::shared_ptr<dt::VoicePlayer> Player;
};
