// What a caller says of the knobs, by name, and what it comes to for each value of a frame.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "dt/options.h"
#include "dt/refusal.h"

namespace dt {

// A number for a group of curves, a curve or a pattern.
struct KnobEntry {
  std::string name;
  double value;
};

struct KnobSettings {
  std::vector<KnobEntry> gain, offset;
  double strength_lower = 1.0;  // gain of the group "lower", beside `gain`
  double strength_upper = 1.0;  // gain of the group "upper"
  double smooth_ms = 0.0;

  static constexpr Range kGain{0.0, 10.0}, kOffset{-1.0, 1.0}, kSmoothMs{0.0, 1000.0};
};

// The names of a frame's values: the curves, and the head's where there is one.
struct ValueNames {
  std::vector<std::string> names;
  std::size_t curves;  // how many of them
};

// The groups, in the order in which they are proposed.
std::vector<std::string> group_names();

// Whether a name fits a pattern of the shell's kind, case counting: *, ?, [abc], [a-c], [!abc].
bool fits(std::string_view name, std::string_view pattern);

// The values that a group, a name or a pattern means; none for what is no such thing.
std::vector<std::size_t> chosen_values(const std::string& key, const ValueNames& values);

// One number a value: of entries that mean the same value the one that means the fewest counts, of
// equals the last.
std::vector<float> numbers_by_value(const std::vector<KnobEntry>& entries, float neutral,
                                    const ValueNames& values);

// What is wrong with the settings: a name or a number that cannot be.
MaybeRefusal check_knobs(const KnobSettings& settings, const ValueNames& values);

// gain and offset of each value, of settings that are right.
struct KnobNumbers {
  std::vector<float> gain, offset;
};
KnobNumbers knob_numbers(const KnobSettings& settings, const ValueNames& values);

}  // namespace dt
