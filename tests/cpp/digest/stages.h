// The stages whose bits are compared: those around the network, which are the same code on every
// instruction set, and the network's, with each of its kernels.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dt/time_base.h"
#include "hash.h"
#include "model_file.h"

namespace dt_digest {

using Flags = std::unique_ptr<bool[]>;

// The clip, and what the stages before the network make of it. Its features are the lowest bands of
// its columns: what the network makes of those is another stage's to say.
struct Heard {
  static constexpr std::int64_t kChannels = 20;
  const dt::TimeBase time{60, 1, 2};

  explicit Heard(std::vector<float> samples);

  std::vector<float> clip, mel, level_db, audio;
  Flags voiced_columns, voiced;
  std::int64_t columns = 0, frames = 0;
};

struct Stage {
  const char* name;
  void (*run)(const Heard& heard, Digest& digest);
};
const std::vector<Stage>& stages_around();

// A way to compute a stage, with a name if it is not the only one; all ways give the same bits.
struct NetworkStage {
  const char* name;
  const char* way;
  void (*run)(const Heard& heard, const ModelFile& model, const std::string& kernel,
              Digest& digest);
};
const std::vector<NetworkStage>& stages_of_network();

}  // namespace dt_digest
