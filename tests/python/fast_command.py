"""A command of the package as a document gives it, but soon over: `fast_command.py dt-stream ...`.

Half a second of sound instead of a clip, two rounds instead of twenty, and a port of its own
(DT_TEST_PORT), so that several run at once. Nothing else of the command is changed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module

from paths import scripts

SECONDS = 0.5
SENDER_SECONDS = 1.5


def faster(name: str, arguments: list[str]) -> list[str]:
    """The arguments of a run that takes a second or two."""
    out = list(arguments)
    if "--seconds" in out:
        at = out.index("--seconds") + 1
        out[at] = out[at] if float(out[at]) <= SENDER_SECONDS else str(SECONDS)
    elif name == "dt-stream" and "--demo" in out:
        out += ["--seconds", str(SECONDS)]
    elif name == "dt-watch":
        out += ["--seconds", "1"]
    if name == "dt-bench" and "-h" not in out:
        out += ["--quick", *([] if "--peers" in out else ["--peers", "none"])]
    return out


def main() -> object:
    name, *arguments = sys.argv[1:]
    from diffusiontalker.stream.outputs import endpoint

    endpoint.DEFAULT_PORT = int(os.environ["DT_TEST_PORT"])
    endpoint.DEFAULT_ENDPOINT = f"tcp://127.0.0.1:{endpoint.DEFAULT_PORT}"
    if name == "dt-watch" and not any(
        "://" in word for word in arguments
    ):  # it shows what a dt-stream sends
        subprocess.Popen(
            [sys.executable, __file__, "dt-stream", "--demo", "--seconds", str(SENDER_SECONDS)],
            stdout=subprocess.DEVNULL,
        )
    module, function = scripts()[name].split(":")
    sys.argv = [name, *faster(name, arguments)]
    return getattr(import_module(module), function)()


if __name__ == "__main__":
    sys.exit(main())
