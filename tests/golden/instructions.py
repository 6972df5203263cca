"""Counts the runtime's instructions a frame, which no neighbour on the machine can change:

    python tests/golden/instructions.py build/release/bench_runtime [--renew]

Callgrind runs the C++ benchmark's half a second of sound on the AVX2 kernel (it knows no AVX-512),
as a live voice and as a clip. More than the tolerance away from instructions.json, either way, is
exit code 1; --renew writes what was found there instead. Another compiler or C library counts
differently: `made_with` says which it was.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

STORED = Path(__file__).with_suffix(".json")
KERNEL = "avx2"
TOLERANCE = 0.03


def counted(binary: Path) -> dict[str, int]:
    """Instructions a frame by the name of what was played."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [
                "valgrind", "--tool=callgrind", "--instr-atstart=no",
                f"--callgrind-out-file={folder}/out", str(binary), "count",
            ],
            env={**os.environ, "DT_KERNEL": KERNEL},
            capture_output=True,
            encoding="utf-8",
        )  # fmt: skip
        if done.returncode != 0:
            raise SystemExit(f"instructions.py: {binary} under callgrind: {done.stderr[-2000:]}")
        frames = {
            name: int(number)
            for number, name in re.findall(r"^(\d+) frames, (.+)$", done.stdout, flags=re.M)
        }
        found = {}
        for part in sorted(Path(folder).glob("out.*")):
            text = part.read_text()
            name = re.search(r"^desc: Trigger: Client Request: (.+)$", text, flags=re.M)
            total = re.search(r"^totals: (\d+)", text, flags=re.M)
            if name and total and name[1] in frames:
                found[name[1]] = round(int(total[1]) / frames[name[1]])
    if found.keys() != frames.keys() or not all(found.values()):
        raise SystemExit(
            f"instructions.py: {binary} was built without valgrind's headers: install valgrind, "
            "build it again"
        )
    return found


def made_with() -> str:
    compiler = subprocess.run(["c++", "--version"], capture_output=True, encoding="utf-8").stdout
    return f"{compiler.splitlines()[0]}, {' '.join(platform.libc_ver())}"


def main() -> int:
    renew = "--renew" in sys.argv
    places = [Path(word) for word in sys.argv[1:] if word != "--renew"]
    if len(places) != 1 or not places[0].is_file():
        raise SystemExit("instructions.py: expected the path of a built bench_runtime")
    if shutil.which("valgrind") is None or platform.machine() not in ("x86_64", "AMD64"):
        lacking = "instructions.py: not counted: it takes valgrind, on x86-64"
        if os.environ.get("CI"):
            raise SystemExit(lacking)
        print(lacking)
        return 0
    found = counted(places[0].resolve())
    if renew:
        stored = {"kernel": KERNEL, "made_with": made_with(), "instructions_a_frame": found}
        STORED.write_text(json.dumps(stored, indent=2) + "\n", "utf-8")
        return 0
    stored = json.loads(STORED.read_text("utf-8"))
    away = False
    for name, number in found.items():
        expected = stored["instructions_a_frame"][name]
        change = number / expected - 1
        print(f"{name}: {number} instructions a frame, {100 * change:+.1f} % ({KERNEL})")
        away |= abs(change) > TOLERANCE
    if away:
        print(
            f"instructions.py: more than {100 * TOLERANCE:.0f} % away from {STORED.name} "
            f"(made with {stored['made_with']}; here {made_with()}). If that is meant, and if it "
            "became fewer: poe golden-instructions, and say in the commit why.",
            file=sys.stderr,
        )
    return int(away)


if __name__ == "__main__":
    sys.exit(main())
