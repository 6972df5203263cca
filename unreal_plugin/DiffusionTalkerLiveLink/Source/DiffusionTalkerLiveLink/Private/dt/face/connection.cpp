#include "dt/face/connection.h"

#include <cstddef>
#include <initializer_list>

#include "dt/net/curve.h"
#include "dt/net/tcp_socket.h"
#include "dt/wire/wire.h"

namespace dt {

namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::string escaped(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == ';') {
      out += "%3B";
    } else if (c == '%') {
      out += "%25";
    } else {
      out += c;
    }
  }
  return out;
}

std::string unescaped(std::string_view value) {
  std::string out;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const std::string_view code = value.substr(i, 3);
    const bool known = same_name(code, "%3B") || code == "%25";
    out += !known ? value[i] : code == "%25" ? '%' : ';';
    if (known) i += 2;
  }
  return out;
}

const char* gains_text(GainPreset preset) {
  return preset == GainPreset::kSoftLips ? "softlips" : "asreceived";
}

bool parse_gains(std::string_view text, GainPreset* gains) {
  for (const GainPreset preset : {GainPreset::kAsReceived, GainPreset::kSoftLips}) {
    if (!same_name(text, gains_text(preset))) continue;
    *gains = preset;
    return true;
  }
  return false;
}

bool parse_delay(const std::string& text, int* delay_ms) {
  int value = 0;
  if (text.empty()) return false;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') return false;
    value = value * 10 + (digit - '0');
    if (value > Connection::kMaxDelayMs) return false;
  }
  *delay_ms = value;
  return true;
}

}  // namespace

bool parse_connection(std::string_view text, Connection* connection, std::string* why) {
  *connection = Connection();
  while (!text.empty()) {
    const std::string_view part = trimmed(text.substr(0, text.find(';')));
    text.remove_prefix(text.find(';') == text.npos ? text.size() : text.find(';') + 1);
    if (part.empty()) continue;
    const std::size_t equals = part.find('=');
    if (equals == part.npos) {
      *why = "\"" + std::string(part) + "\": expected KEY=VALUE";
      return false;
    }
    const std::string_view key = trimmed(part.substr(0, equals));
    const std::string value = unescaped(trimmed(part.substr(equals + 1)));
    if (same_name(key, "endpoint")) {
      connection->endpoint = value;
    } else if (same_name(key, "keys")) {
      connection->keys = value;
    } else if (same_name(key, "subject")) {
      connection->subject = value;
    } else if (same_name(key, "gains")) {
      if (!parse_gains(value, &connection->gains)) {
        *why = "gains \"" + value + "\": expected asreceived or softlips";
        return false;
      }
    } else if (same_name(key, "delayms")) {
      if (!parse_delay(value, &connection->delay_ms)) {
        *why = "delayms \"" + value + "\": expected milliseconds from 0 to " +
               std::to_string(Connection::kMaxDelayMs);
        return false;
      }
    } else {
      *why = "\"" + std::string(key) + "\": expected endpoint, keys, subject, gains or delayms";
      return false;
    }
  }
  if (!connection->subject.empty() && !is_subject(connection->subject)) {
    *why = "subject: expected 1 to 128 bytes of printable UTF-8 without '/'";
    return false;
  }
  if (!connection->keys.empty() && !curve_built()) {
    *why =
        "keys: this plugin was built without CURVE (docs/security.md: put TweetNaCl beside it); "
        "or leave them out and use a tunnel";
    return false;
  }
  Endpoint endpoint;
  return parse_endpoint(connection->endpoint, &endpoint, why);
}

std::string to_text(const Connection& connection) {
  const std::string keys = connection.keys.empty() ? "" : ";keys=" + escaped(connection.keys);
  return "endpoint=" + escaped(connection.endpoint) + keys +
         ";subject=" + escaped(connection.subject) + ";gains=" + gains_text(connection.gains) +
         ";delayms=" + std::to_string(connection.delay_ms);
}

}  // namespace dt
