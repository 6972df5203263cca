"""Breaks what stands around a running dt-stream, which must go on and say what happened.

    tests/faults/run --random MINUTES [--seed N]   faults at random; the seed repeats them
    tests/faults/run --paused-receivers TIMES      receivers stopped for a while and woken

Runs the dt-stream of the interpreter in $PYTHON (python3). With --random its voice is a virtual
microphone (PulseAudio) that is unplugged now and then; receivers are killed, stopped and woken,
strangers knock, and dt-stream itself is stopped and woken. Exit code 0: nobody died who was not
killed, frames came all the time, and every fault was told. Linux.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgpack
import zmq

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "integration"))
from processes import command  # noqa: E402
from virtual_microphone import VirtualMicrophone  # noqa: E402

CLIP = TESTS.parent / "python" / "diffusiontalker" / "data" / "demo.flac"
PLAIN = TESTS / "integration" / "plain_subscriber.py"
# Longer than any time-out that a receiver or the sender might have had for the other.
PAUSE_S = 5.0
# Frames come 60 a second; a machine that is busy may hold them up for so long.
MOST_SILENCE_S = 3.0


class Failure(Exception):
    """What went wrong, in a line."""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Stream:
    """A dt-stream and a subscriber in this process that hears all of it."""

    def __init__(self, folder: Path, env: dict[str, str], *options: str) -> None:
        self.endpoint = f"tcp://127.0.0.1:{free_port()}"
        self.log = folder / "dt-stream.log"
        self.errors = folder / "dt-stream.err"
        self.frames = 0
        self.last_s = time.monotonic()
        self.longest_s = 0.0
        self.bye = ""
        self._done = threading.Event()
        with self.log.open("w") as out, self.errors.open("w") as err:
            self.process = subprocess.Popen(
                [*command("dt-stream"), *options, "--plain", "--bind", self.endpoint],
                env=env, stdout=out, stderr=err, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        listener = zmq.Context.instance().socket(zmq.SUB)
        listener.setsockopt(zmq.RCVTIMEO, 100)
        listener.setsockopt(zmq.LINGER, 0)
        listener.connect(self.endpoint)
        listener.subscribe(b"dt/")
        while not self._done.is_set():
            try:
                _, payload = listener.recv_multipart()
            except zmq.Again:
                continue
            fields = msgpack.unpackb(payload)
            if fields[1] == "frame":
                now_s = time.monotonic()
                if self.frames:
                    self.longest_s = max(self.longest_s, now_s - self.last_s)
                self.frames, self.last_s = self.frames + 1, now_s
            elif fields[1] == "bye":
                self.bye = fields[4]
        listener.close()

    def wait_for_frames(self, count: int, patience_s: float = 60.0) -> None:
        """Until `count` more have come. Raises Failure."""
        wanted, deadline = self.frames + count, time.monotonic() + patience_s
        while self.frames < wanted:
            self.check()
            if time.monotonic() > deadline:
                raise Failure(f"no {count} frames in {patience_s:.0f} s")
            time.sleep(0.05)

    def check(self) -> None:
        if self.process.poll() is not None:
            raise Failure(
                f"dt-stream ended with {self.process.returncode}: {self.errors.read_text()[-500:]}"
            )

    def leave(self) -> None:
        """Ctrl-C: exit code 0 and a bye. Raises Failure."""
        self.check()
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(60)
        time.sleep(0.5)
        self._done.set()
        self._thread.join()
        if code != 0 or self.bye != "stopped by the user":
            raise Failure(f"at Ctrl-C: exit code {code}, bye {self.bye!r}")
        if "Traceback" in self.errors.read_text():
            raise Failure(f"a traceback: {self.errors.read_text()[-500:]}")

    def kill(self) -> None:
        self._done.set()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()


class Receiver:
    """dt-watch, or a stranger's subscriber (plain_subscriber.py)."""

    def __init__(self, name: str, endpoint: str, folder: Path, env: dict[str, str]) -> None:
        self.name = name
        self.out = folder / f"{name}-{time.monotonic_ns()}.log"
        arguments = {
            "dt-watch": [*command("dt-watch"), endpoint, "--json"],
            "plain": [sys.executable, str(PLAIN), endpoint, "100000"],
        }[name]
        with self.out.open("w") as out:
            self.process = subprocess.Popen(
                arguments, env=env, stdout=out, stderr=out, stdin=subprocess.DEVNULL
            )

    def check(self) -> None:
        if self.process.poll() is not None:
            said = self.out.read_text()[-300:]
            raise Failure(f"{self.name} died, {self.process.returncode}: {said}")

    def pause(self, seconds: float) -> None:
        """Stops it for a while and wakes it; it must live, and receive."""
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.wake()

    def wake(self) -> None:
        had = self.out.stat().st_size
        self.process.send_signal(signal.SIGCONT)
        deadline = time.monotonic() + 30
        while self.out.stat().st_size == had:
            self.check()
            if time.monotonic() > deadline:
                raise Failure(f"{self.name} was woken and receives nothing")
            time.sleep(0.02)
        time.sleep(0.5)
        self.check()

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def paused_receivers(times: int, folder: Path) -> None:
    env = dict(os.environ)
    stream = Stream(folder, env, "--demo", "--seconds", "100000", "--publish-audio")
    receivers: list[Receiver] = []
    try:
        stream.wait_for_frames(10)
        receivers = [Receiver(n, stream.endpoint, folder, env) for n in ("dt-watch", "plain")]
        time.sleep(2.0)
        for round_ in range(times):
            for receiver in receivers:
                receiver.process.send_signal(signal.SIGSTOP)
            time.sleep(PAUSE_S)
            for receiver in receivers:
                receiver.wake()
            stream.wait_for_frames(30)
            print(f"{round_ + 1} of {times}: both live", flush=True)
        stream.leave()
    finally:
        for receiver in receivers:
            receiver.kill()
        stream.kill()


class RandomFaults:
    """One run of faults at random."""

    def __init__(self, seed: int, folder: Path) -> None:
        self._random = random.Random(seed)
        self._folder = folder
        self._microphone = VirtualMicrophone.in_folder(folder, os.environ)
        self._env = self._microphone.env
        self._unplugged = 0
        self._stopped_s = 0.0
        self._receivers: dict[str, Receiver] = {}

    def run(self, minutes: float) -> None:
        self._microphone.plug_in()
        self._microphone.speak(CLIP)
        self._stream = Stream(
            self._folder, self._env, "--mic", "--device", "pulse", "--out",
            str(self._folder / "face.csv"), "--to",
            f"livelink://127.0.0.1:{free_port(socket.SOCK_DGRAM)}",
        )  # fmt: skip
        try:
            self._stream.wait_for_frames(60)
            for name in ("dt-watch", "plain"):
                self._start(name)
            time.sleep(2.0)
            begun = time.monotonic()
            while time.monotonic() - begun < minutes * 60:
                fault = self._random.choice(self._faults())
                print(f"{time.monotonic() - begun:7.1f} s  {fault.__name__.strip('_')}", flush=True)
                fault()
                self._stream.wait_for_frames(30)
                for receiver in self._receivers.values():
                    receiver.check()
                self._check_told()
                time.sleep(self._random.uniform(0.2, 2.0))
            self._end()
        finally:
            for receiver in self._receivers.values():
                receiver.kill()
            self._stream.kill()
            self._microphone.unplug()

    def _faults(self) -> list[Callable[[], None]]:
        return [
            self._receiver_killed, self._receiver_stopped_and_woken, self._microphone_unplugged,
            self._sender_stopped_and_woken, self._strangers,
        ]  # fmt: skip

    def _start(self, name: str) -> None:
        self._receivers[name] = Receiver(name, self._stream.endpoint, self._folder, self._env)

    def _any(self) -> str:
        return self._random.choice(sorted(self._receivers))

    def _receiver_killed(self) -> None:
        name = self._any()
        self._receivers[name].kill()
        time.sleep(self._random.uniform(0.0, 1.0))
        self._start(name)
        time.sleep(2.0)

    def _receiver_stopped_and_woken(self) -> None:
        self._receivers[self._any()].pause(self._random.uniform(0.5, 8.0))

    def _microphone_unplugged(self) -> None:
        self._unplugged += 1
        self._microphone.unplug()
        # Longer than the 2 s after which a silent device is taken for unplugged, so that it is.
        time.sleep(self._random.uniform(3.0, 6.0))
        self._microphone.plug_in()
        deadline = time.monotonic() + 60
        while self._said().count("is back after") < self._unplugged:
            self._stream.check()
            if time.monotonic() > deadline:
                raise Failure("the microphone is there again, and was not taken up")
            time.sleep(0.1)

    def _sender_stopped_and_woken(self) -> None:
        seconds = self._random.uniform(0.2, 1.5)
        self._stream.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._stream.process.send_signal(signal.SIGCONT)

    def _strangers(self) -> None:
        host, port = self._stream.endpoint.removeprefix("tcp://").split(":")
        for _ in range(self._random.randint(1, 5)):
            with socket.create_connection((host, int(port))) as stranger:
                stranger.sendall(self._random.randbytes(self._random.randint(0, 200)))
                time.sleep(self._random.uniform(0.0, 0.2))

    def _said(self) -> str:
        return self._stream.errors.read_text()

    def _check_told(self) -> None:
        told = self._said().count("stopped delivering audio")
        if told != self._unplugged:
            newest = "\n".join(self._said().splitlines()[-6:])
            raise Failure(f"unplugged {self._unplugged} times, told {told} times:\n{newest}\n")

    def _end(self) -> None:
        # The listener and the two receivers, and no stranger.
        time.sleep(2.5)
        newest = self._stream.log.read_text().splitlines()[-1]
        if "subscribers 3 " not in newest:
            raise Failure(f"3 subscribers are connected, it says: {newest}")
        self._stream.leave()
        self._check_told()
        if self._stream.longest_s > MOST_SILENCE_S:
            raise Failure(f"no frame for {self._stream.longest_s:.1f} s")
        summary = self._stream.log.read_text().splitlines()[-1]
        print(f"{self._stream.frames} frames, none for {self._stream.longest_s:.1f} s at the most")
        print(summary)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--random", type=float, metavar="MINUTES")
    what.add_argument("--paused-receivers", type=int, metavar="TIMES")
    parser.add_argument("--seed", type=int, help="repeats a run of --random")
    args = parser.parse_args()
    if args.random and not all(map(shutil.which, ("pulseaudio", "pactl", "paplay"))):
        print("faults: --random needs pulseaudio, pactl and paplay", file=sys.stderr)
        return 2
    seed = random.SystemRandom().randrange(10**9) if args.seed is None else args.seed
    with tempfile.TemporaryDirectory(prefix="dt-faults-") as folder:
        try:
            if args.random is None:
                paused_receivers(args.paused_receivers, Path(folder))
            else:
                print(f"seed {seed}", flush=True)
                RandomFaults(seed, Path(folder)).run(args.random)
        except Failure as failure:
            print(f"faults: {failure}" + (f" (seed {seed})" if args.random else ""))
            return 1
    print("survived")
    return 0


if __name__ == "__main__":
    sys.exit(main())
