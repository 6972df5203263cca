"""Hours of a live stream in minutes: sound card, network and receiver in simulated time.

    python tests/simulated/simulation.py --hours 4                 a small random bundle
    python tests/simulated/simulation.py --minutes 20 --embedded   the model that ships
    python tests/simulated/simulation.py --minutes 5 --seed 12     that course once more

Real are `LiveSession`, `Microphone` and its clock, `Runtime` with its worker thread, `Publisher` up
to its socket, and the plugin's client (tests/unreal/simulated) from its socket on: ZMTP, decoding,
clock map, jitter buffer. The sound card (voice.py) drifts by up to 200 ppm, is late and goes away;
the receiver's clock drifts as far; the network (link.py) delays, reorders, repeats and loses
messages, stalls, and cuts the connection. All of it follows from the seed, and so does every bit:
the last line's digest is the same whenever the seed is.

Held: each stream's bits are those of an undisturbed `Runtime` that steps through the same sound;
times rise, at the sender and as the receiver shows frames; every frame that the receiver shows is
one that was computed; the delay at the end is that of the beginning. Exit code 0 if all hold.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import types
import zlib
from array import array
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import zmq
from numpy.typing import NDArray
from virtual_time import VirtualTime, real_monotonic

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "python"))
import random_bundle  # noqa: E402
from link import Link, Weather  # noqa: E402
from voice import SimulatedDevice, syllables  # noqa: E402

from diffusiontalker import Frame, Runtime, bundle  # noqa: E402
from diffusiontalker.clock import CORE_RATE_HZ  # noqa: E402
from diffusiontalker.frames import FLAG_CLOSING, StampedFrame  # noqa: E402
from diffusiontalker.stream.outputs import publisher, sockets  # noqa: E402
from diffusiontalker.stream.outputs.fan_out import FanOut  # noqa: E402
from diffusiontalker.stream.outputs.output import Output  # noqa: E402
from diffusiontalker.stream.session import stamp  # noqa: E402
from diffusiontalker.stream.session.live import LiveSession  # noqa: E402
from diffusiontalker.stream.session.meter import Meter  # noqa: E402
from diffusiontalker.stream.sources.microphone import Microphone  # noqa: E402

CORE = ROOT / "unreal_plugin/DiffusionTalkerLiveLink/Source/DiffusionTalkerLiveLink/Private"
RECORD = np.dtype(
    [("local_ns", "<i8"), ("shown_ns", "<i8"), ("index", "<i8"), ("flags", "<u4"), ("crc", "<u4")]
)
# The reference steps through so much at once, seconds.
_REFERENCE_S = 2.0
# The delay's median over the last tenth may be so much above the first's, ms: after a pause the
# stream may be so much ahead of its sound (`pace`), and a hundred pauses no more than one.
MOST_GROWTH_MS = 50.0
# The receiver holds frames back for a block of the sound card, whose frames come at once, and this.
DELAY_MS = 40


class Reference:
    """The undisturbed runtime: hears what the stream heard, in pieces of its own."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._pieces: list[NDArray[np.float32]] = []
        self._position = self._waiting = 0
        self.crcs = array("L")

    def hear(self, position: int, samples: NDArray[np.float32]) -> None:
        """Sound at a position of the stream; silence lies where none came."""
        self._take(np.zeros(position - self._position, np.float32))
        self._take(samples.copy())

    def _take(self, samples: NDArray[np.float32]) -> None:
        self._pieces.append(samples)
        self._position += len(samples)
        self._waiting += len(samples)
        if self._waiting > _REFERENCE_S * self._runtime.sample_rate:
            self._step()

    def _step(self) -> None:
        self._keep(self._runtime.step(np.concatenate(self._pieces)))
        self._pieces, self._waiting = [], 0

    def _keep(self, frames: NDArray[np.float32]) -> None:
        self.crcs.extend(zlib.crc32(frame) for frame in frames)

    def finish(self, position: int) -> None:
        """No more comes; the stream has `position` samples."""
        self._take(np.zeros(position - self._position, np.float32))
        self._step()
        self._keep(self._runtime.flush())


class SimulatedRuntime(Runtime):
    """A runtime whose worker is always done: how fast it is has no part in simulated time."""

    def simulate(self, time: VirtualTime, device: SimulatedDevice, link: Link) -> None:
        self._time, self._device, self._link = time, device, link
        self.reference = Reference(
            Runtime(
                self.bundle, sample_rate=self.sample_rate, seed=self.seed, identity="auto",
                idle=self.idle,
            )
        )  # fmt: skip
        self.crcs = array("L")

    def start(self, **options: Any) -> None:
        heard = options.pop("heard", None)

        def hear(position: int, samples: NDArray[np.float32]) -> None:
            self.reference.hear(position, samples)
            if heard is not None:
                heard(position, samples)

        super().start(heard=hear, **options)

    def poll(self, timeout_s: float = 0.0) -> list[Frame]:
        frames = super().poll()
        live = self._live
        while live is not None and (
            live.position_samples < self._past.total
            or self._next_frame - self._first_frame < live.frames
            or (self._total is not None and not live.finished)
        ):
            frames += super().poll(0.002)
        if not frames and timeout_s > 0:
            # Whoever waits is woken by the next block, or looks again after a while.
            until_ns = self._time.now_ns + 50_000_000
            self._time.advance_to(min(until_ns, max(self._device.next_ns, self._time.now_ns + 1)))
            self._link.deliver(self._time.now_ns)
        self.crcs.extend(zlib.crc32(frame.curves) for frame in frames)
        return frames


class Probe(Output):
    """Notes the stamps of what is sent."""

    live, name, dropped = True, "probe", 0

    def __init__(self, time: VirtualTime) -> None:
        self.capture_ns, self.index, self.sent_ns = array("q"), array("q"), array("q")
        self._time = time

    def send(self, frame: StampedFrame) -> None:
        if frame.flags & FLAG_CLOSING:
            self._time.advance_to(frame.capture_ns)  # it waits by a clock that nobody else moves
            return
        self.capture_ns.append(frame.capture_ns)
        self.index.append(frame.index)
        self.sent_ns.append(self._time.now_ns)


class SimulatedSocket:
    """What the publisher takes for its socket, and for the monitor of it."""

    def __init__(self, time: VirtualTime, link: Link) -> None:
        self._time, self._link = time, link
        self._asked = [b"\x01dt/"]
        self._nothing = zmq.Again()

    def setsockopt(self, *_: object) -> None: ...
    def bind(self, _: str) -> None: ...
    def close(self, **_: object) -> None: ...
    def term(self) -> None: ...
    def disable_monitor(self) -> None: ...
    def getsockopt_string(self, _: int) -> str:
        return "tcp://127.0.0.1:5560"

    def socket(self, _: int) -> SimulatedSocket:
        return self

    def get_monitor_socket(self, _: int) -> SimulatedSocket:
        return self

    def poll(self, _: int) -> int:
        return 0

    def recv(self, _: int) -> bytes:
        if not self._asked:
            raise self._nothing
        return self._asked.pop()

    def send_multipart(self, parts: list[bytes], _: int) -> None:
        self._link.send(self._time.now_ns, *parts)


def built_receiver(folder: Path) -> Path:
    """Compiles the receiver, where nobody has done so."""
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        sys.exit("simulation: needs a C++ compiler, or --receiver")
    sources = [p for p in sorted(CORE.glob("dt/*/*.cpp")) if p.name != "tcp_socket.cpp"]
    sources += sorted((ROOT / "tests/unreal/simulated").glob("*.cpp"))
    out = folder / "simulated_receiver"
    subprocess.run(
        [compiler, "-std=c++17", "-O1", "-DDT_CURVE=0", "-pthread",
         f"-I{CORE}", f"-I{ROOT / 'tests/unreal'}", *map(str, sources), "-o", str(out)],
        check=True,
    )  # fmt: skip
    return out


class Simulation:
    """One course."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self._random = random.Random(args.seed)
        draw = self._random
        self._seconds = args.hours * 3600 + args.minutes * 60
        self._records = folder / "records"
        self.time = VirtualTime()
        self.time.install()
        self._card_ppm, self._clock_ppm = draw.uniform(-200, 200), draw.uniform(-200, 200)
        rate = draw.choice((16000, 48000)) if args.rate is None else args.rate
        block_s = draw.choice((0.016, 0.020, 0.032, 0.064))
        if args.block_ms is not None:
            block_s = args.block_ms / 1e3
        self.about = (
            f"{self._seconds / 60:g} minutes at {rate} Hz in blocks of {block_s * 1e3:g} ms, "
            f"card {self._card_ppm:+.0f} ppm, receiver's clock {self._clock_ppm:+.0f} ppm"
        )
        stamp.new_session = lambda: draw.randrange(1, 2**63)  # type: ignore[assignment]
        receiver = args.receiver or built_receiver(folder)
        self._receiver = subprocess.Popen(
            [str(receiver), str(self._records), f"{self._clock_ppm:.6f}",
             str(draw.randrange(10**15)), str(round(block_s * 1e3) + DELAY_MS)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._receiver.stdin is not None
        self._pipe: BinaryIO = self._receiver.stdin  # type: ignore[assignment]
        self.link = Link(self._pipe, Weather(), random.Random(draw.random()))
        model = None if args.embedded else tiny_bundle(folder, args.frame_rate)
        sound = demo(rate) if args.embedded else syllables(rate, 60, draw.randrange(2**31))
        self.device = SimulatedDevice(
            self.time, sound, rate, random.Random(draw.random()), drift_ppm=self._card_ppm,
            block_s=block_s, end_s=self._seconds, away_every_s=90.0,
        )  # fmt: skip
        self.runtime = SimulatedRuntime(model, sample_rate=rate, seed=draw.randrange(2**64))
        self.runtime.simulate(self.time, self.device, self.link)
        self.probe = Probe(self.time)

    def run(self) -> None:
        """From the first sample to the receiver's end."""
        socket = SimulatedSocket(self.time, self.link)
        sockets.zmq = types.SimpleNamespace(  # type: ignore[assignment]
            **{name: getattr(zmq, name) for name in dir(zmq) if name != "Context"},
            Context=lambda: socket,
        )
        outputs = FanOut()
        outputs.add(publisher.Publisher())
        outputs.add(self.probe)
        session = LiveSession(
            self.runtime,
            Microphone(device=self.device),  # type: ignore[arg-type]
            Meter(self.runtime.curve_names),
            outputs,
            subject="face",
        )
        self.device.at_end = session.stop
        session.run()
        self.lived_s = self.time.since_start_s
        self.link.deliver(1 << 62)
        self._pipe.close()
        assert self._receiver.stdout is not None
        self.seen = json.loads(self._receiver.stdout.read())
        self.runtime.reference.finish(self.runtime.position)
        self.shown = np.fromfile(self._records, RECORD)
        if self._receiver.wait(60):
            raise RuntimeError(f"the receiver ended with {self._receiver.returncode}")

    def wrong(self) -> list[str]:
        """What does not hold, a line each; prints what was seen."""
        crcs = np.frombuffer(self.runtime.crcs, np.uint64)
        wanted = np.frombuffer(self.runtime.reference.crcs, np.uint64)
        index, capture_ns = np.array(self.probe.index), np.array(self.probe.capture_ns)
        shown = self.shown[self.shown["flags"] & FLAG_CLOSING == 0]
        wrong = []
        if len(crcs) != len(wanted) or (crcs != wanted).any():
            at = int(np.argmax(crcs[: len(wanted)] != wanted[: len(crcs)]))
            wrong.append(
                f"frame {at} of {len(crcs)} is not the undisturbed runtime's {len(wanted)}"
            )
        if (np.diff(index) != 1).any() or (np.diff(capture_ns) <= 0).any():
            wrong.append("at the sender indices or capture times do not rise")
        if (np.diff(self.shown["local_ns"]) <= 0).any() or (np.diff(shown["index"]) <= 0).any():
            wrong.append("at the receiver times or indices do not rise")
        if (shown["crc"] != crcs[shown["index"]]).any():
            wrong.append("the receiver shows a frame that nobody computed")
        if len(shown) < 0.95 * len(index):
            wrong.append(f"the receiver shows {len(shown)} of {len(index)} frames")
        return wrong + self._delay_wrong(shown, capture_ns)

    def _delay_wrong(self, shown: NDArray[np.void], capture_ns: NDArray[np.int64]) -> list[str]:
        sent_ms = (np.array(self.probe.sent_ns) - capture_ns) / 1e6
        shown_ms = (shown["shown_ns"] - capture_ns[shown["index"]]) / 1e6
        wrong = []
        for what, delay in (("sent", sent_ms), ("shown", shown_ms)):
            part = max(1, len(delay) // 10)
            first, last = np.median(delay[:part]), np.median(delay[-part:])
            print(
                f"{what} after p50 {np.median(delay):.1f}, p99 {np.quantile(delay, 0.99):.1f}, at "
                f"most {delay.max():.0f} ms; the first tenth p50 {first:.1f}, the last {last:.1f}"
            )
            if last - first > MOST_GROWTH_MS:
                wrong.append(f"frames are {what} later and later: {first:.1f}, then {last:.1f} ms")
        return wrong

    def digest(self) -> str:
        """Of everything that came out."""
        made = hashlib.sha256(bytes(self.runtime.crcs) + bytes(self.probe.capture_ns))
        made.update(self.shown.tobytes())
        return made.hexdigest()[:16]


def tiny_bundle(folder: Path, frame_rate: int) -> bundle.Bundle:
    """Random weights, as few as a face can have."""
    return random_bundle.write(
        folder / "bundle",
        frame_rate=[frame_rate, 1],
        encoder={"type": "causal_conv", "channels": 8, "dilations": [1, 2], "lookahead_columns": 4},
        decoder={"hidden": 8, "layers": 2, "step_dim": 4, "identity_hidden": 8},
    )


def demo(rate: int) -> NDArray[np.float32]:
    """The demo clip at a rate."""
    from diffusiontalker.sound.reader import SoundReader

    reader = SoundReader(ROOT / "python/diffusiontalker/data/demo.flac")
    clip = np.concatenate(list(reader.blocks(CORE_RATE_HZ)))
    # At another rate it is spoken faster: speech of a kind, without a filter.
    return clip if reader.sample_rate <= rate else clip[::3].copy()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hours", type=float, default=0.0)
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--seed", type=int, help="repeats a course")
    parser.add_argument("--rate", type=int, choices=(16000, 48000), help="of the sound (drawn)")
    parser.add_argument("--block-ms", type=float, help="of the sound card (drawn: 16 to 64)")
    parser.add_argument("--frame-rate", type=int, default=60, help="of the random bundle, Hz")
    parser.add_argument("--embedded", action="store_true", help="the model that ships")
    parser.add_argument("--receiver", type=Path, help="the built simulated_receiver")
    args = parser.parse_args()
    if args.seed is None:
        args.seed = random.SystemRandom().randrange(10**9)
    if args.hours + args.minutes <= 0:
        parser.error("say for how long: --hours 4, or --minutes 20")
    print(f"seed {args.seed}", flush=True)
    begun = real_monotonic()
    with tempfile.TemporaryDirectory(prefix="dt-simulated-") as folder:
        course = Simulation(args, Path(folder))
        if hasattr(os, "sched_setaffinity"):
            # Session and worker take turns: on one core neither waits for another one to wake.
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        print(course.about, flush=True)
        course.run()
        link, seen, stats = course.link, course.seen, course.runtime.stats
        print(
            f"{len(course.runtime.crcs)} frames computed; the device was away {course.device.away} "
            f"times, {len(course.runtime.silences)} silences put in, "
            f"{stats.skipped_samples / course.runtime.sample_rate:.1f} s came too late; of "
            f"{link.sent} messages {link.lost} lost, {link.twice} twice, "
            f"{link.overtaken} overtaken, {link.stalls} stalls, {link.cuts} cuts; the receiver "
            f"showed {seen['frames']}, "
            f"missed {seen['lost']}, {seen['late']} too late, in {seen['connections']} connections"
        )
        wrong = course.wrong()
        print(
            f"{course.lived_s:.0f} s of life in {real_monotonic() - begun:.1f} s, of which "
            f"{time.process_time():.1f} s of processor; digest {course.digest()}"
        )
    for line in wrong:
        print(f"simulation: {line} (seed {args.seed})")
    print("survived" if not wrong else "failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
