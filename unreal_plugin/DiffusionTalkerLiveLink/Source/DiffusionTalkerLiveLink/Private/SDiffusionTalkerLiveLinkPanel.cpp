#include "SDiffusionTalkerLiveLinkPanel.h"

#if WITH_EDITOR

#include "DiffusionTalkerLiveLinkSource.h"
#include "Widgets/Input/SButton.h"
#include "Widgets/Input/SCheckBox.h"
#include "Widgets/Input/SEditableTextBox.h"
#include "Widgets/SBoxPanel.h"
#include "Widgets/Text/STextBlock.h"

#define LOCTEXT_NAMESPACE "DiffusionTalkerLiveLink"

void SDiffusionTalkerLiveLinkPanel::Construct(const FArguments& Arguments) {
  OnSourceCreated = Arguments._OnSourceCreated;
  const dt::Connection Defaults;
  const FText Endpoint = FText::FromString(FString(UTF8_TO_TCHAR(Defaults.endpoint.c_str())));

  // clang-format off
  ChildSlot
  [
    SNew(SVerticalBox)
    + SVerticalBox::Slot().AutoHeight().Padding(2.0f)
    [ SNew(STextBlock).Text(LOCTEXT("Endpoint", "Address of the sender (tcp://IP:PORT)")) ]
    + SVerticalBox::Slot().AutoHeight().Padding(2.0f)
    [ SAssignNew(EndpointBox, SEditableTextBox).Text(Endpoint) ]
    + SVerticalBox::Slot().AutoHeight().Padding(2.0f)
    [ SNew(STextBlock).Text(LOCTEXT("Keys", "Folder of keys (empty: the sender asks for none)")) ]
    + SVerticalBox::Slot().AutoHeight().Padding(2.0f)
    [ SAssignNew(KeysBox, SEditableTextBox) ]
    + SVerticalBox::Slot().AutoHeight().Padding(2.0f)
    [ SNew(STextBlock).Text(LOCTEXT("Subject", "Subject (empty: every face of the sender)")) ]
    + SVerticalBox::Slot().AutoHeight().Padding(2.0f)
    [ SAssignNew(SubjectBox, SEditableTextBox) ]
    + SVerticalBox::Slot().AutoHeight().Padding(2.0f)
    [ SNew(STextBlock).Text(LOCTEXT("Delay", "Delay in milliseconds")) ]
    + SVerticalBox::Slot().AutoHeight().Padding(2.0f)
    [ SAssignNew(DelayBox, SEditableTextBox).Text(FText::FromString(FString(TEXT("0")))) ]
    + SVerticalBox::Slot().AutoHeight().Padding(2.0f)
    [
      SAssignNew(SoftLipsBox, SCheckBox)
      [ SNew(STextBlock).Text(LOCTEXT("SoftLips", "Soft lips: close and roll them less")) ]
    ]
    + SVerticalBox::Slot().AutoHeight().Padding(2.0f)
    [ SAssignNew(ProblemText, STextBlock) ]
    + SVerticalBox::Slot().AutoHeight().Padding(2.0f)
    [
      SNew(SButton)
      .Text(LOCTEXT("Add", "Add"))
      .OnClicked(this, &SDiffusionTalkerLiveLinkPanel::OnAddClicked)
    ]
  ];
  // clang-format on
}

FReply SDiffusionTalkerLiveLinkPanel::OnAddClicked() {
  const auto Typed = [](const TSharedPtr<SEditableTextBox>& Box) {
    return std::string(TCHAR_TO_UTF8(*Box->GetText().ToString()));
  };
  dt::Connection Connection;
  Connection.endpoint = Typed(EndpointBox);
  Connection.keys = Typed(KeysBox);
  Connection.subject = Typed(SubjectBox);
  if (SoftLipsBox->IsChecked()) Connection.gains = dt::GainPreset::kSoftLips;
  // The delay goes in as it was typed, so that one parser judges everything.
  std::string Text = dt::to_text(Connection);
  Text = Text.substr(0, Text.rfind('=') + 1) + Typed(DelayBox);

  std::string Problem;
  if (!dt::parse_connection(Text, &Connection, &Problem)) {
    ProblemText->SetText(FText::FromString(FString(UTF8_TO_TCHAR(Problem.c_str()))));
    return FReply::Handled();
  }
  const FString ConnectionString(UTF8_TO_TCHAR(Text.c_str()));
  OnSourceCreated.ExecuteIfBound(MakeShared<FDiffusionTalkerLiveLinkSource>(ConnectionString),
                                 ConnectionString);
  return FReply::Handled();
}

#undef LOCTEXT_NAMESPACE

#endif
