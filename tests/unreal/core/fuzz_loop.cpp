// Runs the fuzz target for a given time on mutations of good inputs, its corpus. The inputs follow
// from the seed, so a failure can be repeated: it prints the seed of the round before it runs it,
// on request.
//
//   fuzz SECONDS [FIRST_SEED]
//   fuzz --corpus FOLDER           writes the good inputs, a file each, for libFuzzer to start from
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "wire_writer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::vector<std::string> corpus() {
  wire_writer::FrameFields fields;
  fields.values.assign(52, 0.5f);
  const wire_writer::Parts frame = wire_writer::frame(fields);
  const wire_writer::Parts schema =
      wire_writer::schema("Face", 7, {"jawOpen", "jawLeft", "tongueOut"});
  const wire_writer::Parts bye = wire_writer::bye("Face", 7, 12, "end of the audio");
  const wire_writer::Parts audio = wire_writer::audio({});
  const std::string handshake = wire_writer::greeting() + wire_writer::ready();
  const std::string ping = wire_writer::zmtp_frame(4, std::string("\x04PING\0\x1E"
                                                                  "ctx",
                                                                  10));
  return {
      frame[0] + "\n" + frame[1],
      schema[0] + "\n" + schema[1],
      bye[0] + "\n" + bye[1],
      audio[0] + "\n" + audio[1],
      handshake + wire_writer::message(schema) + wire_writer::message(frame) + ping +
          wire_writer::message(bye),
      handshake + wire_writer::zmtp_frame(1, "a") +
          wire_writer::zmtp_frame(0, std::string(300, 'b')),
      wire_writer::greeting("CURVE"),
      wire_writer::greeting("CURVE") +
          wire_writer::zmtp_frame(4, "\x07WELCOME" + std::string(160, 'w')),
      "\x01" + frame[0] + "\n" + std::string(1, '\0') + frame[1] + "\n\x02\x04PING",
      "endpoint=tcp://127.0.0.1:5560;subject=Anna%3B;gains=softlips;delayms=40",
      std::string(),
  };
}

std::string mutated(std::string bytes, const std::vector<std::string>& inputs,
                    std::mt19937_64& random) {
  static const char kEdges[] = {'\x00', '\x01', '\x7F', '\x80', '\xFF', '\xC0', '\xC1', '\xCA',
                                '\xCF', '\xD9', '\xDB', '\xDC', '\xDD', '\xDF', '\x90', '\x8F'};
  const int changes = static_cast<int>(random() % 6);
  for (int i = 0; i < changes; ++i) {
    const std::size_t at = bytes.empty() ? 0 : random() % bytes.size();
    switch (random() % 7) {
      case 0:
        if (!bytes.empty()) bytes[at] = static_cast<char>(random());
        break;
      case 1:
        if (!bytes.empty()) bytes[at] = kEdges[random() % sizeof kEdges];
        break;
      case 2:
        bytes.insert(at, 1, static_cast<char>(random()));
        break;
      case 3:
        bytes.erase(at, 1 + random() % 8);
        break;
      case 4:
        bytes.resize(at);
        break;
      case 5:
        bytes.insert(at, bytes.substr(at, random() % 64));
        break;
      default: {
        const std::string& other = inputs[random() % inputs.size()];
        bytes.insert(at, other.substr(other.empty() ? 0 : random() % other.size(), random() % 64));
      }
    }
  }
  return bytes;
}

int write_corpus(const std::filesystem::path& folder) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  int number = 0;
  for (const std::string& input : corpus()) {
    const std::filesystem::path path = folder / std::to_string(number++);
    if (std::ofstream(path, std::ios::binary) << input) continue;
    std::fprintf(stderr, "fuzz: cannot write %s\n", path.string().c_str());
    return 2;
  }
  std::printf("%d files\n", number);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "--corpus") return write_corpus(argv[2]);
  char* end = nullptr;
  const double seconds = argc < 2 ? 0.0 : std::strtod(argv[1], &end);
  if (argc < 2 || end == argv[1] || *end != '\0' || seconds <= 0.0) {
    std::fprintf(stderr, "usage: fuzz SECONDS [FIRST_SEED] | fuzz --corpus FOLDER\n");
    return 2;
  }
  std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  const bool verbose = argc > 2;
  const std::vector<std::string> inputs = corpus();
  const auto start = std::chrono::steady_clock::now();
  std::uint64_t rounds = 0;
  while (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() <
         seconds) {
    // A seed covers a hundred inputs; with a seed on the command line each is named before it runs.
    if (verbose) {
      std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
      std::fflush(stdout);
    }
    std::mt19937_64 random(seed++);
    for (int i = 0; i < 100; ++i, ++rounds) {
      const std::string bytes = mutated(inputs[random() % inputs.size()], inputs, random);
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    }
  }
  std::printf("%llu inputs\n", static_cast<unsigned long long>(rounds));
  return 0;
}
