#pragma once

#include "Widgets/SCompoundWidget.h"

class SVerticalBox : public SWidget {
 public:
  struct FSlot {
    std::shared_ptr<SWidget> Child;
    FSlot& AutoHeight() { return *this; }
    FSlot& Padding(float) { return *this; }
    template <typename Widget>
    FSlot& operator[](const TSharedRef<Widget>& InChild) {
      Child = InChild.Shared();
      return *this;
    }
  };
  struct FArguments {
    std::vector<std::shared_ptr<SWidget>> Children;
    FArguments& operator+(const FSlot& Slot) {
      Children.push_back(Slot.Child);
      return *this;
    }
  };
  static FSlot Slot() { return FSlot(); }
  void Construct(const FArguments& Arguments) { Children = Arguments.Children; }
};
