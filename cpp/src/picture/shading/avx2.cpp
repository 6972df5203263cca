// AVX2 (the build gives this file alone the compiler's flags for it).
#include "picture/shading.h"

#if defined(__AVX2__)

#include <immintrin.h>
#include <math.h>

#include <cstring>

#include "picture/studio.h"

namespace {

#include "picture/shading/eight.h"

#include "picture/shading/body.h"

}  // namespace

#endif

namespace dt::picture {

const Shading* compiled_for_avx2();

const Shading* compiled_for_avx2() {
#if defined(__AVX2__)
  static const Shading shading{"avx2", cover, shine, tone, move, yuv};
  return &shading;
#else
  return nullptr;
#endif
}

}  // namespace dt::picture
