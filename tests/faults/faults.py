"""Breaks what stands around a running dt-stream, which must go on and say what happened.

    tests/faults/run --table [--rows NAME,...]     each fault once, as a table (docs/reliability.md)
    tests/faults/run --random MINUTES [--seed N]   rows of the table in random order
    tests/faults/run --around MINUTES [--seed N]   faults at random around one stream
    tests/faults/run --paused-receivers TIMES      receivers stopped for a while and woken

Runs the dt-stream of the interpreter in $PYTHON (python3). A seed repeats what is drawn. With
--around its voice is a virtual microphone (PulseAudio) that is unplugged now and then; receivers
are killed, stopped and woken, strangers knock, and dt-stream itself is stopped and woken. Exit code
0: nobody died who was not killed, frames came all the time, and every fault was told. Linux.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from around import CLIP, Failure, Receiver, Stream, free_port
from rows import HARDWARE, ROWS, judged
from virtual_microphone import VirtualMicrophone

# Longer than any time-out that a receiver or the sender might have had for the other.
PAUSE_S = 5.0
# Frames come 60 a second; a machine that is busy may hold them up for so long.
MOST_SILENCE_S = 3.0


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


def table(names: Iterable[str]) -> None:
    """Rows of the table, a line each as they are done. Raises Failure for the first that fails."""
    print("| fault | done | seen | lost | recovery |\n|---|---|---|---|---|", flush=True)
    for name in names:
        with tempfile.TemporaryDirectory(prefix="dt-faults-") as folder:
            try:
                print(judged(name, ROWS[name](Path(folder))), flush=True)
            except Failure as failure:
                raise Failure(f"{name}: {failure}") from None


def drawn(minutes: float, seed: int) -> Iterator[str]:
    """Names of rows in random order, all of them before one comes again, until time is up."""
    order, begun = random.Random(seed), time.monotonic()
    while True:
        for name in order.sample(sorted(ROWS), len(ROWS)):
            if time.monotonic() - begun > minutes * 60:
                return
            yield name


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--table", action="store_true")
    what.add_argument("--random", type=float, metavar="MINUTES")
    what.add_argument("--around", type=float, metavar="MINUTES")
    what.add_argument("--paused-receivers", type=int, metavar="TIMES")
    parser.add_argument("--rows", default=",".join(ROWS), metavar="NAME,...", help="of the table")
    parser.add_argument("--seed", type=int, help="repeats a run of --random or --around")
    args = parser.parse_args()
    names = args.rows.split(",")
    if unknown := [name for name in names if name not in ROWS]:
        print(f"faults: --rows {unknown[0]}: expected some of {', '.join(ROWS)}", file=sys.stderr)
        return 2
    heard = args.around or args.random or set(names) & set(HARDWARE)
    if heard and not all(map(shutil.which, ("pulseaudio", "pactl", "paplay"))):
        print("faults: a microphone needs pulseaudio, pactl and paplay", file=sys.stderr)
        return 2
    seed = random.SystemRandom().randrange(10**9) if args.seed is None else args.seed
    with tempfile.TemporaryDirectory(prefix="dt-faults-") as folder:
        try:
            if args.random is not None or args.around is not None:
                print(f"seed {seed}", flush=True)
            if args.table:
                table(names)
            elif args.random is not None:
                table(drawn(args.random, seed))
            elif args.around is not None:
                RandomFaults(seed, Path(folder)).run(args.around)
            else:
                paused_receivers(args.paused_receivers, Path(folder))
        except Failure as failure:
            print(f"faults: {failure}" + (f" (seed {seed})" if args.random or args.around else ""))
            return 1
    print("survived")
    return 0


if __name__ == "__main__":
    sys.exit(main())
