// What tests of the TensorRT backend on stand-ins share: engines as files, and how they are
// refused.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "dt/backend.h"
#include "dt/model.h"
#include "standin/standin.h"

namespace dt_test {

// `Opened` is what opens an engine: of a model, its options and a number of voices.
template <typename Opened>
class EngineTest : public testing::Test {
 protected:
  void TearDown() override {
    for (const std::string& file : files_) {
      std::remove(file.c_str());
    }
  }

  // The stand-ins as new, and the backend's options without an engine.
  void begin() {
    standin::control() = {};
    options_ = dt::BackendOptions("tensorrt");
    options_.plugin = PLUGIN_FILE;
    options_.library = NVINFER_FILE;
  }

  // A port a line; see standin/nvinfer.cpp.
  std::string write_engine(const std::vector<std::string>& lines, bool whole = true) {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    files_.push_back(testing::TempDir() + test->test_suite_name() + test->name() +
                     std::to_string(files_.size()) + ".engine");
    std::ofstream file(files_.back());
    file << "standin engine\n";
    for (const std::string& line : lines) {
      file << line << "\n";
    }
    file << (whole ? "end\n" : "");
    return files_.back();
  }

  // The sentence with which an engine is refused.
  std::string refusal(std::int64_t voices = 1) {
    try {
      const Opened opened(model_, options_, voices);
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "not refused";
  }

  void expect_refusal(const std::vector<std::string>& words, std::int64_t voices = 1) {
    const std::string text = refusal(voices);
    for (const std::string& word : words) {
      EXPECT_NE(text.find(word), std::string::npos) << "no '" << word << "' in: " << text;
    }
  }

  std::shared_ptr<const dt::Model> model_;
  dt::BackendOptions options_;
  std::vector<std::string> files_;
};

}  // namespace dt_test
