// Listens to a publisher for some seconds and prints what the client saw.
//
//   listen "endpoint=tcp://127.0.0.1:5560;subject=;delayms=0" SECONDS
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "dt/face/face_client.h"

namespace {

class Printer : public dt::FaceSink {
 public:
  void face_started(const std::string& subject, const std::vector<std::string>& names) override {
    std::printf("%s: %zu curves\n", subject.c_str(), names.size());
  }
  void face_moved(const std::string&, const dt::FaceFrame&) override {}
};

}  // namespace

int main(int argc, char** argv) {
  dt::Connection connection;
  std::string why;
  if (argc != 3 || !dt::parse_connection(argv[1], &connection, &why)) {
    std::fprintf(stderr, "usage: listen CONNECTION SECONDS\n%s\n", why.c_str());
    return 2;
  }
  Printer printer;
  dt::FaceClient client(connection, &printer);
  std::thread thread([&client] { client.run(); });
  std::this_thread::sleep_for(
      std::chrono::milliseconds(static_cast<int>(std::atof(argv[2]) * 1000)));
  const dt::Statistics seen = client.statistics();
  std::printf("%s\n", client.status().c_str());
  client.stop();
  thread.join();
  std::printf(
      "%llu frames, %llu lost, %llu malformed\n", static_cast<unsigned long long>(seen.frames),
      static_cast<unsigned long long>(seen.lost), static_cast<unsigned long long>(seen.malformed));
  return seen.frames > 0 && seen.lost == 0 && seen.malformed == 0 ? 0 : 1;
}
