#pragma once

#include "Widgets/SCompoundWidget.h"

class SCheckBox : public SWidget {
 public:
  struct FArguments {
    std::shared_ptr<SWidget> Content;
    template <typename Widget>
    FArguments& operator[](const TSharedRef<Widget>& InContent) {
      Content = InContent.Shared();
      return *this;
    }
  };
  void Construct(const FArguments& Arguments) { Children.push_back(Arguments.Content); }
  bool IsChecked() const { return bChecked; }
  void ToggleCheckedState() { bChecked = !bChecked; }

 private:
  bool bChecked = false;
};
