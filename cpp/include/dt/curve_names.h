// The 52 ARKit curves: their names and their order, as Live Link Face sends them. They are those of
// python/diffusiontalker/curves.py, which a test compares.
#pragma once

#include <array>
#include <string_view>

namespace dt {

inline constexpr std::array<const char*, 52> kCurveNames = {
    "eyeBlinkLeft",      "eyeLookDownLeft",    "eyeLookInLeft",
    "eyeLookOutLeft",    "eyeLookUpLeft",      "eyeSquintLeft",
    "eyeWideLeft",       "eyeBlinkRight",      "eyeLookDownRight",
    "eyeLookInRight",    "eyeLookOutRight",    "eyeLookUpRight",
    "eyeSquintRight",    "eyeWideRight",       "jawForward",
    "jawLeft",           "jawRight",           "jawOpen",
    "mouthClose",        "mouthFunnel",        "mouthPucker",
    "mouthLeft",         "mouthRight",         "mouthSmileLeft",
    "mouthSmileRight",   "mouthFrownLeft",     "mouthFrownRight",
    "mouthDimpleLeft",   "mouthDimpleRight",   "mouthStretchLeft",
    "mouthStretchRight", "mouthRollLower",     "mouthRollUpper",
    "mouthShrugLower",   "mouthShrugUpper",    "mouthPressLeft",
    "mouthPressRight",   "mouthLowerDownLeft", "mouthLowerDownRight",
    "mouthUpperUpLeft",  "mouthUpperUpRight",  "browDownLeft",
    "browDownRight",     "browInnerUp",        "browOuterUpLeft",
    "browOuterUpRight",  "cheekPuff",          "cheekSquintLeft",
    "cheekSquintRight",  "noseSneerLeft",      "noseSneerRight",
    "tongueOut"};

// Rotation of the head, in radians: what may follow the curves in a frame.
inline constexpr std::array<const char*, 3> kHeadNames = {"headYaw", "headPitch", "headRoll"};

constexpr bool begins_with(std::string_view name, std::string_view beginning) {
  return name.substr(0, beginning.size()) == beginning;
}

// Whether the silence gate brings a curve to rest.
constexpr bool is_gated(std::string_view curve) {
  return begins_with(curve, "jaw") || begins_with(curve, "mouth") || curve == "cheekPuff" ||
         curve == "tongueOut";
}

}  // namespace dt
