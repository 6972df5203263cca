// The kernels of one instruction set: its source file includes this one file of the folder, behind
// its registers and dot8().
#pragma once

#include "kernels/body/elementwise.h"
#include "kernels/body/float32.h"
#include "kernels/body/int8.h"

namespace {

// Under `name`; `product` where the set has an integer product of its own.
inline dt::Kernels table(const char* name,
                         decltype(dt::Kernels::multiply_add_int8) product = &multiply_add_int8) {
  return {name, &multiply_add, product, &quantise, &gru, &gelu, &normalise, &softmax};
}

}  // namespace
