#pragma once

#include "Widgets/Text/STextBlock.h"

class SEditableTextBox : public STextBlock {
 public:
  FText GetText() const { return Shown; }
};
