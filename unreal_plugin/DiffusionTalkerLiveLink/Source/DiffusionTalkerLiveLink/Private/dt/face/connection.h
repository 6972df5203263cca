// What a source connects to, and its form as text: Live Link keeps sources in presets as
// `endpoint=tcp://127.0.0.1:5560;subject=Anna;gains=softlips;delayms=40`.
#pragma once

#include <string>
#include <string_view>

#include "dt/wire/curve_names.h"

namespace dt {

struct Connection {
  static constexpr int kMaxDelayMs = 2000;

  std::string endpoint = "tcp://127.0.0.1:5560";
  std::string keys;     // a receiver's folder of keys (net/curve.h); empty: in clear
  std::string subject;  // empty: every subject that the publisher has
  GainPreset gains = GainPreset::kAsReceived;
  int delay_ms = 0;  // frames are shown this much later
};

// Reads the text form; keys may be missing and come in any order; in a value `%3B` stands for `;`
// and `%25` for `%`. False, with the reason, if something cannot be used.
bool parse_connection(std::string_view text, Connection* connection, std::string* why);

// The text form, with every key.
std::string to_text(const Connection& connection);

}  // namespace dt
