#include "curves/knob_settings.h"

#include <algorithm>
#include <array>
#include <utility>

#include "dt/curve_names.h"
#include "refusal/text_stream.h"

namespace dt {
namespace {

// A group holds the curves that begin so.
struct Group {
  const char* name;
  std::array<const char*, 3> beginnings;
};
constexpr Group kGroups[] = {
    {"mouth", {"mouth", "tongue", nullptr}},   {"jaw", {"jaw", nullptr, nullptr}},
    {"lips", {"jaw", "mouth", nullptr}},       {"eyes", {"eye", nullptr, nullptr}},
    {"blink", {"eyeBlink", nullptr, nullptr}}, {"gaze", {"eyeLook", nullptr, nullptr}},
    {"brows", {"brow", nullptr, nullptr}},     {"cheeks", {"cheek", nullptr, nullptr}},
    {"nose", {"nose", nullptr, nullptr}},      {"lower", {nullptr, nullptr, nullptr}},
    {"upper", {"eye", "nose", "brow"}},        {"all", {"", nullptr, nullptr}},
    {"head", {nullptr, nullptr, nullptr}}};

bool begins_with_one(std::string_view name, const Group& group) {
  return std::any_of(group.beginnings.begin(), group.beginnings.end(),
                     [name](const char* beginning) {
                       return beginning != nullptr && begins_with(name, beginning);
                     });
}

const Group* find_group(std::string_view name) {
  for (const Group& group : kGroups) {
    if (name == group.name) {
      return &group;
    }
  }
  return nullptr;
}

bool is_in(const Group& group, std::size_t value, const ValueNames& values) {
  const std::string_view called = group.name;
  if (value >= values.curves || called == "head") {
    return value >= values.curves && called == "head";
  }
  if (called == "lower") {
    return !begins_with_one(values.names[value], *find_group("upper"));
  }
  return begins_with_one(values.names[value], group);
}

// Whether `c` is in the set that begins behind the [ at `at`; moves `at` behind its ].
bool is_in_set(char c, std::string_view pattern, std::size_t* at, std::size_t end) {
  std::size_t i = *at + 1;
  const bool inverted = pattern[i] == '!';
  i += inverted ? 1 : 0;
  bool found = false;
  while (i < end) {
    if (i + 2 < end && pattern[i + 1] == '-') {
      found = found || (pattern[i] <= c && c <= pattern[i + 2]);
      i += 3;
    } else {
      found = found || pattern[i] == c;
      ++i;
    }
  }
  *at = end + 1;
  return found != inverted;
}

// The ] that ends the set of the [ at `at`, or npos: the first place may hold one that does not.
std::size_t end_of_set(std::string_view pattern, std::size_t at) {
  std::size_t i = at + 1;
  i += i < pattern.size() && pattern[i] == '!' ? 1 : 0;
  i += i < pattern.size() && pattern[i] == ']' ? 1 : 0;
  return pattern.find(']', i);
}

MaybeRefusal refuse(const std::string& text) { return Refusal{Refusal::Kind::kArgument, text}; }

MaybeRefusal check_number(const std::string& what, double value, Range range) {
  // Written so that NaN fails too.
  if (value >= range.low && value <= range.high) {
    return {};
  }
  TextStream text;
  text << what << ": expected a number from " << range.low << " to " << range.high << ", got "
       << value;
  return refuse(text.str());
}

MaybeRefusal check_entries(const std::string& what, const std::vector<KnobEntry>& entries,
                           Range range, const ValueNames& values) {
  for (const KnobEntry& entry : entries) {
    if (MaybeRefusal refusal = check_number(what + ": " + entry.name, entry.value, range)) {
      return refusal;
    }
  }
  for (const KnobEntry& entry : entries) {
    if (!chosen_values(entry.name, values).empty()) {
      continue;
    }
    const std::string key = what + ": '" + entry.name + "'";
    if (entry.name == "head" ||
        std::find(kHeadNames.begin(), kHeadNames.end(), entry.name) != kHeadNames.end()) {
      return refuse(key + ": head rotation comes with the option head only");
    }
    std::string known;
    for (const std::string& group : group_names()) {
      if (!chosen_values(group, values).empty()) {
        known += (known.empty() ? "" : ", ") + group;
      }
    }
    return refuse(key + " is no group, curve or pattern of curves; groups are " + known);
  }
  return {};
}

}  // namespace

std::vector<std::string> group_names() {
  std::vector<std::string> names;
  for (const Group& group : kGroups) {
    names.emplace_back(group.name);
  }
  return names;
}

bool fits(std::string_view name, std::string_view pattern) {
  std::size_t n = 0, p = 0, star = std::string_view::npos, star_n = 0;
  while (n < name.size()) {
    bool same = false;
    std::size_t next = p + 1;
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;  // of nothing, at first
      star_n = n;
      continue;
    }
    if (p < pattern.size()) {
      const std::size_t end = pattern[p] == '[' ? end_of_set(pattern, p) : std::string_view::npos;
      if (end != std::string_view::npos) {
        next = p;
        same = is_in_set(name[n], pattern, &next, end);
      } else {
        same = pattern[p] == '?' || pattern[p] == name[n];
      }
    }
    if (same) {
      ++n;
      p = next;
    } else if (star != std::string_view::npos) {
      p = star + 1;  // it takes one more
      n = ++star_n;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') {
    ++p;
  }
  return p == pattern.size();
}

std::vector<std::size_t> chosen_values(const std::string& key, const ValueNames& values) {
  const Group* group = find_group(key);
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < values.names.size(); ++i) {
    if (group != nullptr ? is_in(*group, i, values) : fits(values.names[i], key)) {
      chosen.push_back(i);
    }
  }
  return chosen;
}

std::vector<float> numbers_by_value(const std::vector<KnobEntry>& entries, float neutral,
                                    const ValueNames& values) {
  std::vector<std::pair<std::vector<std::size_t>, float>> chosen;
  for (const KnobEntry& entry : entries) {
    chosen.emplace_back(chosen_values(entry.name, values), static_cast<float>(entry.value));
  }
  std::stable_sort(chosen.begin(), chosen.end(),
                   [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  std::vector<float> numbers(values.names.size(), neutral);
  for (const auto& [members, number] : chosen) {
    for (const std::size_t value : members) {
      numbers[value] = number;
    }
  }
  return numbers;
}

MaybeRefusal check_knobs(const KnobSettings& s, const ValueNames& values) {
  if (auto refusal = check_entries("gain", s.gain, KnobSettings::kGain, values)) {
    return refusal;
  }
  if (auto refusal = check_entries("offset", s.offset, KnobSettings::kOffset, values)) {
    return refusal;
  }
  if (auto refusal = check_number("strength_lower", s.strength_lower, KnobSettings::kGain)) {
    return refusal;
  }
  if (auto refusal = check_number("strength_upper", s.strength_upper, KnobSettings::kGain)) {
    return refusal;
  }
  return check_number("smooth_ms", s.smooth_ms, KnobSettings::kSmoothMs);
}

KnobNumbers knob_numbers(const KnobSettings& s, const ValueNames& values) {
  KnobNumbers numbers = {numbers_by_value(s.gain, 1.0F, values),
                         numbers_by_value(s.offset, 0.0F, values)};
  for (const std::size_t value : chosen_values("lower", values)) {
    numbers.gain[value] *= static_cast<float>(s.strength_lower);
  }
  for (const std::size_t value : chosen_values("upper", values)) {
    numbers.gain[value] *= static_cast<float>(s.strength_upper);
  }
  return numbers;
}

}  // namespace dt
