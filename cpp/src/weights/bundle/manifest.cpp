#include "weights/bundle/manifest.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <set>
#include <string_view>
#include <type_traits>

#include "dt/bundle.h"
#include "dt/curve_names.h"
#include "dt/log_mel.h"
#include "dt/options.h"
#include "dt/time_base.h"
#include "refusal/text_stream.h"

namespace dt {
namespace {

// ---- what a value may be
// -------------------------------------------------------------------------

bool is_number(const Json* value, Range range) {
  if (value == nullptr || !value->is_number()) {
    return false;
  }
  const auto number = value->get<double>();
  return range.low <= number && number <= range.high;
}

bool is_whole(const Json* value, Range range) {
  return value != nullptr && value->is_number_integer() && is_number(value, range);
}

Fault fault(const std::string& where, const std::string& expected, const Json* got) {
  return {where, expected, python_repr(got)};
}

MaybeFault check(const std::string& where, const std::string& expected, const Json* value,
                 bool holds) {
  return holds ? MaybeFault() : fault(where, expected, value);
}

std::string range_text(bool whole, Range range) {
  TextStream text;
  text << (whole ? "a whole number" : "a number") << " from " << range.low << " to " << range.high;
  return text.str();
}

template <typename T>
MaybeFault read_number(const std::string& where, const Json* value, Range range, T* out) {
  constexpr bool kWhole = std::is_integral_v<T>;
  if (!(kWhole ? is_whole(value, range) : is_number(value, range))) {
    return fault(where, range_text(kWhole, range), value);
  }
  if constexpr (kWhole) {
    *out = static_cast<T>(value->get<std::int64_t>());
  } else {
    *out = static_cast<T>(value->get<double>());
  }
  return {};
}

// A setting of `Options` by its name, within its own range.
template <typename Options, typename T>
MaybeFault read_setting(const std::string& where, const Json* value, const char* name, T* out) {
  Range range{};
  Options::each([&](const char* row, auto, auto... limits) {
    if constexpr (sizeof...(limits) == 1) {
      if (std::string_view(row) == name) {
        range = Range{limits...};
      }
    }
  });
  return read_number(where, value, range, out);
}

// An object of any of the settings that have a range: a misspelt one would change the face unsaid.
template <typename Options>
MaybeFault read_settings(const std::string& where, const Json* value, Options* options) {
  if (value == nullptr || !value->is_object()) {
    return fault(where, "an object", value);
  }
  for (const auto& [key, given] : value->items()) {
    bool known = false;
    std::string names;
    MaybeFault wrong;
    Options::each([&, &name = key, &number = given](const char* row, auto member, auto... limits) {
      if constexpr (sizeof...(limits) == 1) {
        names += (names.empty() ? "" : ", ") + std::string(row);
        if (name == row) {
          known = true;
          wrong = read_number(where + "." + name, &number, Range{limits...}, &(options->*member));
        }
      }
    });
    if (!known) {
      const Json name = key;
      return fault(where, "only " + names, &name);
    }
    if (wrong) {
      return wrong;
    }
  }
  return {};
}

std::size_t curve_index(std::string_view name) {
  const auto found = std::find(kCurveNames.begin(), kCurveNames.end(), name);
  return static_cast<std::size_t>(found - kCurveNames.begin());
}

// An object from the names of curves to what read(where, value, number of the curve) takes.
template <typename Read>
MaybeFault by_curve(const std::string& where, const Json* value, Read&& read) {
  if (value == nullptr || !value->is_object()) {
    return fault(where, "an object", value);
  }
  for (const auto& [curve, given] : value->items()) {
    const std::size_t index = curve_index(curve);
    if (index == kCurveNames.size()) {
      const Json name = curve;
      return fault(where, "ARKit curve names", &name);
    }
    if (MaybeFault wrong = read(where + "." + curve, &given, index)) {
      return wrong;
    }
  }
  return {};
}

// ---- the fields
// ----------------------------------------------------------------------------------

class Reader {
 public:
  Reader(const Json& json, Manifest* manifest) : json_(json), out_(manifest) {}

  MaybeFault read() {
    using Step = MaybeFault (Reader::*)();
    for (const Step step :
         {&Reader::format, &Reader::curves, &Reader::frame_rate, &Reader::audio, &Reader::encoder,
          &Reader::context, &Reader::decoder, &Reader::diffusion, &Reader::noise_scale,
          &Reader::identities, &Reader::motion, &Reader::postprocess, &Reader::lookahead,
          &Reader::training, &Reader::weights}) {
      if (MaybeFault wrong = (this->*step)()) {
        return wrong;
      }
    }
    return {};
  }

 private:
  // The entry that a dotted path names; null where there is none or it is null.
  const Json* at(const std::string& path) const {
    const Json* here = find(path);
    return here == nullptr || here->is_null() ? nullptr : here;
  }

  const Json* find(std::string_view path) const {
    const Json* here = &json_;
    for (;;) {
      const std::size_t point = path.find('.');
      if (!here->is_object()) {
        return nullptr;
      }
      const auto found = here->find(std::string(path.substr(0, point)));
      if (found == here->end()) {
        return nullptr;
      }
      here = &*found;
      if (point == std::string_view::npos) {
        return here;
      }
      path.remove_prefix(point + 1);
    }
  }

  MaybeFault equal(const std::string& path, const char* wanted) const {
    const Json* value = at(path);
    const Json text = wanted;
    return check(path, python_repr(&text), value, value != nullptr && *value == text);
  }
  MaybeFault equal(const std::string& path, std::int64_t wanted) const {
    const Json* value = at(path);
    return check(path, std::to_string(wanted), value,
                 value != nullptr && value->is_number() && *value == wanted);
  }

  template <typename T>
  MaybeFault setting(const std::string& path, const char* name, T* out) const {
    return read_setting<ModelConfig>(path, at(path), name, out);
  }

  MaybeFault format() {
    if (MaybeFault wrong = equal("format", "diffusiontalker-bundle")) {
      return wrong;
    }
    const Json* version = at("format_version");
    if (!is_whole(version, {1.0, static_cast<double>(Bundle::kFormatVersion)})) {
      return fault("format_version", "1 or 2 or 3", version);
    }
    out_->format_version = version->get<std::int64_t>();
    const Json* name = at("name");
    const auto* text = name == nullptr ? nullptr : name->get_ptr<const std::string*>();
    if (text == nullptr || text->empty()) {
      return fault("name", "a string", name);
    }
    out_->name = *text;
    return {};
  }

  MaybeFault curves() {
    const Json* value = at("curves");
    const std::string expected = "the " + std::to_string(kCurveNames.size()) + " ARKit names";
    if (value == nullptr || !value->is_array()) {
      return fault("curves", expected, value);
    }
    if (value->size() != kCurveNames.size()) {
      return Fault{"curves", expected, std::to_string(value->size())};
    }
    for (std::size_t i = 0; i < kCurveNames.size(); ++i) {
      const Json name = kCurveNames[i];
      if ((*value)[i] != name) {
        return fault("curves[" + std::to_string(i) + "]", python_repr(&name), &(*value)[i]);
      }
    }
    out_->config.curves.assign(kCurveNames.begin(), kCurveNames.end());
    return {};
  }

  MaybeFault frame_rate() {
    const Json* value = at("frame_rate");
    constexpr Range kTerm{1.0, 1000000.0};
    TextStream expected;
    expected << "[numerator, denominator], " << kFrameRateHz.low << " to " << kFrameRateHz.high
             << " Hz";
    if (value == nullptr || !value->is_array() || value->size() != 2 ||
        !is_whole(&(*value)[0], kTerm) || !is_whole(&(*value)[1], kTerm)) {
      return fault("frame_rate", expected.str(), value);
    }
    ModelConfig& c = out_->config;
    c.frame_rate_num = (*value)[0].get<std::int64_t>();
    c.frame_rate_den = (*value)[1].get<std::int64_t>();
    const double hz = static_cast<double>(c.frame_rate_num) / static_cast<double>(c.frame_rate_den);
    return check("frame_rate", expected.str(), value,
                 kFrameRateHz.low <= hz && hz <= kFrameRateHz.high);
  }

  MaybeFault audio() {
    if (MaybeFault wrong = equal("audio.sample_rate", TimeBase::kSampleRateHz)) {
      return wrong;
    }
    if (MaybeFault wrong = equal("audio.features", "log_mel")) {
      return wrong;
    }
    if (MaybeFault wrong = equal("audio.hop_samples", TimeBase::kHopSamples)) {
      return wrong;
    }
    return equal("audio.bands", LogMel::kBands);
  }

  MaybeFault encoder() {
    ModelConfig& c = out_->config;
    if (MaybeFault wrong = equal("encoder.type", "causal_conv")) {
      return wrong;
    }
    if (MaybeFault wrong = setting("encoder.channels", "channels", &c.channels)) {
      return wrong;
    }
    if (MaybeFault wrong =
            setting("encoder.lookahead_columns", "lookahead_columns", &c.lookahead_columns)) {
      return wrong;
    }
    const Json* dilations = at("encoder.dilations");
    const std::string expected = "whole numbers from 1 to 1024";
    if (dilations == nullptr || !dilations->is_array()) {
      return fault("encoder.dilations", expected, dilations);
    }
    for (const Json& dilation : *dilations) {
      std::int64_t number = 0;
      if (read_setting<ModelConfig>("", &dilation, "dilations", &number)) {
        return fault("encoder.dilations", expected, dilations);
      }
      c.dilations.push_back(number);
    }
    return {};
  }

  MaybeFault context() {
    if (find("encoder.context") == nullptr) {
      return {};
    }
    if (out_->format_version < 2) {
      return Fault{"format_version", "2 for an encoder with a context",
                   std::to_string(out_->format_version)};
    }
    const std::string where = "encoder.context";
    const Json* value = at(where);
    ContextConfig context;
    if (MaybeFault wrong = read_settings(where, value, &context)) {
      return wrong;
    }
    MaybeFault missing;  // its shape has no defaults
    ContextConfig::each([&](const char* row, auto, Range range) {
      if (!missing && value->find(row) == value->end()) {
        missing = fault(where + "." + row, range_text(true, range), nullptr);
      }
    });
    if (missing) {
      return missing;
    }
    if (context.width % context.heads != 0) {
      return Fault{where + ".heads", "a divisor of " + std::to_string(context.width),
                   std::to_string(context.heads)};
    }
    out_->config.context = context;
    return {};
  }

  MaybeFault decoder() {
    ModelConfig& c = out_->config;
    if (MaybeFault wrong = setting("decoder.hidden", "hidden", &c.hidden)) {
      return wrong;
    }
    if (MaybeFault wrong = equal("decoder.layers", 2)) {
      return wrong;
    }
    c.layers = 2;
    if (MaybeFault wrong = setting("decoder.step_dim", "step_dim", &c.step_dim)) {
      return wrong;
    }
    return read_number("decoder.identity_hidden", at("decoder.identity_hidden"), {1.0, 4096.0},
                       &out_->identity_hidden);
  }

  MaybeFault diffusion() {
    ModelConfig& c = out_->config;
    if (MaybeFault wrong = setting("diffusion.train_steps", "train_steps", &c.train_steps)) {
      return wrong;
    }
    const Json* value = at("diffusion.sample_steps");
    std::int64_t steps = 0;
    if (MaybeFault wrong = read_number("diffusion.sample_steps", value,
                                       {1.0, static_cast<double>(c.train_steps)}, &steps)) {
      return wrong;
    }
    if (c.train_steps % steps != 0) {
      return fault("diffusion.sample_steps", "a divisor of " + std::to_string(c.train_steps),
                   value);
    }
    value = at("diffusion.alpha_bar");
    bool good =
        value != nullptr && value->is_array() && value->size() == static_cast<std::size_t>(steps);
    for (std::size_t i = 0; good && i < value->size(); ++i) {
      const Json& alpha = (*value)[i];
      const double above = i == 0 ? 1.0 : c.alpha_bar.back();
      good = alpha.is_number_float() && alpha.get<double>() > 0.0 && alpha.get<double>() < above;
      if (good) {
        c.alpha_bar.push_back(alpha.get<double>());
      }
    }
    return check("diffusion.alpha_bar", std::to_string(steps) + " numbers in (0, 1) that fall",
                 value, good);
  }

  MaybeFault noise_scale() {
    const std::string where = "diffusion.noise_scale";
    if (find(where) == nullptr) {
      return {};
    }
    std::vector<float>& scale = out_->config.noise_scale;
    scale.assign(kCurveNames.size(), 1.0F);
    return by_curve(where, at(where),
                    [&](const std::string& path, const Json* value, std::size_t curve) {
                      if (!is_number(value, {0.0, 1.0})) {
                        return MaybeFault(fault(path, "0 to 1", value));
                      }
                      scale[curve] = static_cast<float>(value->get<double>());
                      return MaybeFault();
                    });
  }

  bool read_names(const Json* value) {
    if (value == nullptr || !value->is_array() || value->empty()) {
      return false;
    }
    std::set<std::string> seen;
    for (const Json& one : *value) {
      const auto* name = one.get_ptr<const std::string*>();
      if (name == nullptr || name->empty() || *name == "auto" || !seen.insert(*name).second) {
        return false;
      }
      out_->identities.push_back(*name);
    }
    return true;
  }

  MaybeFault identities() {
    ModelConfig& c = out_->config;
    const Json* names = at("identities.names");
    if (!read_names(names)) {
      return fault("identities.names", "distinct names, none of them 'auto'", names);
    }
    const Json* value = at("identities.default");
    const auto* name = value == nullptr ? nullptr : value->get_ptr<const std::string*>();
    const auto& all = out_->identities;
    const auto found = name == nullptr ? all.end() : std::find(all.begin(), all.end(), *name);
    if (found == all.end()) {
      return fault("identities.default", "one of identities.names", value);
    }
    c.default_identity = found - all.begin();
    if (const Json* cosine = at("identities.unknown_cosine")) {  // null: the default
      if (MaybeFault wrong = read_setting<ModelConfig>("identities.unknown_cosine", cosine,
                                                       "unknown_cosine", &c.unknown_cosine)) {
        wrong->expected += ", or none";
        return wrong;
      }
    }
    if (find("identities.keys") == nullptr) {
      return {};
    }
    const Json* keys = at("identities.keys");
    if (keys == nullptr || !keys->is_boolean()) {
      return fault("identities.keys", "true or false", keys);
    }
    out_->keys = keys->get<bool>();
    if (out_->keys && out_->format_version < 3) {
      return Fault{"format_version", "3 for a library with keys",
                   std::to_string(out_->format_version)};
    }
    return {};
  }

  MaybeFault motion() {
    if (find("gate") != nullptr) {
      if (MaybeFault wrong = read_settings("gate", at("gate"), &out_->config.gate)) {
        return wrong;
      }
    }
    return find("idle") == nullptr ? MaybeFault()
                                   : read_settings("idle", at("idle"), &out_->config.idle);
  }

  MaybeFault postprocess() {
    std::vector<CurveOptions>& options = out_->config.curve_options;
    options.resize(kCurveNames.size());
    for (std::size_t i = 0; i < options.size(); ++i) {
      options[i].gated = is_gated(kCurveNames[i]);
    }
    return by_curve("postprocess", at("postprocess"),
                    [&](const std::string& path, const Json* value, std::size_t curve) {
                      return read_settings(path, value, &options[curve]);
                    });
  }

  MaybeFault lookahead() {
    const ModelConfig& c = out_->config;
    return equal(
        "lookahead_samples",
        TimeBase(c.frame_rate_num, c.frame_rate_den, c.lookahead_columns).lookahead_samples());
  }

  MaybeFault training() {
    const Json* value = at("training");
    if (value == nullptr || !value->is_object()) {
      return fault("training", "an object with sources and licences", value);
    }
    const Json* sources = at("training.sources");
    if (sources == nullptr || !sources->is_array()) {
      return {};
    }
    for (const Json& source : *sources) {
      const auto text = [&source](const char* key) {
        const auto found = source.is_object() ? source.find(key) : source.end();
        const auto* there = found == source.end() ? nullptr : found->get_ptr<const std::string*>();
        return there == nullptr ? std::string("not stated") : *there;
      };
      out_->licences += text("name") + ": " + text("licence") + " (" + text("citation") + ")\n";
    }
    return {};
  }

  MaybeFault weights() {
    if (MaybeFault wrong = equal("weights.file", "weights.safetensors")) {
      return wrong;
    }
    if (find("weights.dtype") != nullptr) {
      const Json* value = at("weights.dtype");
      const auto* dtype = value == nullptr ? nullptr : value->get_ptr<const std::string*>();
      if (dtype == nullptr || (*dtype != "float32" && *dtype != "float16" && *dtype != "int8")) {
        return fault("weights.dtype", "float32 or float16 or int8", value);
      }
      out_->weights_dtype = *dtype;
      if (*dtype == "int8" && out_->format_version < 3) {
        return Fault{"format_version", "3 for weights in int8",
                     std::to_string(out_->format_version)};
      }
    }
    const Json* digest = at("weights.sha256");
    const auto* text = digest == nullptr ? nullptr : digest->get_ptr<const std::string*>();
    out_->weights_sha256 = text == nullptr ? "" : *text;
    out_->weights_sha256_shown = python_repr(digest);
    return {};
  }

  const Json& json_;
  Manifest* out_;
};

}  // namespace

MaybeFault read_manifest(const Json& json, Manifest* manifest) {
  if (!json.is_object()) {
    const char* kind = json.is_array()            ? "list"
                       : json.is_string()         ? "str"
                       : json.is_boolean()        ? "bool"
                       : json.is_number_integer() ? "int"
                       : json.is_number()         ? "float"
                                                  : "NoneType";
    const Json name = kind;
    return fault("manifest.json", "an object", &name);
  }
  return Reader(json, manifest).read();
}

}  // namespace dt
