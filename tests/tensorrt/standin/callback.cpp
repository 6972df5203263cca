// For tests in Python: the stand-in engine's work is a callback, told the names of the bindings and
// where they lie.
#include <utility>
#include <vector>

#include "standin.h"

extern "C" void standin_compute_with(void (*compute)(int count, const char** names, void** data)) {
  standin::control().compute = [compute](const standin::Tensors& tensors) {
    std::vector<const char*> names;
    std::vector<void*> data;
    for (const auto& [name, tensor] : tensors) {
      names.push_back(name.c_str());
      data.push_back(tensor.data);
    }
    compute(static_cast<int>(names.size()), names.data(), data.data());
  };
}

// The CUDA call of this name fails from now on; "" = none.
extern "C" void standin_fail(const char* call) {
  standin::control().failing_call = call;
  standin::control().working_calls = 0;
}
