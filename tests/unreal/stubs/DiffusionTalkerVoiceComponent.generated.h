#pragma once

#undef GENERATED_BODY
#define GENERATED_BODY()         \
  using Super = USynthComponent; \
  DT_STUB_CLASS_BODY
