#include "model_file.h"

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include "dt/options.h"

namespace dt_digest {
namespace {

std::vector<char> read_bytes(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");  // WASI's C++ library has no files of its own
  if (file == nullptr) {
    stop(path + ": cannot be read");
  }
  std::vector<char> bytes;
  char part[65536];
  for (std::size_t count; (count = std::fread(part, 1, sizeof part, file)) > 0;) {
    bytes.insert(bytes.end(), part, part + count);
  }
  std::fclose(file);
  return bytes;
}

// By name, the words behind it. A setting that is read is taken out, so that what is left over is
// one that this build does not know.
using Settings = std::map<std::string, std::vector<std::string>>;

void parse(const std::string& word, std::int64_t* value) {
  *value = std::strtoll(word.c_str(), nullptr, 10);
}
void parse(const std::string& word, bool* value) { *value = word == "1"; }
// Written in base 16, which has one right reading.
void parse(const std::string& word, double* value) { *value = std::strtod(word.c_str(), nullptr); }
void parse(const std::string& word, float* value) { *value = std::strtof(word.c_str(), nullptr); }
void parse(const std::string& word, std::string* value) { *value = word; }

template <typename T>
void take(Settings& settings, const std::string& name, std::vector<T>* values) {
  values->clear();
  for (const std::string& word : settings[name]) {
    T value{};
    parse(word, &value);
    values->push_back(value);
  }
  settings.erase(name);
}

template <typename Options>
void take_each(Settings& settings, const std::string& prefix, Options* options);

void take(Settings& settings, const std::string& name, dt::GateOptions* gate) {
  take_each(settings, name + ".", gate);
}
void take(Settings& settings, const std::string& name, dt::IdleOptions* idle) {
  take_each(settings, name + ".", idle);
}
void take(Settings& settings, const std::string& name, std::optional<dt::ContextConfig>* context) {
  if (settings.count(name + ".width") != 0) {
    take_each(settings, name + ".", &context->emplace());
  }
}
void take(Settings& settings, const std::string& name, std::vector<dt::CurveOptions>* curves) {
  for (std::size_t c = 0; settings.count(name + "." + std::to_string(c) + ".gain") != 0; ++c) {
    curves->emplace_back();
    take_each(settings, name + "." + std::to_string(c) + ".", &curves->back());
  }
}
template <typename T>
void take(Settings& settings, const std::string& name, T* value) {
  std::vector<T> values;
  take(settings, name, &values);
  if (values.size() == 1) {
    *value = values[0];
  }
}

template <typename Options>
void take_each(Settings& settings, const std::string& prefix, Options* options) {
  Options::each([&](const char* name, auto member, auto... /*range*/) {
    take(settings, prefix + name, &(options->*member));
  });
}

}  // namespace

void stop(const std::string& why) {
  std::fprintf(stderr, "dt_digest: %s\n", why.c_str());
  std::exit(2);
}

// Lines of words up to the line "end"; a tensor's is "tensor NAME f32|i8 SIZE...". Behind them,
// each at a multiple of 8 bytes, the tensors in the order of their lines.
ModelFile::ModelFile(const std::string& path) {
  const std::vector<char> bytes = read_bytes(path);
  storage_.resize(bytes.size() / 8 + 1);
  std::memcpy(storage_.data(), bytes.data(), bytes.size());
  std::istringstream text(std::string(bytes.begin(), bytes.end()));

  struct Stored {
    std::string name;
    bool floats;
    std::vector<std::int64_t> shape;
  };
  std::vector<Stored> stored;
  Settings settings;
  std::string line;
  while (std::getline(text, line) && line != "end") {
    std::istringstream words(line);
    std::string name, type;
    words >> name;
    if (name != "tensor") {
      settings[name] = {std::istream_iterator<std::string>(words), {}};
      continue;
    }
    words >> name >> type;
    stored.push_back({name, type == "f32", {std::istream_iterator<std::int64_t>(words), {}}});
  }
  take_each(settings, "", &config_);
  if (!settings.empty()) {
    stop(path + ": no setting " + settings.begin()->first + " in this build");
  }
  auto at = static_cast<std::size_t>(text.tellg());
  for (Stored& tensor : stored) {
    at = (at + 7) / 8 * 8;
    std::size_t size = tensor.floats ? sizeof(float) : 1;
    for (const std::int64_t extent : tensor.shape) {
      size *= static_cast<std::size_t>(extent);
    }
    if (at + size > bytes.size()) {
      stop(path + ": ends within tensor " + tensor.name);
    }
    const auto* start = reinterpret_cast<const char*>(storage_.data()) + at;
    dt::TensorView view{std::move(tensor.shape)};
    if (tensor.floats) {
      view.data = reinterpret_cast<const float*>(start);
    } else {
      view.values = reinterpret_cast<const std::int8_t*>(start);
    }
    (tensor.name == "identity_features" ? identity_features_ : tensors_[tensor.name]) = view;
    at += size;
  }
}

std::shared_ptr<const dt::Model> ModelFile::build(const std::string& kernel) const {
  dt::ModelConfig config = config_;
  config.kernel = kernel;
  return std::make_shared<const dt::Model>(config, tensors_, identity_features_);
}

std::vector<float> read_floats(const std::string& path) {
  const std::vector<char> bytes = read_bytes(path);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

}  // namespace dt_digest
