#include "dt/wire/msgpack.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace {

using dt::MsgpackReader;
using Type = MsgpackReader::Type;

const MsgpackReader::Limits kLimits;

MsgpackReader::Value read_one(const std::string& bytes) {
  MsgpackReader reader(bytes, kLimits);
  MsgpackReader::Value value;
  EXPECT_TRUE(reader.read(&value)) << reader.error();
  EXPECT_TRUE(reader.at_end());
  return value;
}

std::string why_refused(const std::string& bytes) {
  MsgpackReader reader(bytes, kLimits);
  MsgpackReader::Value value;
  EXPECT_FALSE(reader.read(&value));
  EXPECT_FALSE(reader.read(&value)) << "a failed reader must stay failed";
  EXPECT_FALSE(reader.at_end());
  return reader.error() == nullptr ? "" : reader.error();
}

std::string bytes_of(std::initializer_list<int> list) {
  std::string out;
  for (const int byte : list) out += static_cast<char>(byte);
  return out;
}

TEST(Msgpack, ReadsWholeNumbersOfEveryWidth) {
  EXPECT_EQ(read_one(bytes_of({0x7F})).whole, 127u);
  EXPECT_EQ(read_one(bytes_of({0xCC, 0xFF})).whole, 255u);
  EXPECT_EQ(read_one(bytes_of({0xCD, 0x01, 0x2C})).whole, 300u);
  EXPECT_EQ(read_one(bytes_of({0xCE, 0, 1, 0x3D, 0xB5})).whole, 81333u);
  EXPECT_EQ(read_one(bytes_of({0xCF, 1, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF})).whole,
            0x0123456789ABCDEFu);
  EXPECT_EQ(read_one(bytes_of({0xFF})).negative, -1);
  EXPECT_EQ(read_one(bytes_of({0xE0})).negative, -32);
  EXPECT_EQ(read_one(bytes_of({0xD0, 0x80})).negative, -128);
  EXPECT_EQ(read_one(bytes_of({0xD1, 0xFF, 0x00})).negative, -256);
  EXPECT_EQ(read_one(bytes_of({0xD3, 0x80, 0, 0, 0, 0, 0, 0, 0})).negative,
            std::numeric_limits<std::int64_t>::min());
  const MsgpackReader::Value positive = read_one(bytes_of({0xD2, 0, 0, 0, 5}));
  EXPECT_EQ(positive.type, Type::kUnsigned);
  EXPECT_EQ(positive.whole, 5u);
}

TEST(Msgpack, ReadsTheOtherScalars) {
  EXPECT_EQ(read_one(bytes_of({0xC0})).type, Type::kNil);
  EXPECT_FALSE(read_one(bytes_of({0xC2})).boolean);
  EXPECT_TRUE(read_one(bytes_of({0xC3})).boolean);
  EXPECT_EQ(read_one(bytes_of({0xCA, 0x3E, 0x80, 0, 0})).number, 0.25);
  EXPECT_EQ(read_one(bytes_of({0xCB, 0x3F, 0xE0, 0, 0, 0, 0, 0, 0})).number, 0.5);
  EXPECT_EQ(read_one(bytes_of({0xA2, 'h', 'i'})).bytes, "hi");
  EXPECT_EQ(read_one(bytes_of({0xD9, 2, 'h', 'i'})).bytes, "hi");
  EXPECT_EQ(read_one(bytes_of({0xDB, 0, 0, 0, 1, 'x'})).bytes, "x");
  EXPECT_EQ(read_one(bytes_of({0xC4, 2, 0, 0xFF})).bytes.size(), 2u);
  EXPECT_EQ(read_one(bytes_of({0xC5, 0, 1, 9})).type, Type::kBinary);
  EXPECT_EQ(read_one(bytes_of({0xC6, 0, 0, 0, 1, 9})).type, Type::kBinary);
  EXPECT_EQ(read_one(bytes_of({0xC7, 0, 5})).type, Type::kExtension);
  EXPECT_EQ(read_one(bytes_of({0xC8, 0, 0, 5})).type, Type::kExtension);
}

TEST(Msgpack, BelievesNoLengthBeforeTheBytesAreThere) {
  EXPECT_EQ(why_refused(""), "the bytes end inside a value");
  EXPECT_EQ(why_refused(bytes_of({0xCD, 1})), "the bytes end inside a value");
  EXPECT_EQ(why_refused(bytes_of({0xA5, 'h', 'i'})), "the bytes end inside a value");
  EXPECT_EQ(why_refused(bytes_of({0xDB, 0xFF, 0xFF, 0xFF, 0xFF})), "a text is too long");
  EXPECT_EQ(why_refused(bytes_of({0xC6, 0xFF, 0xFF, 0xFF, 0xFF})), "a binary is too long");
  EXPECT_EQ(why_refused(bytes_of({0xDD, 0xFF, 0xFF, 0xFF, 0xFF})), "an array is too long");
  EXPECT_EQ(why_refused(bytes_of({0xDF, 0xFF, 0xFF, 0xFF, 0xFF})), "a map is too long");
  EXPECT_EQ(why_refused(bytes_of({0xC1})), "a byte that msgpack does not use");
  EXPECT_EQ(why_refused(bytes_of({0xD4, 1, 2})), "extension types are not part of the wire");
  EXPECT_EQ(why_refused(bytes_of({0xC9, 0, 0, 0, 1, 2, 3})),
            "extension types are not part of the wire");
}

TEST(Msgpack, SkipsWholeValues) {
  // {"a": [1, {"b": nil}], "c": 2.0} and then 7.
  const std::string bytes = bytes_of(
      {0x82, 0xA1, 'a', 0x92, 1, 0x81, 0xA1, 'b', 0xC0, 0xA1, 'c', 0xCA, 0x40, 0, 0, 0, 7});
  MsgpackReader reader(bytes, kLimits);
  MsgpackReader::Value value;
  EXPECT_TRUE(reader.skip());
  ASSERT_TRUE(reader.read(&value));
  EXPECT_EQ(value.whole, 7u);
  EXPECT_FALSE(reader.skip());

  const std::string nested(100, '\x91');
  MsgpackReader deep(nested, kLimits);
  EXPECT_FALSE(deep.skip());
  EXPECT_STREQ(deep.error(), "nested too deeply");
  const std::string number_key = bytes_of({0x81, 1, 2});
  MsgpackReader keyed(number_key, kLimits);
  EXPECT_FALSE(keyed.skip());
  EXPECT_STREQ(keyed.error(), "a map key is not text");
}

TEST(Msgpack, ChecksUtf8) {
  EXPECT_TRUE(dt::is_utf8(""));
  EXPECT_TRUE(dt::is_utf8("a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"));
  EXPECT_FALSE(dt::is_utf8("\x80"));
  EXPECT_FALSE(dt::is_utf8("\xC0\x80"));  // over-long
  EXPECT_FALSE(dt::is_utf8("\xE0\x80\x80"));
  EXPECT_FALSE(dt::is_utf8("\xED\xA0\x80"));      // a surrogate
  EXPECT_FALSE(dt::is_utf8("\xF4\x90\x80\x80"));  // past U+10FFFF
  EXPECT_FALSE(dt::is_utf8("\xF5\x80\x80\x80"));
  EXPECT_FALSE(dt::is_utf8("\xE2\x82"));
  EXPECT_FALSE(dt::is_utf8("\xE2\x28\xA1"));
  EXPECT_EQ(why_refused("\xA1\xFF"), "a text is not UTF-8");
}

}  // namespace
