// The plugin's client in simulated time: real but for its socket (socket.cpp) and its clock.
//
//   simulated_receiver OUT DRIFT_PPM OFFSET_NS DELAY_MS < messages
//
// A message on standard input: when it arrives (int64, true time, ns), the sizes of topic and
// payload (uint32 each), both. Writes a record for each frame that was shown to OUT, and says at
// the end what it has seen. tests/simulated/simulation.py runs it.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "dt/face/face_client.h"
#include "simulated/world.h"

World& World::the() {
  static World world;
  return world;
}

bool World::has_next() {
  if (read_) return true;
  struct {
    std::int64_t arrival_ns;
    std::uint32_t topic, payload;
  } head;
  static_assert(sizeof head == 16);
  if (std::fread(&head, sizeof head, 1, stdin) != 1) return false;
  next.arrival_ns = head.arrival_ns;
  next.topic.resize(head.topic);
  next.payload.resize(head.payload);
  read_ = (head.topic == 0 || std::fread(&next.topic[0], head.topic, 1, stdin) == 1) &&
          (head.payload == 0 || std::fread(&next.payload[0], head.payload, 1, stdin) == 1);
  return read_;
}

namespace {

double rate = 1.0;
std::int64_t offset_ns = 0;

// The receiver's own clock. Nothing waits for a socket between two connections: time goes on then
// whenever it is looked at.
std::int64_t local_ns() {
  World& world = World::the();
  if (!world.waited) world.now_ns += 1'000'000;
  world.waited = false;
  return offset_ns + static_cast<std::int64_t>(static_cast<double>(world.now_ns) * rate);
}

// CRC-32 as zlib has it.
std::uint32_t crc32(const void* data, std::size_t size) {
  static const std::array<std::uint32_t, 256> table = [] {
    std::array<std::uint32_t, 256> made{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      made[i] = i;
      for (int bit = 0; bit < 8; ++bit) {
        made[i] = made[i] >> 1 ^ ((made[i] & 1) != 0 ? 0xEDB88320u : 0u);
      }
    }
    return made;
  }();
  std::uint32_t crc = 0xFFFFFFFFu;
  const auto* bytes = static_cast<const unsigned char*>(data);
  for (std::size_t i = 0; i < size; ++i) crc = table[(crc ^ bytes[i]) & 0xFF] ^ crc >> 8;
  return ~crc;
}

class Records : public dt::FaceSink {
 public:
  explicit Records(std::FILE* out) : out_(out) {}
  void face_started(const std::string&, const std::vector<std::string>&) override { ++started_; }
  void face_moved(const std::string&, const dt::FaceFrame& frame) override {
    const struct {
      std::int64_t local_ns, shown_ns, index;
      std::uint32_t flags, crc;
    } record = {frame.local_ns, World::the().now_ns, frame.index, frame.flags,
                crc32(frame.values.data(), frame.values.size() * sizeof(float))};
    static_assert(sizeof record == 32);
    if (std::fwrite(&record, sizeof record, 1, out_) != 1) std::exit(3);
  }
  int started() const { return started_; }

 private:
  std::FILE* out_;
  int started_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  std::FILE* out = argc == 5 ? std::fopen(argv[1], "wb") : nullptr;
  if (out == nullptr) {
    std::fprintf(stderr, "usage: simulated_receiver OUT DRIFT_PPM OFFSET_NS DELAY_MS\n");
    return 2;
  }
  rate = 1.0 + std::atof(argv[2]) * 1e-6;
  offset_ns = std::atoll(argv[3]);
  dt::Connection connection;
  connection.delay_ms = std::atoi(argv[4]);
  Records records(out);
  dt::FaceClient client(connection, &records, local_ns);
  World::the().over = [&client] { client.stop(); };
  client.run();
  const dt::Statistics seen = client.statistics();
  std::printf(
      "{\"frames\": %llu, \"lost\": %llu, \"late\": %llu, \"duplicates\": %llu, \"malformed\": "
      "%llu, "
      "\"connections\": %lld, \"clock_resets\": %llu, \"sessions\": %d}\n",
      static_cast<unsigned long long>(seen.frames), static_cast<unsigned long long>(seen.lost),
      static_cast<unsigned long long>(seen.late), static_cast<unsigned long long>(seen.duplicates),
      static_cast<unsigned long long>(seen.malformed), static_cast<long long>(seen.connections),
      static_cast<unsigned long long>(seen.clock_resets), records.started());
  return std::fclose(out) == 0 ? 0 : 3;
}
