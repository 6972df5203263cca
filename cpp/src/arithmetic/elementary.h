// Elementary functions with the same bits on every compiler, C library and processor: IEEE
// additions, products and quotients of float and double in one fixed order, and integers. The C
// library's own differ in their last bits from one to the next.
#pragma once

#include <cstdint>

namespace dt::arithmetic {

// e^x within 1 unit in the last place (2 where the result is below the smallest normal number);
// infinite above 709.78, 0 below -745.13, NaN for NaN.
double exp(double x);

// The natural logarithm within a relative 1e-15; -infinity for 0, NaN below it and for NaN.
double log(double x);

// Cosine and sine of 2 pi part / whole within a relative 1e-15. The angle is a fraction because
// windows, filters and transforms know it as one: it is reduced without an error, however large.
// Expects |part| and whole up to 2^58, whole > 0.
double cos_of_turn(std::int64_t part, std::int64_t whole);
double sin_of_turn(std::int64_t part, std::int64_t whole);

// out[i] = the decimal logarithm of x[i], within 1.5 units in the last place. What lies below the
// smallest normal number, 0 and all below it included, counts as that number (-37.9); infinity and
// NaN stay. `out` may be `x`.
void log10(const float* x, std::int64_t count, float* out);

}  // namespace dt::arithmetic
