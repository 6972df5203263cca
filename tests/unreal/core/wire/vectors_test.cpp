// The reader here and the reader in Python must agree, on good messages and on mutilated ones.
#include <gtest/gtest.h>

#include <cstdio>

#include "dt/wire/wire.h"
#include "sender.h"

namespace {

std::string from_hex(const std::string& hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return out;
}

std::string to_hex(const std::string& bytes) {
  std::string out;
  for (const char byte : bytes) {
    char text[3];
    std::snprintf(text, sizeof text, "%02x", static_cast<unsigned char>(byte));
    out += text;
  }
  return out;
}

std::vector<std::string> words(const std::string& line) {
  std::vector<std::string> out(1);
  for (const char c : line) {
    if (c == ' ') {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

std::vector<std::string> verdict(const std::vector<std::string>& parts, bool* unknown_kind) {
  dt::Message message;
  std::string why;
  if (!dt::decode(parts, &message, &why)) return {"-"};
  std::vector<std::string> out;
  const auto whole = [&out](std::int64_t value) { out.push_back(std::to_string(value)); };
  *unknown_kind = message.kind == dt::Kind::kUnknown;
  if (message.kind == dt::Kind::kFrame) {
    out.push_back("frame");
    const dt::Frame& frame = message.frame;
    for (const std::int64_t value :
         {message.session, frame.sequence, frame.index, std::int64_t{frame.rate_num},
          std::int64_t{frame.rate_den}, frame.position_samples, std::int64_t{frame.audio_rate_hz},
          frame.capture_ns, std::int64_t{frame.flags}}) {
      whole(value);
    }
  } else if (message.kind == dt::Kind::kSchema) {
    out.push_back("schema");
    const dt::Schema& schema = message.schema;
    for (const std::int64_t value :
         {message.session, std::int64_t{schema.rate_num}, std::int64_t{schema.rate_den},
          std::int64_t{schema.audio_rate_hz}, schema.start_ns, schema.start_unix_ns,
          static_cast<std::int64_t>(schema.curves.size())}) {
      whole(value);
    }
    out.push_back("x" + to_hex(schema.audio_format));
  } else if (message.kind == dt::Kind::kAudio) {
    out.push_back("audio");
    const dt::Audio& audio = message.audio;
    for (const std::int64_t value : {message.session, audio.sequence, audio.position_samples,
                                     std::int64_t{audio.audio_rate_hz}, audio.capture_ns}) {
      whole(value);
    }
    std::string bytes;
    for (const std::int16_t sample : audio.samples) {
      bytes += static_cast<char>(sample & 0xFF);
      bytes += static_cast<char>((sample >> 8) & 0xFF);
    }
    out.push_back(to_hex(bytes));
  } else if (message.kind == dt::Kind::kBye) {
    out.push_back("bye");
    whole(message.session);
    whole(message.bye.frames);
    out.push_back(to_hex(message.bye.reason));
  }
  return out;
}

TEST(Vectors, BothReadersAgree) {
  Process process({TEST_PYTHON, TEST_DIR "/wire_vectors.py"});
  int count = 0;
  int refused = 0;
  for (std::string line = process.line(60000); !line.empty(); line = process.line(60000), ++count) {
    std::vector<std::string> fields = words(line);
    ASSERT_GE(fields.size(), 3u);
    const std::vector<std::string> parts = {from_hex(fields[0]), from_hex(fields[1])};
    std::vector<std::string> expected(fields.begin() + 2, fields.end());
    bool unknown_kind = false;
    std::vector<std::string> got = verdict(parts, &unknown_kind);
    // The sender's reader refuses kinds that it does not know; a receiver passes them over.
    if (unknown_kind) {
      EXPECT_EQ(expected[0], "-");
      continue;
    }
    refused += expected[0] == "-";
    if (expected[0] == "frame") {
      dt::Message message;
      std::string why;
      ASSERT_TRUE(dt::decode(parts, &message, &why)) << why << "\n" << line;
      ASSERT_EQ(expected.size(), 10 + message.frame.values.size()) << line;
      for (std::size_t i = 0; i < message.frame.values.size(); ++i) {
        EXPECT_EQ(message.frame.values[i],
                  static_cast<float>(std::strtod(expected[10 + i].c_str(), nullptr)));
      }
      expected.resize(10);
    }
    ASSERT_EQ(got, expected) << line;
  }
  EXPECT_EQ(count, 20000);
  EXPECT_GT(refused, 1000);
  EXPECT_LT(refused, 19000);
}

}  // namespace
