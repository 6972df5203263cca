#include "dt/wire/curve_names.h"

#include <cstddef>

namespace dt {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

std::string pascal_case(std::string_view name) {
  std::string out(name);
  if (!out.empty() && out[0] >= 'a' && out[0] <= 'z')
    out[0] = static_cast<char>(out[0] - 'a' + 'A');
  return out;
}

bool pascal_names(const std::vector<std::string>& wire, std::vector<std::string>* out,
                  std::string* why) {
  out->clear();
  out->reserve(wire.size());
  for (const std::string& name : wire) {
    for (const std::string& other : *out) {
      if (!same_name(other, name)) continue;
      *why = "curve names: " + other + " and " + name + " differ only in case";
      return false;
    }
    out->push_back(pascal_case(name));
  }
  return true;
}

std::vector<float> gains_in_order(const std::vector<std::string>& names,
                                  const std::vector<CurveGain>& gains) {
  std::vector<float> out(names.size(), 1.0f);
  for (std::size_t i = 0; i < names.size(); ++i) {
    for (const CurveGain& gain : gains) {
      if (same_name(gain.name, names[i])) out[i] *= gain.gain;
    }
  }
  return out;
}

void apply_gains(const std::vector<float>& gains, std::vector<float>* values) {
  const std::size_t count = gains.size() < values->size() ? gains.size() : values->size();
  for (std::size_t i = 0; i < count; ++i) {
    float& value = (*values)[i];
    const float scaled = value * gains[i];
    value = value <= 1.0f && scaled > 1.0f ? 1.0f : scaled;
  }
}

const std::vector<CurveGain>& preset_gains(GainPreset preset) {
  static const std::vector<CurveGain> none;
  static const std::vector<CurveGain> soft_lips = {
      {"MouthClose", 0.5f},     {"MouthRollLower", 0.7f},  {"MouthRollUpper", 0.7f},
      {"MouthPressLeft", 0.7f}, {"MouthPressRight", 0.7f}, {"MouthShrugLower", 0.8f},
  };
  return preset == GainPreset::kSoftLips ? soft_lips : none;
}

}  // namespace dt
