// What Live Link shows under "Add source > DiffusionTalker".
#pragma once

#include "CoreMinimal.h"

#if WITH_EDITOR

#include "Input/Reply.h"
#include "LiveLinkSourceFactory.h"
#include "Widgets/DeclarativeSyntaxSupport.h"
#include "Widgets/SCompoundWidget.h"

class SCheckBox;
class SEditableTextBox;
class STextBlock;

class SDiffusionTalkerLiveLinkPanel : public SCompoundWidget {
 public:
  SLATE_BEGIN_ARGS(SDiffusionTalkerLiveLinkPanel) {}
  SLATE_EVENT(ULiveLinkSourceFactory::FOnLiveLinkSourceCreated, OnSourceCreated)
  SLATE_END_ARGS()

  void Construct(const FArguments& Arguments);

 private:
  FReply OnAddClicked();

  ULiveLinkSourceFactory::FOnLiveLinkSourceCreated OnSourceCreated;
  TSharedPtr<SEditableTextBox> EndpointBox;
  TSharedPtr<SEditableTextBox> KeysBox;
  TSharedPtr<SEditableTextBox> SubjectBox;
  TSharedPtr<SEditableTextBox> DelayBox;
  TSharedPtr<SCheckBox> SoftLipsBox;
  TSharedPtr<STextBlock> ProblemText;
};

#endif
