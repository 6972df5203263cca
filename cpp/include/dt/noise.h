// Seekable Gaussian noise: the value for (seed, frame, curve) is a pure function, so it depends on
// no chunking, thread, order or backend, and any frame can be replayed.
#pragma once

#include <array>
#include <cstdint>

namespace dt {

// Philox4x32 with 10 rounds (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key);

// Standard normal quantile of (bits + 0.5) / 2^32 (Wichura 1988, AS 241, PPND16). Only IEEE
// additions, products, quotients and square roots are used, the logarithm included, so that every
// platform, and a NumPy transcription, gives the same bits.
float normal_from_bits(std::uint32_t bits);

// Fills out[0 .. curves) for one frame. The counter is (frame low, frame high, curve / 4, 0), the
// key is the seed, and curve c takes word c % 4. With `scale` (curves) each value is multiplied by
// its own; a curve whose scale is 0 gets 0, and nothing is drawn for it.
void normal_noise(std::uint64_t seed, std::int64_t frame, int curves, float* out,
                  const float* scale = nullptr);

}  // namespace dt
