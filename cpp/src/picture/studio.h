// The lights: a large soft one at the upper left, a sky, a warm floor, two from behind.
#pragma once

namespace dt::picture::studio {

// Unit vectors towards the lights, in the camera's axes.
inline constexpr float kKeyAt[3]{-0.4191F, 0.4890F, 0.7650F};
inline constexpr float kFillAt[3]{0.7071F, 0.1000F, 0.7000F};
inline constexpr float kRimLeftAt[3]{-0.8018F, 0.2673F, -0.5345F};
inline constexpr float kRimRightAt[3]{0.8452F, 0.3381F, -0.4140F};

// Halfway to the camera, which is far enough to be in one direction.
inline constexpr float kKeyHalf[3]{-0.2231F, 0.2603F, 0.9394F};
inline constexpr float kFillHalf[3]{0.3835F, 0.0542F, 0.9220F};

inline constexpr float kKey[3]{1.02F, 0.97F, 0.90F};
inline constexpr float kFill[3]{0.16F, 0.18F, 0.22F};
inline constexpr float kSky[3]{0.34F, 0.37F, 0.42F};
inline constexpr float kFloor[3]{0.17F, 0.13F, 0.11F};
inline constexpr float kRim[3]{0.55F, 0.60F, 0.70F};

// Light that goes on under skin is red.
inline constexpr float kWrap[3]{0.42F, 0.20F, 0.13F};
// What is left of the key light in its own shadow, by colour: skin glows there.
inline constexpr float kShadowTint[3]{0.10F, 0.05F, 0.04F};

// Of a dielectric seen straight on.
inline constexpr float kFresnel = 0.04F;

}  // namespace dt::picture::studio
