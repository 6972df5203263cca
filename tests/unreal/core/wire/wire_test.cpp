#include "dt/wire/wire.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "wire_writer.h"

namespace {

using wire_writer::Parts;

std::string refusal(const Parts& parts) {
  dt::Message message;
  std::string why;
  EXPECT_FALSE(dt::decode(parts, &message, &why));
  EXPECT_FALSE(why.empty());
  EXPECT_EQ(why.find('\n'), std::string::npos);
  return why;
}

Parts with_payload(Parts parts, const std::string& payload) {
  parts[1] = payload;
  return parts;
}

TEST(Wire, ReadsTheFrameOfTheSpecification) {
  const unsigned char payload[] = {
      0x9c, 0x01, 0xa5, 0x66, 0x72, 0x61, 0x6d, 0x65, 0xcf, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab,
      0xcd, 0xef, 0xcd, 0x01, 0x2c, 0xcd, 0x01, 0x31, 0x3c, 0x01, 0xce, 0x00, 0x01, 0x3d, 0xb5,
      0xcd, 0x3e, 0x80, 0xcf, 0x00, 0x00, 0x04, 0x9f, 0x8e, 0x47, 0x11, 0x55, 0x00, 0x93, 0xca,
      0x3e, 0x80, 0x00, 0x00, 0xca, 0x00, 0x00, 0x00, 0x00, 0xca, 0x3f, 0x00, 0x00, 0x00};
  dt::Message message;
  std::string why;
  ASSERT_TRUE(dt::decode(
      {"dt/face/frame", std::string(reinterpret_cast<const char*>(payload), sizeof payload)},
      &message, &why))
      << why;
  EXPECT_EQ(message.kind, dt::Kind::kFrame);
  EXPECT_EQ(message.subject, "face");
  EXPECT_EQ(message.session, 0x0123456789abcdef);
  EXPECT_EQ(message.frame.sequence, 300);
  EXPECT_EQ(message.frame.index, 305);
  EXPECT_EQ(message.frame.rate_num, 60);
  EXPECT_EQ(message.frame.position_samples, 81333);
  EXPECT_EQ(message.frame.audio_rate_hz, 16000);
  EXPECT_EQ(message.frame.capture_ns, 5083333333333);
  EXPECT_EQ(message.frame.values, (std::vector<float>{0.25f, 0.0f, 0.5f}));
}

TEST(Wire, ReadsSchemaAndBye) {
  dt::Message message;
  std::string why;
  ASSERT_TRUE(dt::decode(wire_writer::schema("Änna", 9, {"jawOpen", "tongueOut"}), &message, &why))
      << why;
  EXPECT_EQ(message.kind, dt::Kind::kSchema);
  EXPECT_EQ(message.subject, "Änna");
  EXPECT_EQ(message.session, 9);
  EXPECT_EQ(message.schema.curves, (std::vector<std::string>{"jawOpen", "tongueOut"}));
  EXPECT_EQ(message.schema.model, "test");
  EXPECT_EQ(message.schema.lookahead_ms, 59.2);
  EXPECT_EQ(message.schema.start_unix_ns, 6);
  ASSERT_TRUE(dt::decode(wire_writer::bye("A", 9, 672, "end of the audio"), &message, &why)) << why;
  EXPECT_EQ(message.kind, dt::Kind::kBye);
  EXPECT_EQ(message.bye.frames, 672);
  EXPECT_EQ(message.bye.reason, "end of the audio");
}

TEST(Wire, ReadsAudio) {
  dt::Message message;
  std::string why;
  wire_writer::AudioFields fields;
  fields.session = 9;
  fields.sequence = 3;
  fields.position = 2880;
  ASSERT_TRUE(dt::decode(wire_writer::audio(fields), &message, &why)) << why;
  EXPECT_EQ(message.kind, dt::Kind::kAudio);
  EXPECT_EQ(message.session, 9);
  EXPECT_EQ(message.audio.sequence, 3);
  EXPECT_EQ(message.audio.position_samples, 2880);
  EXPECT_EQ(message.audio.audio_rate_hz, 48000);
  EXPECT_EQ(message.audio.capture_ns, 1'000'000'000);
  EXPECT_EQ(message.audio.samples, (std::vector<std::int16_t>{1, 32767, -32768}));
  fields.samples.assign(dt::kMaxAudioBytes, '\0');
  EXPECT_TRUE(dt::decode(wire_writer::audio(fields), &message, &why)) << why;
  EXPECT_EQ(message.audio.samples.size(), dt::kMaxAudioBytes / 2);

  for (const std::size_t size : {std::size_t{0}, std::size_t{3}}) {
    fields.samples.assign(size, 'x');
    EXPECT_EQ(refusal(wire_writer::audio(fields)), "samples: expected an even number of bytes");
  }
  fields.samples.assign(dt::kMaxAudioBytes + 2, 'x');
  EXPECT_EQ(refusal(wire_writer::audio(fields)), "samples: a binary is too long");
  // Elsewhere so long a binary has no business.
  Parts bye = wire_writer::bye("Face", 9, 1, "x");
  bye[1].replace(0, 3, wire_writer::array(6));
  bye[1] += wire_writer::binary(std::string(300, 'x'));
  EXPECT_EQ(refusal(bye), "payload: a binary is too long");

  ASSERT_TRUE(dt::decode(wire_writer::schema("A", 9, {"jawOpen"}, "s16le"), &message, &why)) << why;
  EXPECT_EQ(message.schema.audio_format, "s16le");
  ASSERT_TRUE(dt::decode(wire_writer::schema("A", 9, {"jawOpen"}), &message, &why)) << why;
  EXPECT_EQ(message.schema.audio_format, "");
}

TEST(Wire, PassesOverWhatLaterVersionsMayAdd) {
  dt::Message message;
  std::string why;
  EXPECT_TRUE(dt::decode({"dt/Face/later", "anything"}, &message, &why));
  EXPECT_EQ(message.kind, dt::Kind::kUnknown);

  Parts bye = wire_writer::bye("Face", 9, 1, "x");
  bye[1].replace(0, 3, wire_writer::array(7));
  bye[1] += wire_writer::map(1) + wire_writer::text("later") + wire_writer::whole(1) + "\xC0";
  EXPECT_TRUE(dt::decode(bye, &message, &why)) << why;

  Parts schema = wire_writer::schema("Face", 9, {"jawOpen"});
  const std::string head = wire_writer::map(10);
  schema[1].replace(schema[1].find(head), head.size(), wire_writer::map(11));
  schema[1] += wire_writer::text("later") + wire_writer::array(1) + "\xC3";
  EXPECT_TRUE(dt::decode(schema, &message, &why)) << why;
}

TEST(Wire, RefusesBadTopics) {
  const std::string payload = wire_writer::bye("A", 9, 1, "x")[1];
  for (const char* topic :
       {"", "dt", "dt/", "dt/A", "dt//bye", "xx/A/bye", "dt/A/B/bye", "dt/\x01/bye", "dt/\x7F/bye",
        "dt/\xC2\x85/bye", "dt/\xFF/bye", "dt/A/\xFF"}) {
    EXPECT_NE(refusal({topic, payload}).find("topic"), std::string::npos) << topic;
  }
  refusal({"dt/" + std::string(129, 'x') + "/bye", payload});
  refusal({});
  refusal({"dt/A/bye"});
  EXPECT_EQ(refusal({"dt/A/bye", payload, ""}), "expected 2 parts (topic, payload), got 3");
}

TEST(Wire, RefusesBadPayloads) {
  const Parts good = wire_writer::bye("A", 9, 1, "x");
  refusal(with_payload(good, ""));
  refusal(with_payload(good, wire_writer::whole(1)));
  refusal(with_payload(good, wire_writer::array(0)));
  refusal(with_payload(good, std::string(65537, '\xC0')));
  EXPECT_EQ(refusal(with_payload(good, good[1] + "\x01")), "payload: 1 bytes too many");
  EXPECT_NE(refusal(with_payload(good, wire_writer::array(5) + wire_writer::whole(2)))
                .find("wire version: expected 1, got 2"),
            std::string::npos);
  refusal(with_payload(good, wire_writer::array(5) + "\xC3"));
  refusal(with_payload(good, wire_writer::array(4) + wire_writer::whole(1)));
  refusal(with_payload(good, wire_writer::array(22) + wire_writer::whole(1)));
  EXPECT_EQ(refusal({"dt/A/frame", wire_writer::array(12) + good[1].substr(3)}),
            "kind: topic and payload disagree");
  refusal(wire_writer::bye("A", 0, 1, "x"));
  refusal(wire_writer::bye("A", std::uint64_t{1} << 63, 1, "x"));
  refusal(wire_writer::bye("A", 9, 1, std::string(257, 'x')));
}

TEST(Wire, RefusesBadFrames) {
  wire_writer::FrameFields fields;
  for (const float bad : {std::nanf(""), INFINITY, -INFINITY}) {
    fields.values = {0.0f, bad};
    EXPECT_EQ(refusal(wire_writer::frame(fields)), "a curve: expected a finite float");
  }
  fields.values.clear();
  refusal(wire_writer::frame(fields));
  fields.values.assign(257, 0.5f);
  refusal(wire_writer::frame(fields));
  fields.values.assign(256, 0.5f);
  dt::Message message;
  std::string why;
  EXPECT_TRUE(dt::decode(wire_writer::frame(fields), &message, &why)) << why;
  fields.flags = std::uint64_t{1} << 32;
  refusal(wire_writer::frame(fields));
  fields.flags = 0;
  fields.sequence = ~std::uint64_t{0};
  refusal(wire_writer::frame(fields));
  // Every cut of a good frame is refused, and none is read past its end.
  fields.sequence = 3;
  fields.values = {0.5f};
  const Parts good = wire_writer::frame(fields);
  for (std::size_t size = 0; size < good[1].size(); ++size) {
    refusal(with_payload(good, good[1].substr(0, size)));
  }
}

TEST(Wire, RefusesBadSchemas) {
  refusal(wire_writer::schema("A", 9, {}));
  refusal(wire_writer::schema("A", 9, {"x", "x"}));
  refusal(wire_writer::schema("A", 9, {""}));
  refusal(wire_writer::schema("A", 9, {std::string(257, 'x')}));
  Parts other = wire_writer::schema("A", 9, {"x"});
  other[0] = "dt/B/schema";
  EXPECT_EQ(refusal(other), "schema subject: expected the topic's subject");
  const Parts good = wire_writer::schema("A", 9, {"x"});
  for (std::size_t size = 0; size < good[1].size(); ++size) {
    refusal(with_payload(good, good[1].substr(0, size)));
  }
  // Each key spelt wrongly is a missing key; text for a number is a wrong type.
  for (const char* key : {"curves", "rate_num", "model_version", "start_unix_ns"}) {
    Parts bad = good;
    bad[1][bad[1].find(key)] = 'X';
    EXPECT_EQ(refusal(bad), "schema: expected every key; one is missing") << key;
  }
  refusal({"dt/A/schema", wire_writer::array(4) + wire_writer::whole(1) +
                              wire_writer::text("schema") + wire_writer::whole(9) +
                              wire_writer::whole(1)});
  refusal({"dt/A/schema", wire_writer::array(4) + wire_writer::whole(1) +
                              wire_writer::text("schema") + wire_writer::whole(9) +
                              wire_writer::map(1) + wire_writer::whole(1) + wire_writer::whole(1)});
}

TEST(Wire, KnowsSubjectsAndSubscriptions) {
  EXPECT_TRUE(dt::is_subject("Anna 2"));
  EXPECT_TRUE(dt::is_subject(std::string(128, 'x')));
  EXPECT_FALSE(dt::is_subject(""));
  EXPECT_FALSE(dt::is_subject(std::string(129, 'x')));
  EXPECT_FALSE(dt::is_subject("a/b"));
  EXPECT_EQ(dt::subscription(""), "dt/");
  EXPECT_EQ(dt::subscription("Anna"), "dt/Anna/");
}

}  // namespace
