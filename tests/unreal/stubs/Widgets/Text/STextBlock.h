#pragma once

#include "Widgets/SCompoundWidget.h"

class STextBlock : public SWidget {
 public:
  struct FArguments {
    FText _Text;
    FArguments& Text(const FText& InText) {
      _Text = InText;
      return *this;
    }
  };
  void Construct(const FArguments& Arguments) { Shown = Arguments._Text; }
  void SetText(const FText& InText) { Shown = InText; }
  FText Shown;
};
