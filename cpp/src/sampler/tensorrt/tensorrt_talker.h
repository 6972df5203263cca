// The whole path on a GPU: a backend that hears. All voices are in one launch, and always all of
// them: a voice that has nothing to say keeps its state, and its result does not depend on the
// others.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dt/backend.h"
#include "dt/model.h"
#include "sampler/backend.h"
#include "sampler/tensorrt/tensorrt_abi.h"

namespace dt {

class TensorRtTalker final : public Backend {
 public:
  static bool has_engine(const BackendOptions& options);

  // Throws std::runtime_error with a sentence and a remedy.
  TensorRtTalker(std::shared_ptr<const Model> model, const BackendOptions& options,
                 std::int64_t voices);

  bool hears() const override { return true; }
  // Throw std::runtime_error where a launch fails. Then every voice has to be reset before it goes
  // on.
  void talk(const Tick* ticks, std::int64_t count) override;
  void rest() override;
  void reset(std::int64_t voice) override;
  void sample(const Job* jobs, std::int64_t count) override;

  std::string describe() const;  // GPU, library, CUDA graph
  std::int64_t voices() const { return voices_; }
  std::int64_t room() const { return room_; }  // columns of a voice a launch

  // A voice's newest state by the name of its binding, float32; see graphs.py.
  std::vector<float> read_state(const std::string& name, std::int64_t voice) const;

 private:
  // The graph's inputs and outputs, in the order of the bindings.
  enum Port : std::int64_t {
    kMel,
    kNoise,
    kColumns,
    kFrame,
    kSampled,
    kVoiced,
    kShare,
    kFollow,
    kFirst,
    kCurves,
    kIdentityRow,
    kIdentityScores,
    kPorts
  };

  struct Binding {
    std::string name;
    std::int32_t role;
    bool half;
    std::vector<std::int64_t> shape;
  };

  std::vector<Binding> bindings_of(const std::string& precision) const;
  void fill(const Tick* ticks, std::int64_t count);
  void wait();
  void fail_all();

  std::shared_ptr<const Model> model_;
  std::int64_t voices_, room_, curves_, identities_;
  std::vector<Binding> bindings_;
  const DtTensorRtApi* api_;
  std::unique_ptr<DtTensorRtTalker, void (*)(DtTensorRtTalker*)> talker_;
  std::vector<std::uint8_t> lost_;  // voices whose state a failed launch has left unknown
  // Of the launches on their way, the oldest first: what to leave where.
  std::array<std::vector<Tick>, kDtTensorRtLaunches> told_;
  std::int64_t launched_ = 0, waited_ = 0;
};

}  // namespace dt
