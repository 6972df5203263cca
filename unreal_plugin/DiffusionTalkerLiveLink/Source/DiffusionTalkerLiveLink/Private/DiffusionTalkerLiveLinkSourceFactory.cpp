#include "DiffusionTalkerLiveLinkSourceFactory.h"

#include "DiffusionTalkerLiveLinkSource.h"

#if WITH_EDITOR
#include "SDiffusionTalkerLiveLinkPanel.h"
#endif

#define LOCTEXT_NAMESPACE "DiffusionTalkerLiveLink"

FText UDiffusionTalkerLiveLinkSourceFactory::GetSourceDisplayName() const {
  return LOCTEXT("FactoryName", "DiffusionTalker");
}

FText UDiffusionTalkerLiveLinkSourceFactory::GetSourceTooltip() const {
  return LOCTEXT("FactoryTooltip", "Faces from live speech, sent by dt-stream");
}

TSharedPtr<SWidget> UDiffusionTalkerLiveLinkSourceFactory::BuildCreationPanel(
    FOnLiveLinkSourceCreated OnLiveLinkSourceCreated) const {
#if WITH_EDITOR
  return SNew(SDiffusionTalkerLiveLinkPanel).OnSourceCreated(OnLiveLinkSourceCreated);
#else
  return nullptr;
#endif
}

TSharedPtr<ILiveLinkSource> UDiffusionTalkerLiveLinkSourceFactory::CreateSource(
    const FString& ConnectionString) const {
  return MakeShared<FDiffusionTalkerLiveLinkSource>(ConnectionString);
}

#undef LOCTEXT_NAMESPACE
