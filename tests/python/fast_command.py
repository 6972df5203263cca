"""A command of the package as a document gives it, but soon over: `fast_command.py dt-stream ...`.

Half a second of sound instead of a clip, two rounds instead of twenty, and a port of its own
(DT_TEST_PORT), so that several run at once. Nothing else of the command is changed.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from importlib import import_module

from paths import scripts

SECONDS = 0.5
LONGEST_SECONDS = 1.5
#: Commands that wait for others until Ctrl-C, which comes so long after they said where they are.
SERVERS = ("dt-serve",)
CTRL_C_AFTER_S = 0.5


def faster(name: str, arguments: list[str]) -> list[str]:
    """The arguments of a run that takes a second or two."""
    out = list(arguments)
    if "--seconds" in out:
        at = out.index("--seconds") + 1
        out[at] = out[at] if float(out[at]) <= LONGEST_SECONDS else str(SECONDS)
    elif name == "dt-stream" and "--demo" in out:
        out += ["--seconds", str(SECONDS)]
    elif name == "dt-watch":
        out += ["--seconds", "2"]
    elif name == "dt-serve" and out[:1] == ["bench"] and "--help" not in out:
        out += ["--seconds", "1"]
    if name in SERVERS and all(word.startswith("-") for word in out[:1]):
        # Two documents' servers may run at once: any free port.
        out += [word for port in ("--grpc-port", "--http-port") if port not in out
                for word in (port, "0")]  # fmt: skip
    if name == "dt-bench" and "-h" not in out:
        out += ["--quick", *([] if "--peers" in out else ["--peers", "none"])]
    return out


def wait_for(port: int) -> None:
    """Until somebody listens there."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.02)
        else:
            return


def interrupt_when_said() -> None:
    """Ctrl-C, soon after the first words on the standard output."""
    write = sys.stdout.write
    said = threading.Event()

    def heard(text: str) -> int:
        if not said.is_set():
            said.set()
            threading.Timer(CTRL_C_AFTER_S, os.kill, (os.getpid(), signal.SIGINT)).start()
        return write(text)

    sys.stdout.write = heard  # type: ignore[method-assign]


def main() -> object:
    name, *arguments = sys.argv[1:]
    from diffusiontalker.stream.outputs import endpoint

    endpoint.DEFAULT_PORT = int(os.environ["DT_TEST_PORT"])
    endpoint.DEFAULT_ENDPOINT = f"tcp://127.0.0.1:{endpoint.DEFAULT_PORT}"
    if name == "dt-watch" and not any(
        "://" in word for word in arguments
    ):  # it shows what a dt-stream sends
        stream = [sys.executable, "-m", "diffusiontalker.stream.cli", "--demo", "--quiet"]
        bind = ["--bind", endpoint.DEFAULT_ENDPOINT, "--seconds", "60"]
        sender = subprocess.Popen([*stream, *bind], stdout=subprocess.DEVNULL)
        atexit.register(sender.wait)
        atexit.register(sender.terminate)  # called first
        wait_for(endpoint.DEFAULT_PORT)
    if name in SERVERS and all(word.startswith("-") for word in arguments[:1]):
        interrupt_when_said()
    module, function = scripts()[name].split(":")
    sys.argv = [name, *faster(name, arguments)]
    return getattr(import_module(module), function)()


if __name__ == "__main__":
    sys.exit(main())
