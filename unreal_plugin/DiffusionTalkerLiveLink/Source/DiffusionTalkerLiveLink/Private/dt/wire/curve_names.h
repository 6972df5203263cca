// Curve names as Unreal's rigs expect them, and gains by name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dt {

// The multiplier of one curve.
struct CurveGain {
  std::string name;  // matched without regard to case
  float gain = 1.0f;
};

// Whether two names are the same but for the case of ASCII letters, as an Unreal FName sees them.
bool same_name(std::string_view a, std::string_view b);

// ARKit's names on the wire begin with a small letter (jawOpen), Unreal's with a capital (JawOpen).
std::string pascal_case(std::string_view name);

// Converts all names, keeping their order. False, with the reason, if two become the same name.
bool pascal_names(const std::vector<std::string>& wire, std::vector<std::string>* out,
                  std::string* why);

// One multiplier a name, 1 where `gains` says nothing; of several for a name, their product.
std::vector<float> gains_in_order(const std::vector<std::string>& names,
                                  const std::vector<CurveGain>& gains);

// Scales `values` in place. A curve that was at most 1, the end of ARKit's range, stays so.
void apply_gains(const std::vector<float>& gains, std::vector<float>* values);

// Gains that come ready-made.
enum class GainPreset {
  kAsReceived,  // none
  // A starting point for rigs that close the lips too much on curves made from audio alone: weaker
  // closing and rolling of the lips.
  kSoftLips,
};

const std::vector<CurveGain>& preset_gains(GainPreset preset);

}  // namespace dt
