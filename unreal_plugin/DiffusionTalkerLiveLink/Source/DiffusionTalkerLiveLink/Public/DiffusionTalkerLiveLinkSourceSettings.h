#pragma once

#include "CoreMinimal.h"
#include "LiveLinkSourceSettings.h"

#include "DiffusionTalkerLiveLinkSourceSettings.generated.h"

/** Gains that come ready-made; those of CurveGains come on top. */
UENUM()
enum class EDiffusionTalkerGains : uint8 {
  /** Every curve as the sender made it. */
  AsReceived,
  /** Weaker closing and rolling of the lips, for rigs that press them together too much. */
  SoftLips,
};

/** What a user may change while a source runs. */
UCLASS()
class DIFFUSIONTALKERLIVELINK_API UDiffusionTalkerLiveLinkSourceSettings
    : public ULiveLinkSourceSettings {
  GENERATED_BODY()

 public:
  /** Shows every frame this many milliseconds later, to meet sound that is heard later. */
  UPROPERTY(EditAnywhere, Category = "DiffusionTalker", meta = (ClampMin = 0, ClampMax = 2000))
  int32 DelayMs = 0;

  UPROPERTY(EditAnywhere, Category = "DiffusionTalker")
  EDiffusionTalkerGains GainPreset = EDiffusionTalkerGains::AsReceived;

  /** Multipliers by curve name, as in JawOpen 1.2. */
  UPROPERTY(EditAnywhere, Category = "DiffusionTalker")
  TMap<FName, float> CurveGains;
};
