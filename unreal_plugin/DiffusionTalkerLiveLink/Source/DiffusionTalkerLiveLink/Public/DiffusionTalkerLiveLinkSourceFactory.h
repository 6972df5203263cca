#pragma once

#include "CoreMinimal.h"
#include "LiveLinkSourceFactory.h"

#include "DiffusionTalkerLiveLinkSourceFactory.generated.h"

/** Puts "DiffusionTalker" into Live Link's list of sources. */
UCLASS()
class DIFFUSIONTALKERLIVELINK_API UDiffusionTalkerLiveLinkSourceFactory
    : public ULiveLinkSourceFactory {
  GENERATED_BODY()

 public:
  virtual FText GetSourceDisplayName() const override;
  virtual FText GetSourceTooltip() const override;
  virtual EMenuType GetMenuType() const override { return EMenuType::SubPanel; }
  virtual TSharedPtr<SWidget> BuildCreationPanel(
      FOnLiveLinkSourceCreated OnLiveLinkSourceCreated) const override;

  /**
   * ConnectionString is what a Live Link preset keeps:
   * `endpoint=tcp://127.0.0.1:5560;subject=;gains=asreceived;delayms=0`. One that cannot be used
   * still gives a source, whose status says what is wrong with it.
   */
  virtual TSharedPtr<ILiveLinkSource> CreateSource(const FString& ConnectionString) const override;
};
