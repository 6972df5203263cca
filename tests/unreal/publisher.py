"""A sender for the tests of the Unreal client: real libzmq, the project's own wire, no model.

Prints the endpoint as its first line. Frames start when asked to by a line `go` on stdin, and stop
after --seconds, on a line `stop` (with the goodbye) or when stdin closes (without one).
"""

from __future__ import annotations

import argparse
import functools
import importlib
import select
import sys
import time
from pathlib import Path
from types import ModuleType

import zmq

PACKAGE = Path(__file__).resolve().parents[2] / "python" / "diffusiontalker"


def load(name: str) -> ModuleType:
    """A module of the package and what it imports, without the package's own `__init__`.

    That one needs the compiled extension; the wire does not.
    """
    bare = ModuleType(PACKAGE.name)
    bare.__path__ = [str(PACKAGE)]
    sys.modules.setdefault(PACKAGE.name, bare)
    return importlib.import_module(f"{PACKAGE.name}.{name}")


@functools.lru_cache(maxsize=4096)
def values(first: int, count: int) -> tuple[float, ...]:
    """What the curves are; the tests compute it again. `first` is (7 subject + 13 frame) % 1000."""
    return tuple(((first + 31 * curve) % 1000) / 1000.0 for curve in range(count))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", choices=("PUB", "XPUB"), default="XPUB")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--rate", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--subjects", default="Face")
    parser.add_argument("--idle", action="store_true", help="announce, but send no frames")
    parser.add_argument("--keys", help="make keys in this folder, and ask for them")
    parser.add_argument("--stay", action="store_true", help="after the goodbye, until stdin closes")
    options = parser.parse_args()
    wire = load("wire")
    curves = load("curves").CURVES
    subjects = options.subjects.split(",")

    context = zmq.Context()
    socket = context.socket(getattr(zmq, options.socket))
    # A client under a sanitizer on a busy machine is slow; what was sent must reach it still.
    socket.setsockopt(zmq.LINGER, 30000)
    # Nothing may be dropped at this end: the tests count what the client loses.
    socket.setsockopt(zmq.SNDHWM, 0)
    if options.socket == "XPUB":
        socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        socket.setsockopt(zmq.HEARTBEAT_IVL, 1000)
        # As long as a client under a sanitizer may get no processor.
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 30000)
    asked = admission = None
    if options.keys:
        keys = load("stream.outputs.keys")
        keys.make(options.keys)
        own = keys.read_sender(f"{options.keys}/sender")
        asked = context.socket(zmq.REP)
        admission = load("stream.outputs.admission").Admission(asked, own.receivers)
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        socket.setsockopt(zmq.CURVE_SECRETKEY, own.secret)
        socket.setsockopt(zmq.ZAP_DOMAIN, b"dt")
    socket.bind(f"tcp://127.0.0.1:{options.port}")
    print(socket.getsockopt_string(zmq.LAST_ENDPOINT), flush=True)

    session = wire.new_session()
    start_ns = time.monotonic_ns()
    schemas = [
        wire.encode(
            wire.Schema(
                subject=subject, session=session, curves=tuple(curves), rate_num=options.rate,
                rate_den=1, model="test", model_version="0", lookahead_ms=60.0, audio_rate=48000,
                start_ns=start_ns, start_unix_ns=time.time_ns(),
            )
        )
        for subject in subjects
    ]  # fmt: skip
    going = False
    frames = 0
    first_ns = 0
    schema_due_ns = 0
    while True:
        now_ns = time.monotonic_ns()
        due_ns = first_ns + round(frames * 1e9 / options.rate)
        wait_s = max(0.0, (due_ns - now_ns) / 1e9) if going and not options.idle else 0.02
        if select.select([sys.stdin], [], [], min(wait_s, 0.02))[0]:
            line = sys.stdin.readline()
            if line == "go\n":
                going = True
                first_ns = time.monotonic_ns()
                continue
            if line == "stop\n":
                break
            return 0
        if admission is not None:
            admission.serve()
        if options.socket == "XPUB":
            while socket.poll(0):
                socket.recv()
                schema_due_ns = 0
        now_ns = time.monotonic_ns()
        if now_ns >= schema_due_ns:
            for schema in schemas:
                socket.send_multipart(schema)
            # A PUB socket hears of no subscriptions, so it repeats more often.
            schema_due_ns = now_ns + (1_000_000_000 if options.socket == "XPUB" else 100_000_000)
        if not going or options.idle or now_ns < due_ns:
            continue
        for number, subject in enumerate(subjects):
            frame = wire.Frame(
                subject=subject, session=session, sequence=frames, index=frames,
                rate_num=options.rate, rate_den=1, position=frames * 48000 // options.rate,
                audio_rate=48000, capture_ns=start_ns + round(frames * 1e9 / options.rate),
                flags=0,
                curves=values((7 * number + 13 * frames) % 1000, len(curves)),
            )  # fmt: skip
            socket.send_multipart(wire.encode(frame))
        frames += 1
        if frames >= options.seconds * options.rate:
            break
    for subject in subjects:
        socket.send_multipart(wire.encode(wire.Bye(subject, session, frames, "end of the test")))
    if options.stay:
        sys.stdin.read()
    socket.close()
    if asked is not None:
        asked.close(linger=0)
    context.term()
    return 0


if __name__ == "__main__":
    sys.exit(main())
