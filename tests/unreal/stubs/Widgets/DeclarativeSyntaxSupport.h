#pragma once

#include "CoreMinimal.h"

template <typename Widget>
struct TStubDeclaration {
  TSharedRef<Widget> Made = MakeShared<Widget>();
  TSharedPtr<Widget>* Assigned = nullptr;
  TSharedRef<Widget> operator<<=(const typename Widget::FArguments& Arguments) const {
    Made->Construct(Arguments);
    if (Assigned != nullptr) *Assigned = Made;
    return Made;
  }
};

#define SNew(Widget) TStubDeclaration<Widget>() <<= Widget::FArguments()
#define SAssignNew(Variable, Widget) \
  TStubDeclaration<Widget>{MakeShared<Widget>(), &Variable} <<= Widget::FArguments()

#define SLATE_BEGIN_ARGS(Widget)       \
 public:                               \
  struct FArguments {                  \
    using WidgetArgsType = FArguments; \
    FArguments()
#define SLATE_EVENT(Delegate, Name)                  \
  Delegate _##Name;                                  \
  WidgetArgsType& Name(const Delegate& InDelegate) { \
    _##Name = InDelegate;                            \
    return *this;                                    \
  }
#define SLATE_END_ARGS() \
  }                      \
  ;
