// Writes messages of the wire for the tests, right ones and wrong ones.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace wire_writer {

inline void big_endian(std::string* out, std::uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) *out += static_cast<char>(value >> (8 * i));
}

inline std::string whole(std::uint64_t value) {
  std::string out;
  if (value < 0x80) {
    out += static_cast<char>(value);
  } else {
    out += '\xCF';
    big_endian(&out, value, 8);
  }
  return out;
}

inline std::string text(const std::string& value) {
  std::string out = "\xDA";
  big_endian(&out, value.size(), 2);
  return out + value;
}

inline std::string number(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  std::string out = "\xCA";
  big_endian(&out, bits, 4);
  return out;
}

inline std::string number64(double value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  std::string out = "\xCB";
  big_endian(&out, bits, 8);
  return out;
}

inline std::string binary(const std::string& value) {
  std::string out = "\xC5";
  big_endian(&out, value.size(), 2);
  return out + value;
}

inline std::string array(std::size_t count) {
  std::string out = "\xDC";
  big_endian(&out, count, 2);
  return out;
}

inline std::string map(std::size_t count) {
  std::string out = "\xDE";
  big_endian(&out, count, 2);
  return out;
}

using Parts = std::vector<std::string>;

struct FrameFields {
  std::string subject = "Face";
  std::uint64_t session = 7;
  std::uint64_t sequence = 0;
  std::uint64_t index = 0;
  std::uint64_t capture_ns = 1'000'000'000;
  std::uint64_t flags = 0;
  std::vector<float> values = {0.25f, 0.0f, 0.5f};
};

inline Parts frame(const FrameFields& fields) {
  std::string out = array(12) + whole(1) + text("frame") + whole(fields.session) +
                    whole(fields.sequence) + whole(fields.index) + whole(60) + whole(1) +
                    whole(fields.index * 800) + whole(48000) + whole(fields.capture_ns) +
                    whole(fields.flags) + array(fields.values.size());
  for (const float value : fields.values) out += number(value);
  return {"dt/" + fields.subject + "/frame", out};
}

inline Parts schema(const std::string& subject, std::uint64_t session,
                    const std::vector<std::string>& curves, const std::string& audio_format = "") {
  std::string names = array(curves.size());
  for (const std::string& name : curves) names += text(name);
  return {"dt/" + subject + "/schema",
          array(4) + whole(1) + text("schema") + whole(session) +
              map(audio_format.empty() ? 10 : 11) + text("subject") + text(subject) +
              text("curves") + names + text("rate_num") + whole(60) + text("rate_den") + whole(1) +
              text("model") + text("test") + text("model_version") + text("") +
              text("lookahead_ms") + number64(59.2) + text("audio_rate") + whole(48000) +
              text("start_ns") + whole(5) + text("start_unix_ns") + whole(6) +
              (audio_format.empty() ? "" : text("audio_format") + text(audio_format))};
}

struct AudioFields {
  std::uint64_t session = 7;
  std::uint64_t sequence = 0;
  std::uint64_t position = 0;
  std::uint64_t capture_ns = 1'000'000'000;
  std::string samples = std::string("\x01\x00\xFF\x7F\x00\x80", 6);
};

inline Parts audio(const AudioFields& fields) {
  return {"dt/Face/audio", array(8) + whole(1) + text("audio") + whole(fields.session) +
                               whole(fields.sequence) + whole(fields.position) + whole(48000) +
                               whole(fields.capture_ns) + binary(fields.samples)};
}

inline Parts bye(const std::string& subject, std::uint64_t session, std::uint64_t frames,
                 const std::string& reason) {
  return {"dt/" + subject + "/bye",
          array(5) + whole(1) + text("bye") + whole(session) + whole(frames) + text(reason)};
}

// The peer's side of ZMTP 3.0.

inline std::string greeting(const std::string& mechanism = "NULL", char major = 3) {
  std::string out = "\xFF";
  out.append(8, '\0');
  out += '\x7F';
  out += major;
  out += '\0';
  out += mechanism;
  out.resize(64, '\0');
  return out;
}

inline std::string zmtp_frame(unsigned flags, const std::string& body) {
  std::string out(1, static_cast<char>(flags | (body.size() > 255 ? 2u : 0u)));
  big_endian(&out, body.size(), body.size() > 255 ? 8 : 1);
  return out + body;
}

inline std::string ready(const std::string& socket_type = "XPUB") {
  std::string body = "\x05READY\x0BSocket-Type";
  big_endian(&body, socket_type.size(), 4);
  return zmtp_frame(4, body + socket_type);
}

inline std::string message(const Parts& parts) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    out += zmtp_frame(i + 1 < parts.size() ? 1 : 0, parts[i]);
  }
  return out;
}

}  // namespace wire_writer
