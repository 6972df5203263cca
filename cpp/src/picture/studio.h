// The lights: a large soft one at the upper left, a sky, a warm floor, two from behind.
#pragma once

#include <array>

namespace dt::picture::studio {

using Vector = std::array<float, 3>;

// Unit vectors towards the lights, in the camera's axes.
inline constexpr Vector kKeyAt{-0.4191F, 0.4890F, 0.7650F};
inline constexpr Vector kFillAt{0.7071F, 0.1000F, 0.7000F};
inline constexpr Vector kRimLeftAt{-0.8018F, 0.2673F, -0.5345F};
inline constexpr Vector kRimRightAt{0.8452F, 0.3381F, -0.4140F};

// Halfway to the camera, which is far enough to be in one direction.
inline constexpr Vector kKeyHalf{-0.2231F, 0.2603F, 0.9394F};
inline constexpr Vector kFillHalf{0.3835F, 0.0542F, 0.9220F};

inline constexpr Vector kKey{1.02F, 0.97F, 0.90F};
inline constexpr Vector kFill{0.16F, 0.18F, 0.22F};
inline constexpr Vector kSky{0.34F, 0.37F, 0.42F};
inline constexpr Vector kFloor{0.17F, 0.13F, 0.11F};
inline constexpr Vector kRim{0.55F, 0.60F, 0.70F};

// Light that goes on under skin is red.
inline constexpr Vector kWrap{0.42F, 0.20F, 0.13F};
// What is left of the key light in its own shadow, by colour: skin glows there.
inline constexpr Vector kShadowTint{0.10F, 0.05F, 0.04F};

// Of a dielectric seen straight on.
inline constexpr float kFresnel = 0.04F;

}  // namespace dt::picture::studio
