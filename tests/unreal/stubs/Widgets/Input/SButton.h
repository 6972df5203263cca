#pragma once

#include "Input/Reply.h"
#include "Widgets/SCompoundWidget.h"

class SButton : public SWidget {
 public:
  struct FArguments {
    std::function<FReply()> _OnClicked;
    FArguments& Text(const FText&) { return *this; }
    template <typename Owner>
    FArguments& OnClicked(Owner* Object, FReply (Owner::*Function)()) {
      _OnClicked = [Object, Function] { return (Object->*Function)(); };
      return *this;
    }
  };
  void Construct(const FArguments& Arguments) { Click = Arguments._OnClicked; }
  std::function<FReply()> Click;
};
