#include "dt/bundle.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include "arithmetic/rounding.h"
#include "refusal/text_stream.h"
#include "weights/bundle/json.h"
#include "weights/bundle/manifest.h"
#include "weights/bundle/safetensors.h"
#include "weights/bundle/sha256.h"
#include "weights/bundle/tar.h"
#include "weights/tensors.h"

#if defined(_WIN32)
#include <filesystem>
#endif

namespace dt {
namespace {

constexpr const char* kManifestFile = "manifest.json";
constexpr const char* kWeightsFile = "weights.safetensors";
// Of a file: what is larger is no bundle.
constexpr std::size_t kMostBytes = std::size_t{1} << 30U;
constexpr std::size_t kMostManifestBytes = std::size_t{1} << 22U;
constexpr std::int64_t kIdentitySize = 32;

enum class Found { kYes, kNo, kTooLarge };

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// All of a file's bytes.
Found read_file(const std::string& path, std::size_t most, std::vector<char>* bytes) {
#if defined(_WIN32)
  const std::unique_ptr<std::FILE, CloseFile> file(
      _wfopen(std::filesystem::u8path(path).c_str(), L"rb"));
#else
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "rb"));
#endif
  if (file == nullptr) {
    return Found::kNo;
  }
  std::array<char, 65536> part;
  Found found = Found::kYes;
  for (std::size_t read = 0; (read = std::fread(part.data(), 1, part.size(), file.get())) > 0;) {
    if (bytes->size() + read > most) {
      found = Found::kTooLarge;
      break;
    }
    bytes->insert(bytes->end(), part.data(), part.data() + read);
  }
  return std::ferror(file.get()) != 0 ? Found::kNo : found;
}

float from_float16(std::uint16_t half) {
  const bool negative = (half & 0x8000U) != 0;
  const int exponent = (half >> 10U) & 31;
  const int fraction = half & 1023;
  float value = 0.0F;
  if (exponent == 31) {
    value = fraction == 0 ? std::numeric_limits<float>::infinity()
                          : std::numeric_limits<float>::quiet_NaN();
  } else if (exponent == 0) {
    value = std::ldexp(static_cast<float>(fraction), -24);
  } else {
    value = std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
  }
  return negative ? -value : value;
}

// x weight^T + bias, each sum in the order of its terms and rounded after each operation, as
// Python's reader does it. x (rows, depth), weight (width, depth).
std::vector<float> linear(const float* x, std::int64_t rows, const float* weight, const float* bias,
                          std::int64_t width, std::int64_t depth) {
  std::vector<float> out;
  for (const float* row = x; row != x + rows * depth; row += depth) {
    for (std::int64_t w = 0; w < width; ++w) {
      float total = 0.0F;
      for (std::int64_t k = 0; k < depth; ++k) {
        total += row[k] * weight[w * depth + k];
      }
      out.push_back(total + bias[w]);
    }
  }
  return out;
}

std::string in_quotes(const std::string& text) {
  const Json json = text;
  return python_repr(&json);
}

}  // namespace

// Reads a bundle; the first refusal ends it.
class BundleReader {
 public:
  explicit BundleReader(std::string where) : where_("bundle " + std::move(where)) {}

  std::shared_ptr<const Bundle> read(std::string_view manifest, std::vector<char> weights,
                                     MaybeRefusal* refusal) {
    const arithmetic::StandardRounding rounding;
    out_ = std::make_shared<Bundle>();
    out_->manifest_ = std::string(manifest);
    out_->file_ = std::move(weights);
    if (read_manifest_text(manifest) && check_digest() && read_tensors()) {
      make_identity_features();
      return out_;
    }
    *refusal = refusal_;
    return nullptr;
  }

  MaybeRefusal refuse(Refusal::Kind kind, const std::string& text) {
    refusal_ = Refusal{kind, where_ + ": " + text};
    return refusal_;
  }

 private:
  bool damaged(const std::string& text) {
    refuse(Refusal::Kind::kDamaged, text);
    return false;
  }
  bool damaged(const std::string& where, const std::string& expected, const std::string& got) {
    return damaged(where + ": expected " + expected + ", got " + got);
  }

  bool read_manifest_text(std::string_view text) {
    JsonDocument document;
    std::string fault;
    if (!document.parse(text, &fault)) {
      return damaged(std::string(kManifestFile) + " is not JSON: " + fault);
    }
    const Json& json = document.root();
    if (MaybeFault wrong = read_manifest(json, &manifest_)) {
      const auto version = json.find("format_version");
      const bool newer = wrong->where == "format_version" && version != json.end() &&
                         version->is_number() && *version > Bundle::kFormatVersion;
      refuse(newer ? Refusal::Kind::kNewer : Refusal::Kind::kDamaged,
             wrong->where + ": expected " + wrong->expected + ", got " + wrong->got);
      return false;
    }
    if (MaybeRefusal wrong = check_config(manifest_.config)) {
      return damaged(wrong->text);
    }
    out_->format_version_ = manifest_.format_version;
    out_->name_ = manifest_.name;
    out_->licences_ = manifest_.licences;
    out_->config_ = manifest_.config;
    out_->identities_ = manifest_.identities;
    return true;
  }

  bool check_digest() {
    out_->sha256_ = sha256(out_->file_.data(), out_->file_.size());
    return out_->sha256_ == manifest_.weights_sha256 ||
           damaged("weights.sha256 (a damaged or foreign file?)", out_->sha256_,
                   manifest_.weights_sha256_shown);
  }

  std::vector<TensorSpec> specs() const {
    const std::int64_t channels = manifest_.config.channels, hidden = manifest_.identity_hidden;
    const auto speakers = static_cast<std::int64_t>(manifest_.identities.size());
    std::vector<TensorSpec> all = network_tensors(manifest_.config);
    all.push_back({"identity.embeddings", {speakers, kIdentitySize}, {}});
    all.push_back({"identity.mlp.0.weight", {hidden, kIdentitySize}, {}});
    all.push_back({"identity.mlp.0.bias", {hidden}, {}});
    all.push_back({"identity.mlp.2.weight", {channels, hidden}, {}});
    all.push_back({"identity.mlp.2.bias", {channels}, {}});
    if (manifest_.keys) {
      all.push_back({"identity.keys", {speakers, channels}, {}});
    }
    return all;
  }

  bool read_tensors() {
    std::string fault;
    if (!read_safetensors({out_->file_.data(), out_->file_.size()}, &stored_, &fault)) {
      return damaged(std::string(kWeightsFile) + " is not safetensors: " + fault);
    }
    for (const TensorSpec& spec : specs()) {
      const bool product = manifest_.weights_dtype == "int8" && !spec.blocks.empty();
      if (!take(spec.name, spec.shape, product ? "int8" : "float32 or float16")) {
        return false;
      }
      const auto blocks = static_cast<std::int64_t>(spec.blocks.size());
      if (product &&
          (!take(spec.name + ".scale", {spec.shape[0], blocks}, "float32") || !check_int8(spec))) {
        return false;
      }
    }
    if (!stored_.empty()) {  // what nobody took
      return damaged(kWeightsFile, "no tensor beyond those of the manifest",
                     in_quotes(stored_.begin()->first));
    }
    const float* std = out_->tensors_.at("statistics.std").data;
    return std::all_of(std, std + manifest_.config.curves.size(),
                       [](float s) { return s > 0.0F; }) ||
           damaged("tensor statistics.std", "values above 0", "'0 or less'");
  }

  // Moves a tensor of the file into the bundle's, as floats or int8 values.
  bool take(const std::string& name, const std::vector<std::int64_t>& shape,
            const std::string& types) {
    const auto found = stored_.find(name);
    if (found == stored_.end()) {
      return damaged("tensor " + name, shape_text(shape), "'none'");
    }
    const StoredTensor stored = found->second;
    if (stored.shape != shape) {
      return damaged("tensor " + name, shape_text(shape), shape_text(stored.shape));
    }
    const std::string type = numpy_name(stored.type);
    TensorView view{shape, nullptr, nullptr};
    if (type == "int8") {
      view.values = reinterpret_cast<const std::int8_t*>(stored.data);
    } else if (type == "float32" || type == "float16") {
      view.data = floats(stored);
      if (!std::all_of(view.data, view.data + elements_of(shape),
                       [](float value) { return std::isfinite(value); })) {
        return damaged("tensor " + name, "finite values", "'NaN or infinity'");
      }
    }
    if ((" " + types + " ").find(" " + type + " ") == std::string::npos) {
      return damaged("tensor " + name, types, in_quotes(type));
    }
    out_->tensors_[name] = std::move(view);
    stored_.erase(found);
    return true;
  }

  // Where they lie in the file, if they can be read there.
  const float* floats(const StoredTensor& stored) {
    const bool halves = stored.type == "F16";
    if (!halves && reinterpret_cast<std::uintptr_t>(stored.data) % alignof(float) == 0) {
      return reinterpret_cast<const float*>(stored.data);
    }
    std::vector<float> values(static_cast<std::size_t>(elements_of(stored.shape)));
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (halves) {
        std::uint16_t half = 0;
        std::memcpy(&half, stored.data + 2 * i, sizeof half);
        values[i] = from_float16(half);
      } else {
        std::memcpy(&values[i], stored.data + 4 * i, sizeof(float));
      }
    }
    out_->floats_.push_back(std::move(values));
    return out_->floats_.back().data();
  }

  bool check_int8(const TensorSpec& spec) {
    constexpr float kMostScale = std::numeric_limits<float>::max() / 127.0F;
    const std::int8_t* values = out_->tensors_.at(spec.name).values;
    const float* scales = out_->tensors_.at(spec.name + ".scale").data;
    const std::int8_t least = *std::min_element(values, values + elements_of(spec.shape));
    if (least < -127) {
      return damaged("tensor " + spec.name, "int8 values from -127 to 127", std::to_string(least));
    }
    const std::size_t blocks = spec.blocks.size();
    for (std::size_t i = 0; i < static_cast<std::size_t>(spec.shape[0]) * blocks; ++i) {
      const std::int64_t width = spec.blocks[i % blocks];
      const bool zeros = std::all_of(values, values + width, [](std::int8_t v) { return v == 0; });
      values += width;
      const float scale = scales[i];
      if (scale >= 0.0F && scale <= kMostScale && (scale > 0.0F || zeros)) {
        continue;
      }
      TextStream expected, got;
      expected.precision(3);
      expected << "scales above 0 (0 for zeros alone), at most " << kMostScale;
      got << "'" << scale << " in row " << i / blocks << "'";
      return damaged("tensor " + spec.name + ".scale", expected.str(), got.str());
    }
    return true;
  }

  // The identity encoder's output for the whole library: linear, ReLU, linear over the embeddings.
  void make_identity_features() {
    const auto tensor = [this](const char* name) { return out_->tensors_.at(name).data; };
    const std::int64_t hidden = manifest_.identity_hidden, channels = manifest_.config.channels;
    const auto rows = static_cast<std::int64_t>(manifest_.identities.size());
    std::vector<float> x =
        linear(tensor("identity.embeddings"), rows, tensor("identity.mlp.0.weight"),
               tensor("identity.mlp.0.bias"), hidden, kIdentitySize);
    for (float& value : x) {
      value = std::max(value, 0.0F);
    }
    out_->identity_features_ = linear(x.data(), rows, tensor("identity.mlp.2.weight"),
                                      tensor("identity.mlp.2.bias"), channels, hidden);
  }

  std::string where_;
  Manifest manifest_;
  StoredTensors stored_;
  std::shared_ptr<Bundle> out_;
  MaybeRefusal refusal_;
};

std::shared_ptr<const Bundle> Bundle::open(const std::string& path, MaybeRefusal* refusal) {
  BundleReader reader(path);
  std::vector<char> manifest, weights;
  const Found found = read_file(path + "/" + kManifestFile, kMostManifestBytes, &manifest);
  if (found == Found::kTooLarge) {
    *refusal =
        reader.refuse(Refusal::Kind::kDamaged, std::string(kManifestFile) + " is larger than " +
                                                   std::to_string(kMostManifestBytes) + " bytes");
    return nullptr;
  }
  const bool folder = found == Found::kYes;
  switch (read_file(folder ? path + "/" + kWeightsFile : path, kMostBytes, &weights)) {
    case Found::kYes:
      break;
    case Found::kNo:
      *refusal = reader.refuse(Refusal::Kind::kNotFound,
                               folder ? std::string(kWeightsFile) + " is missing"
                                      : std::string("expected a folder with ") + kManifestFile +
                                            ", or a file that tar made of one, found none");
      return nullptr;
    case Found::kTooLarge:
      *refusal = reader.refuse(Refusal::Kind::kDamaged, "it is larger than 1 GiB");
      return nullptr;
  }
  if (folder) {
    return reader.read({manifest.data(), manifest.size()}, std::move(weights), refusal);
  }
  return open_packed(path, weights.data(), weights.size(), refusal);
}

std::shared_ptr<const Bundle> Bundle::open_memory(const void* bytes, std::size_t count,
                                                  MaybeRefusal* refusal) {
  return open_packed("in memory", static_cast<const char*>(bytes), count, refusal);
}

std::shared_ptr<const Bundle> Bundle::open_packed(const std::string& where, const char* bytes,
                                                  std::size_t count, MaybeRefusal* refusal) {
  BundleReader reader(where);
  std::string_view manifest, weights;
  std::string fault;
  if (!find_in_tar({bytes, count}, kManifestFile, &manifest, &fault) ||
      !find_in_tar({bytes, count}, kWeightsFile, &weights, &fault)) {
    *refusal = reader.refuse(Refusal::Kind::kDamaged, fault);
    return nullptr;
  }
  if (manifest.size() > kMostManifestBytes) {
    *refusal =
        reader.refuse(Refusal::Kind::kDamaged, std::string(kManifestFile) + " is larger than " +
                                                   std::to_string(kMostManifestBytes) + " bytes");
    return nullptr;
  }
  return reader.read(manifest, {weights.begin(), weights.end()}, refusal);
}

std::shared_ptr<const Model> Bundle::model(const std::string& kernel, const std::string& precision,
                                           MaybeRefusal* refusal) const {
  ModelConfig config = config_;
  config.kernel = kernel;
  config.precision = precision;
  const TensorView identities = {{static_cast<std::int64_t>(identities_.size()), config.channels},
                                 identity_features_.data()};
  return Model::make(config, tensors_, identities, refusal);
}

}  // namespace dt
