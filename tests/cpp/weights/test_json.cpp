// A document is what nlohmann-json's own parser makes of the text, and goes without asking for
// memory.
#include "weights/bundle/json.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <optional>
#include <string>

#include "allocations.h"

namespace dt {
namespace {

const std::string kNested =
    R"({"a": [1, -2, 2.5e3, true, false, null, "t\u00e9\n"], "b": {"c": {"d": [[], {}, [{}]]}},)"
    R"( "": 18446744073709551615, "z": [[[["deep"]]], {"k": [0]}]})";

TEST(JsonDocument, IsWhatTheLibraryReads) {
  for (const std::string& text :
       {kNested, std::string("1"), std::string("\"text\""), std::string("[]"), std::string("{}"),
        std::string(" [ 1 , [ 2 ] ]\n"), std::string(R"({"a": 1, "a": [1, [2]], "b": 3, "a": {}})"),
        std::string(R"({"a": {"x": [1, 2, {"y": 3}]}, "a": {"x": [4]}})"),
        std::string(R"([{"a": [[[[1]]]], "a": [[[[[2]]]]]}, 5])")}) {
    JsonDocument document;
    std::string fault;
    EXPECT_TRUE(document.parse(text, &fault)) << text << fault;
    EXPECT_EQ(document.root(), Json::parse(text)) << text;
  }
}

TEST(JsonDocument, SaysWhereATextEndsToBeOne) {
  for (std::size_t size = 0; size < kNested.size(); ++size) {
    JsonDocument document;
    std::string fault;
    EXPECT_FALSE(document.parse(kNested.substr(0, size), &fault)) << size;
    EXPECT_EQ(fault.substr(fault.find(" of ")), " of " + std::to_string(size));
  }
  JsonDocument document;
  std::string fault;
  EXPECT_FALSE(document.parse("[1, 2] 3", &fault));
  EXPECT_EQ(fault, "byte 8 of 8");
  JsonDocument infinite;
  EXPECT_FALSE(infinite.parse("[1e999]", &fault));
}

TEST(JsonDocument, GoesWithoutAskingForMemory) {
  const std::string deep(100000, '[');
  for (const std::string& text :
       {kNested, kNested.substr(0, kNested.size() / 2), deep + std::string(deep.size(), ']'), deep,
        std::string(R"({"a": [1, [2, {"b": [3]}]], "a": 1, "c": [[[)")}) {
    std::optional<JsonDocument> document;
    document.emplace();
    std::string fault;
    document->parse(text, &fault);
    const dt_test::FailingAllocation failing(0, dt_test::Failing::kAllFromThere);
    document.reset();
    EXPECT_FALSE(failing.failed());
  }
}

}  // namespace
}  // namespace dt
