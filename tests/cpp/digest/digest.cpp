// One line a stage: its name and a digest of what it makes of a clip. Whatever compiler, flags and
// machine this is built with and run on, the lines are the same; digests.py holds them to that.
//
//   dt_digest CLIP MODEL      raw 16 kHz float32, little-endian; a model as digests.py writes it
//
// A stage of the network has a line for each of this machine's kernels and each way to compute it,
// which stand behind its digest. Built without exceptions too, as for WebAssembly.
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "dt/kernels.h"
#include "stages.h"

namespace {

void print(const char* stage, const dt_digest::Digest& digest, const std::string& kernel = "",
           const char* way = "") {
  std::printf("%s %016llx%s%s%s%s\n", stage, static_cast<unsigned long long>(digest.value()),
              kernel.empty() ? "" : " ", kernel.c_str(), *way == '\0' ? "" : " ", way);
  std::fflush(stdout);
}

void print_digests(const std::string& clip_path, const std::string& model_path) {
  std::vector<float> clip = dt_digest::read_floats(clip_path);
  if (clip.size() < 16000) {
    dt_digest::stop(clip_path + ": expected a second of 16 kHz float32 at least");
  }
  const dt_digest::ModelFile model(model_path);
  const dt_digest::Heard heard(std::move(clip));
  for (const dt_digest::Stage& stage : dt_digest::stages_around()) {
    dt_digest::Digest digest;
    stage.run(heard, digest);
    print(stage.name, digest);
  }
  for (const std::string& kernel : dt::available_kernels()) {
    for (const dt_digest::NetworkStage& stage : dt_digest::stages_of_network()) {
      dt_digest::Digest digest;
      stage.run(heard, model, kernel, digest);
      print(stage.name, digest, kernel, stage.way);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: dt_digest CLIP MODEL\n", stderr);
    return 2;
  }
  print_digests(argv[1], argv[2]);
  return 0;
}
