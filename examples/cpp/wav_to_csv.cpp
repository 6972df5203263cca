// A host in C++: speech in a WAV file, curves as CSV on standard output. `cmake --install` puts it
// into bin/ beside the model that it uses.
//
//     wav_to_csv speech.wav > curves.csv
//     wav_to_csv --bundle FOLDER_OR_FILE --seed 7 --identity am_adam speech.wav > curves.csv
#include <dt.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>
#if defined(__linux__)
#include <unistd.h>
#endif

#ifndef DT_BUNDLE_FOLDER
#define DT_BUNDLE_FOLDER "../share/diffusiontalker/default"
#endif

namespace {

struct Close {
  void operator()(dt_bundle* bundle) const { dt_bundle_close(&bundle); }
  void operator()(dt_runtime* runtime) const { dt_destroy(&runtime); }
};

[[noreturn]] void leave(const std::string& sentence) {
  std::fprintf(stderr, "wav_to_csv: %s\n", sentence.c_str());
  std::exit(2);
}

struct Wav {
  std::uint32_t rate_hz = 0;
  std::vector<float> samples;  // the channels' mean, full scale 1.0
};

std::vector<unsigned char> contents(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) {
    leave(path + ": " + std::strerror(errno));
  }
  std::vector<unsigned char> bytes;
  unsigned char part[65536];
  for (std::size_t count = 0; (count = std::fread(part, 1, sizeof part, file)) > 0;) {
    bytes.insert(bytes.end(), part, part + count);
  }
  std::fclose(file);
  return bytes;
}

std::uint32_t little(const unsigned char* bytes, unsigned count) {
  std::uint32_t number = 0;
  for (unsigned i = count; i-- > 0;) {
    number = number << 8U | bytes[i];
  }
  return number;
}

// One sample: whole numbers of 16, 24 or 32 bits, or a float of 32.
float sample(const unsigned char* bytes, unsigned size, bool is_float) {
  const std::uint32_t bits = little(bytes, size) << (32 - 8 * size);
  if (is_float) {
    float value = 0.0F;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
  std::int32_t whole = 0;
  std::memcpy(&whole, &bits, sizeof whole);
  return static_cast<float>(whole) / 2147483648.0F;
}

Wav read_wav(const std::string& path) {
  const std::vector<unsigned char> file = contents(path);
  const std::string expected = path + ": expected a WAV file of 16, 24 or 32 bits";
  if (file.size() < 12 || std::memcmp(file.data(), "RIFF", 4) != 0 ||
      std::memcmp(&file[8], "WAVE", 4) != 0) {
    leave(expected);
  }
  Wav wav;
  std::size_t channels = 0;
  unsigned size = 0;
  bool is_float = false;
  for (std::size_t at = 12; file.size() - at >= 8;) {
    const unsigned char* chunk = &file[at];
    at += 8;
    // A recorder that was cut off, or that wrote into a pipe, leaves a size that is not true.
    const std::size_t length = std::min<std::size_t>(little(chunk + 4, 4), file.size() - at);
    if (std::memcmp(chunk, "fmt ", 4) == 0 && length >= 16) {
      unsigned kind = little(chunk + 8, 2);
      kind = kind == 0xFFFE && length >= 26 ? little(chunk + 32, 2) : kind;  // extensible
      channels = little(chunk + 10, 2);
      wav.rate_hz = little(chunk + 12, 4);
      size = little(chunk + 22, 2) / 8;
      is_float = kind == 3;
      if (channels == 0 || size < 2 || size > 4 || (is_float ? size != 4 : kind != 1)) {
        leave(expected);
      }
    } else if (std::memcmp(chunk, "data", 4) == 0 && channels > 0) {
      for (std::size_t n = 0; n < length / (channels * size); ++n) {
        float sum = 0.0F;
        for (std::size_t c = 0; c < channels; ++c) {
          sum += sample(&file[at + (n * channels + c) * size], size, is_float);
        }
        wav.samples.push_back(sum / static_cast<float>(channels));
      }
      return wav;
    }
    at += std::min(length + length % 2, file.size() - at);
  }
  leave(expected);
}

// The installed model: beside this program.
std::string installed_bundle(const char* program) {
  std::string self = program;
#if defined(__linux__)
  char path[4096];
  const ssize_t count = readlink("/proc/self/exe", path, sizeof path);
  if (count > 0) {
    self.assign(path, static_cast<std::size_t>(count));
  }
#endif
  const std::size_t slash = self.find_last_of("/\\");
  return (slash == std::string::npos ? "." : self.substr(0, slash)) + "/" + DT_BUNDLE_FOLDER;
}

void print(const std::vector<float>& frames, std::size_t count, std::size_t width) {
  for (std::size_t i = 0; i < count * width; ++i) {
    std::printf("%.10f%c", static_cast<double>(frames[i]), (i + 1) % width == 0 ? '\n' : ',');
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string usage =
      "usage: wav_to_csv [--bundle FOLDER_OR_FILE] [--seed N] [--identity NAME] FILE.wav";
  std::string bundle_path = installed_bundle(argv[0]), wav_path, identity = DT_AUTO_IDENTITY;
  dt_options options;
  dt_options_init(&options);
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--help") {
      std::printf("%s\nPrints a CSV: a header of curve names, then a row a frame.\n",
                  usage.c_str());
      return 0;
    }
    if (word.substr(0, 2) == "--" && i + 1 < argc) {
      const char* value = argv[++i];
      if (word == "--bundle") {
        bundle_path = value;
      } else if (word == "--identity") {
        identity = value;
      } else if (word == "--seed" && *value >= '0' && *value <= '9') {
        char* end = nullptr;
        options.seed = std::strtoull(value, &end, 10);
        if (*end != '\0') {
          leave("--seed: expected a whole number, got " + std::string(value));
        }
      } else {
        leave(usage);
      }
    } else if (wav_path.empty() && word.substr(0, 2) != "--") {
      wav_path = word;
    } else {
      leave(usage);
    }
  }
  if (wav_path.empty()) {
    leave(usage);
  }

  const Wav wav = read_wav(wav_path);
  dt_error error;
  dt_bundle* opened = nullptr;
  dt_runtime* created = nullptr;
  if (dt_bundle_open(bundle_path.c_str(), &opened, &error) != DT_OK) {
    leave(error.text);
  }
  const std::unique_ptr<dt_bundle, Close> bundle(opened);
  options.sample_rate_hz = static_cast<std::int32_t>(wav.rate_hz);
  options.identity = identity.c_str();
  if (dt_create(bundle.get(), &options, &created, &error) != DT_OK) {
    leave(error.text);
  }
  const std::unique_ptr<dt_runtime, Close> runtime(created);
  dt_runtime_info info;
  dt_runtime_info_init(&info);
  dt_runtime_get_info(runtime.get(), &info, nullptr);
  const auto width = static_cast<std::size_t>(info.width);
  for (std::int32_t i = 0; i < info.width; ++i) {
    std::printf("%s%c", dt_value_name(runtime.get(), i), i + 1 == info.width ? '\n' : ',');
  }

  std::vector<float> frames;
  const std::size_t second = wav.rate_hz;
  for (std::size_t at = 0; at < wav.samples.size(); at += second) {
    const std::size_t count = std::min(second, wav.samples.size() - at);
    std::size_t due = 0, written = 0;
    dt_frames_due(runtime.get(), 0, count, &due, nullptr);
    frames.resize(due * width);
    if (dt_step(runtime.get(), &wav.samples[at], count, frames.data(), due, &written, &error) !=
        DT_OK) {
      leave(error.text);
    }
    print(frames, written, width);
  }
  std::size_t owed = 0, written = 0;
  dt_frames_owed(runtime.get(), 0, &owed, nullptr);
  frames.resize(owed * width);
  if (dt_flush(runtime.get(), frames.data(), owed, &written, &error) != DT_OK) {
    leave(error.text);
  }
  print(frames, written, width);
  return std::fflush(stdout) == 0 ? 0 : 2;
}
