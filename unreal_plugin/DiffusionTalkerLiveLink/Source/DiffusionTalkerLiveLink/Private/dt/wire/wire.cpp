#include "dt/wire/wire.h"

#include <cstddef>
#include <limits>
#include <utility>

#include "dt/wire/msgpack.h"

namespace dt {

namespace {

using Value = MsgpackReader::Value;
using Type = MsgpackReader::Type;

constexpr std::uint64_t kInt63 = 0x7FFFFFFFFFFFFFFFu;
constexpr std::uint64_t kInt31 = 0x7FFFFFFFu;
// Elements that later minor additions may append to an array.
constexpr std::uint32_t kSpareElements = 16;
constexpr char kTopicPrefix[] = "dt/";

bool refuse(std::string* why, std::string text) {
  *why = std::move(text);
  return false;
}

// Reads values and, at the first one that breaks a rule, notes which field it was.
class Fields {
 public:
  Fields(std::string_view payload, std::size_t max_binary_bytes, std::string* why)
      : reader_(payload,
                MsgpackReader::Limits{kMaxTextBytes, static_cast<std::uint32_t>(max_binary_bytes),
                                      kMaxCurves, 32}),
        why_(why) {}

  MsgpackReader& reader() { return reader_; }

  bool next(const char* name, Value* value) {
    if (reader_.read(value)) return true;
    return refuse(why_, std::string(name) + ": " + reader_.error());
  }

  bool expected(const char* name, const char* what) {
    return refuse(why_, std::string(name) + ": expected " + what);
  }

  template <typename Whole>
  bool whole(const char* name, std::uint64_t low, std::uint64_t high, Whole* out) {
    Value value;
    if (!next(name, &value)) return false;
    if (value.type != Type::kUnsigned || value.whole < low || value.whole > high) {
      return expected(name, "a whole number in its range");
    }
    *out = static_cast<Whole>(value.whole);
    return true;
  }

  bool number(const char* name, double* out) {
    Value value;
    if (!next(name, &value)) return false;
    constexpr double kMost = static_cast<double>(std::numeric_limits<float>::max());
    // Written so that NaN fails too.
    if (value.type != Type::kFloat || !(value.number >= -kMost && value.number <= kMost)) {
      return expected(name, "a finite float");
    }
    *out = value.number;
    return true;
  }

  bool text(const char* name, std::size_t least, std::string* out) {
    Value value;
    if (!next(name, &value)) return false;
    if (value.type != Type::kText || value.bytes.size() < least) return expected(name, "a text");
    out->assign(value.bytes.data(), value.bytes.size());
    return true;
  }

  bool array(const char* name, std::uint32_t least, std::uint32_t most, std::uint32_t* count) {
    Value value;
    if (!next(name, &value)) return false;
    if (value.type != Type::kArray || value.count < least || value.count > most) {
      return expected(name, "an array of its length");
    }
    *count = value.count;
    return true;
  }

  bool skip(const char* name) {
    return reader_.skip() || refuse(why_, std::string(name) + ": " + reader_.error());
  }

 private:
  MsgpackReader reader_;
  std::string* why_;
};

bool read_frame(Fields& fields, Frame* frame) {
  std::uint32_t count = 0;
  if (!fields.whole("sequence", 0, kInt63, &frame->sequence) ||
      !fields.whole("index", 0, kInt63, &frame->index) ||
      !fields.whole("rate_num", 1, kInt31, &frame->rate_num) ||
      !fields.whole("rate_den", 1, kInt31, &frame->rate_den) ||
      !fields.whole("position", 0, kInt63, &frame->position_samples) ||
      !fields.whole("audio_rate", 1, kInt31, &frame->audio_rate_hz) ||
      !fields.whole("capture_ns", 0, kInt63, &frame->capture_ns) ||
      !fields.whole("flags", 0, 0xFFFFFFFFu, &frame->flags) ||
      !fields.array("frame curves", 1, kMaxCurves, &count)) {
    return false;
  }
  frame->values.resize(count);
  for (float& value : frame->values) {
    double number = 0.0;
    if (!fields.number("a curve", &number)) return false;
    value = static_cast<float>(number);
  }
  return true;
}

bool read_audio(Fields& fields, Audio* audio) {
  Value value;
  if (!fields.whole("sequence", 0, kInt63, &audio->sequence) ||
      !fields.whole("position", 0, kInt63, &audio->position_samples) ||
      !fields.whole("audio_rate", 1, kInt31, &audio->audio_rate_hz) ||
      !fields.whole("capture_ns", 0, kInt63, &audio->capture_ns) ||
      !fields.next("samples", &value)) {
    return false;
  }
  if (value.type != Type::kBinary || value.bytes.empty() || value.bytes.size() % 2 != 0) {
    return fields.expected("samples", "an even number of bytes");
  }
  audio->samples.resize(value.bytes.size() / 2);
  for (std::size_t i = 0; i < audio->samples.size(); ++i) {
    const unsigned low = static_cast<unsigned char>(value.bytes[2 * i]);
    const unsigned high = static_cast<unsigned char>(value.bytes[2 * i + 1]);
    audio->samples[i] = static_cast<std::int16_t>(static_cast<std::uint16_t>(low | high << 8));
  }
  return true;
}

bool read_curve_names(Fields& fields, std::vector<std::string>* names) {
  std::uint32_t count = 0;
  if (!fields.array("schema curves", 1, kMaxCurves, &count)) return false;
  names->clear();
  names->reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    std::string name;
    if (!fields.text("a curve name", 1, &name)) return false;
    for (const std::string& other : *names) {
      if (other == name) return fields.expected("curve names", "distinct names, got one twice");
    }
    names->push_back(std::move(name));
  }
  return true;
}

bool read_schema(Fields& fields, const std::string& subject, Schema* schema) {
  Value map;
  if (!fields.next("schema", &map)) return false;
  if (map.type != Type::kMap) return fields.expected("schema", "a map");
  constexpr const char* kKeys[] = {"subject",  "curves",        "rate_num",     "rate_den",
                                   "model",    "model_version", "lookahead_ms", "audio_rate",
                                   "start_ns", "start_unix_ns", "audio_format"};
  constexpr std::uint32_t kKeyCount = sizeof kKeys / sizeof *kKeys;
  constexpr std::uint32_t kNeeded = (1u << (kKeyCount - 1)) - 1;  // the last may be missing
  std::uint32_t seen = 0;
  schema->audio_format.clear();
  for (std::uint32_t i = 0; i < map.count; ++i) {
    Value key;
    if (!fields.next("schema key", &key)) return false;
    if (key.type != Type::kText && key.type != Type::kBinary) {
      return fields.expected("schema key", "a text");
    }
    // A binary key is legal msgpack, but names no field.
    std::uint32_t field = key.type == Type::kText ? 0 : kKeyCount;
    while (field < kKeyCount && key.bytes != kKeys[field]) ++field;
    if (field == kKeyCount) {
      if (!fields.skip("schema")) return false;
      continue;
    }
    std::string text;
    bool good = false;
    switch (field) {
      case 0:
        good = fields.text("schema subject", 1, &text);
        if (good && text != subject) {
          return fields.expected("schema subject", "the topic's subject");
        }
        break;
      case 1:
        good = read_curve_names(fields, &schema->curves);
        break;
      case 2:
        good = fields.whole("rate_num", 1, kInt31, &schema->rate_num);
        break;
      case 3:
        good = fields.whole("rate_den", 1, kInt31, &schema->rate_den);
        break;
      case 4:
        good = fields.text("model", 1, &schema->model);
        break;
      case 5:
        good = fields.text("model_version", 0, &schema->model_version);
        break;
      case 6:
        good = fields.number("lookahead_ms", &schema->lookahead_ms);
        break;
      case 7:
        good = fields.whole("audio_rate", 1, kInt31, &schema->audio_rate_hz);
        break;
      case 8:
        good = fields.whole("start_ns", 0, kInt63, &schema->start_ns);
        break;
      case 9:
        good = fields.whole("start_unix_ns", 0, kInt63, &schema->start_unix_ns);
        break;
      default:
        good = fields.text("audio_format", 0, &schema->audio_format);
        break;
    }
    if (!good) return false;
    seen |= 1u << field;
  }
  return (seen & kNeeded) == kNeeded || fields.expected("schema", "every key; one is missing");
}

}  // namespace

bool is_subject(std::string_view subject) {
  if (subject.empty() || subject.size() > kMaxSubjectBytes || !is_utf8(subject)) return false;
  for (std::size_t i = 0; i < subject.size(); ++i) {
    const unsigned char byte = static_cast<unsigned char>(subject[i]);
    if (byte < 0x20 || byte == 0x7F || byte == '/') return false;
    // U+0080 to U+009F: the other control characters.
    if (byte == 0xC2 && static_cast<unsigned char>(subject[i + 1]) < 0xA0) return false;
  }
  return true;
}

std::string subscription(std::string_view subject) {
  std::string prefix = kTopicPrefix;
  if (!subject.empty()) {
    prefix.append(subject);
    prefix += '/';
  }
  return prefix;
}

bool decode(const std::vector<std::string>& parts, Message* message, std::string* why) {
  if (parts.size() != 2) {
    return refuse(why, "expected 2 parts (topic, payload), got " + std::to_string(parts.size()));
  }
  const std::string_view topic = parts[0];
  const std::size_t prefix = sizeof kTopicPrefix - 1;
  const std::size_t slash = topic.rfind('/');
  if (topic.substr(0, prefix) != kTopicPrefix || slash < prefix ||
      topic.size() > kMaxSubjectBytes + 16) {
    return refuse(why, "topic: expected dt/SUBJECT/KIND");
  }
  const std::string_view subject = topic.substr(prefix, slash - prefix);
  const std::string_view kind = topic.substr(slash + 1);
  if (!is_subject(subject) || !is_utf8(kind)) {
    return refuse(why,
                  "topic: expected a subject of 1 to 128 bytes of printable UTF-8 without '/'");
  }
  message->subject.assign(subject.data(), subject.size());

  const std::string& payload = parts[1];
  if (payload.size() > kMaxPayloadBytes) {
    return refuse(why,
                  "payload: expected at most 65536 bytes, got " + std::to_string(payload.size()));
  }
  struct Shape {
    std::string_view name;
    Kind kind;
    std::uint32_t elements;
  };
  constexpr Shape kShapes[] = {{"frame", Kind::kFrame, 12},
                               {"audio", Kind::kAudio, 8},
                               {"schema", Kind::kSchema, 4},
                               {"bye", Kind::kBye, 5}};
  const Shape* shape = nullptr;
  for (const Shape& candidate : kShapes) {
    if (candidate.name == kind) shape = &candidate;
  }
  message->kind = shape == nullptr ? Kind::kUnknown : shape->kind;
  if (shape == nullptr) return true;

  Fields fields(payload, shape->kind == Kind::kAudio ? kMaxAudioBytes : kMaxTextBytes, why);
  std::uint32_t count = 0;
  std::uint64_t version = 0;
  std::string said_kind;
  if (!fields.array("payload", 1, kMaxCurves, &count)) return false;
  if (!fields.whole("wire version", 0, ~std::uint64_t{0}, &version)) return false;
  if (version != kWireVersion) {
    return refuse(why, "wire version: expected 1, got " + std::to_string(version) +
                           "; sender and receiver need the same version of DiffusionTalker Stream");
  }
  if (count < shape->elements || count > shape->elements + kSpareElements) {
    return refuse(why, std::string(kind) + ": expected " + std::to_string(shape->elements) +
                           " elements, got " + std::to_string(count));
  }
  if (!fields.text("kind", 0, &said_kind)) return false;
  if (said_kind != kind) return refuse(why, "kind: topic and payload disagree");
  if (!fields.whole("session", 1, kInt63, &message->session)) return false;

  bool good = false;
  switch (shape->kind) {
    case Kind::kFrame:
      good = read_frame(fields, &message->frame);
      break;
    case Kind::kAudio:
      good = read_audio(fields, &message->audio);
      break;
    case Kind::kSchema:
      good = read_schema(fields, message->subject, &message->schema);
      break;
    default:
      good = fields.whole("bye frames", 0, kInt63, &message->bye.frames) &&
             fields.text("bye reason", 0, &message->bye.reason);
  }
  for (std::uint32_t i = shape->elements; good && i < count; ++i) good = fields.skip("payload");
  if (good && !fields.reader().at_end()) {
    return refuse(why,
                  "payload: " + std::to_string(fields.reader().remaining()) + " bytes too many");
  }
  return good;
}

}  // namespace dt
