#pragma once

#include "CoreMinimal.h"

// Just enough of Slate to build the panel's tree and to press its button.
class SWidget {
 public:
  virtual ~SWidget() = default;
  std::vector<std::shared_ptr<SWidget>> Children;
};

class SCompoundWidget : public SWidget {
 public:
  struct FChildSlot {
    SWidget* Owner;
    template <typename Widget>
    FChildSlot& operator[](const TSharedRef<Widget>& Child) {
      Owner->Children.push_back(Child.Shared());
      return *this;
    }
  };
  FChildSlot ChildSlot{this};
};
