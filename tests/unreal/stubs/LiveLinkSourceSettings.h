#pragma once

#include "CoreMinimal.h"

class ULiveLinkSourceSettings : public UObject {
  DT_STUB_CLASS_BODY

 public:
  FString ConnectionString;
};
