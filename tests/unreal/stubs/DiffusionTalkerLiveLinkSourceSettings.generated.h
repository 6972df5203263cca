#pragma once

#define GENERATED_BODY() DT_STUB_CLASS_BODY
