"""How many instructions does a frame take on ARM, in int8 beside float32?

    poe digests gcc-aarch64                # builds the library for ARM
    python studies/arm_instructions.py     # wants the same compiler and qemu-aarch64 with plugins

No ARM processor was at hand, so nothing is timed: qemu counts what is executed between one and two
seconds of sound through a random model of the embedded one's shape, 16 ms a step and at once.

Answer (2026-11-29, GCC 12.2 -O3, qemu 7.2, the build before kernels were tuned): frame by frame
1.78 million instructions with dot products and 3.04 million without, against 5.11 million in
float32, which is 2.9 and 1.7 times as many; at once 1.48 and 2.94 against 5.27 million
(docs/performance.md).
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "digest" / "gcc-aarch64"

#: Of qemu's plugin interface, version 1, as its documentation has it.
PLUGIN = r"""
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
struct qemu_plugin_tb;
int qemu_plugin_version = 1;
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t, void (*)(uint64_t, struct qemu_plugin_tb *));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int, void *, uint64_t);
void qemu_plugin_register_atexit_cb(uint64_t, void (*)(uint64_t, void *), void *);
static uint64_t executed;
static void translated(uint64_t id, struct qemu_plugin_tb *block) {
  qemu_plugin_register_vcpu_tb_exec_inline(block, 0, &executed, qemu_plugin_tb_n_insns(block));
}
static void at_exit(uint64_t id, void *data) { fprintf(stderr, "%" PRIu64 "\n", executed); }
int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv) {
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_atexit_cb(id, at_exit, NULL);
  return 0;
}
"""
#: KERNEL PRECISION SAMPLES_A_STEP SAMPLES -> frames
PROGRAM = r"""
#include <cstdio>
#include <cstdlib>
#include "random_model.h"
int main(int, char** argv) {
  const auto model = dt_test::RandomModel::embedded().build(argv[1], argv[2]);
  const long long step = std::atoll(argv[3]), total = std::atoll(argv[4]);
  dt::Runtime runtime(model, 1, dt::kAutoIdentity);
  const std::vector<float> audio = dt_test::speech_like(total + step);
  std::vector<float> frames(52 * 400);
  long long due = 0;
  for (long long at = 0; at < total; at += step) {
    due += runtime.frames_due(step);
    runtime.step(audio.data() + at, step, frames.data());
  }
  std::printf("%lld\n", due);
}
"""


def build(folder: Path) -> list[str]:
    """The command that counts, without the program's arguments."""
    (folder / "plugin.c").write_text(PLUGIN)
    (folder / "program.cpp").write_text(PROGRAM)
    plugin, program = f"{folder}/plugin.so", f"{folder}/program"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O2", f"{folder}/plugin.c", "-o", plugin], check=True
    )
    places = ("cpp/include", "cpp/src", "tests/cpp", str(BUILD / "generated"))
    subprocess.run(
        ["aarch64-linux-gnu-g++", "-O2", "-std=c++17", "-static", f"{folder}/program.cpp"]
        + [f"-I{ROOT / place}" for place in places]
        + [str(BUILD / "libdt.a"), "-o", program],
        check=True,
    )
    return ["qemu-aarch64", "-plugin", plugin, program]


def counted(command: list[str], *arguments: object) -> tuple[int, int]:
    """(instructions, frames) of a whole run."""
    done = subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, encoding="utf-8", check=True
    )
    (executed,) = re.findall(r"^\d+$", done.stderr, flags=re.M)
    return int(executed), int(done.stdout)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = build(Path(folder))
        for kernel in ("neondot", "neon", "scalar"):
            for precision in ("int8", "float32"):
                for step in (256, 16000):
                    short = counted(command, kernel, precision, step, 16000)
                    long = counted(command, kernel, precision, step, 32000)
                    each = (long[0] - short[0]) / (long[1] - short[1])
                    print(f"{kernel} {precision}, {step} samples a step: {each:,.0f} a frame")


if __name__ == "__main__":
    main()
