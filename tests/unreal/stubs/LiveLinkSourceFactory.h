#pragma once

#include "CoreMinimal.h"

class ILiveLinkSource;
class SWidget;

class ULiveLinkSourceFactory : public UObject {
 public:
  enum class EMenuType { SubPanel, MenuEntry, Disabled };
  using FOnLiveLinkSourceCreated = TStubDelegate<TSharedPtr<ILiveLinkSource>, FString>;

  virtual FText GetSourceDisplayName() const = 0;
  virtual FText GetSourceTooltip() const = 0;
  virtual EMenuType GetMenuType() const { return EMenuType::Disabled; }
  virtual TSharedPtr<SWidget> BuildCreationPanel(
      FOnLiveLinkSourceCreated OnLiveLinkSourceCreated) const {
    (void)OnLiveLinkSourceCreated;
    return nullptr;
  }
  virtual TSharedPtr<ILiveLinkSource> CreateSource(const FString& ConnectionString) const {
    (void)ConnectionString;
    return nullptr;
  }
};
