"""Half an hour live: a voice at a virtual microphone, dt-stream, and a subscriber that counts.

    python tests/soak/soak.py [--minutes 30] [--settle-minutes 5]

Prints a line a minute and, at the end, what the memory, the delay and the losses came to. Exit code
0: frames came all the time and in order, the delay of the last minutes is that of the first, and in
minutes without a stall none was lost and memory does not grow by 1 MB an hour. What other programs
hold up comes in a burst, which overflows a queue or leaves its high-water mark; the losses and the
slope over all are printed too. Linux, with PulseAudio.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import msgpack
import numpy as np
import zmq

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "integration"))
from processes import command  # noqa: E402
from virtual_microphone import VirtualMicrophone  # noqa: E402

CLIP = TESTS.parent / "python" / "diffusiontalker" / "data" / "demo.flac"
MOST_MB_AN_HOUR = 1.0
# The delay's median may move so far from its first minutes to its last: the sound server's own
# buffers are a block of 10 ms.
MOST_MS_OF_GROWTH = 10.0
MOST_SILENCE_S = 3.0
# A minute in which a frame in a hundred was so late is one in which something else had the cores.
STALLED_MS = 250.0
# A run of a few minutes cannot tell a slope of 1 MB an hour from one page more.
LEAST_QUIET_MINUTES = 10


@dataclass
class Sample:
    """The process at one instant."""

    at_s: float
    resident_mb: float
    descriptors: int
    threads: int
    processor_s: float


def sample(pid: int, at_s: float) -> Sample:
    """What /proc says of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Sample(
        at_s,
        int(fields["VmRSS"].split()[0]) / 1024,
        len(os.listdir(f"/proc/{pid}/fd")),
        int(fields["Threads"]),
        (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK"),
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Heard:
    """What a subscriber in this process gets."""

    def __init__(self, endpoint: str) -> None:
        self.frames = self.lost = self.gaps = self.backwards = 0
        self.longest_s = 0.0
        self.late_ms: list[float] = []
        self.bye = ""
        self._sequence: int | None = None
        self._index = self._capture_ns = -1
        self._last_s = 0.0
        self._socket = zmq.Context.instance().socket(zmq.SUB)
        self._socket.setsockopt(zmq.RCVTIMEO, 100)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.connect(endpoint)
        self._socket.subscribe(b"dt/")

    def listen(self, until_s: float) -> None:
        """Takes messages until then, by the monotonic clock, or a bye."""
        while time.monotonic() < until_s and not self.bye:
            try:
                _, payload = self._socket.recv_multipart()
            except zmq.Again:
                continue
            fields = msgpack.unpackb(payload)
            if fields[1] == "bye":
                self.bye = fields[4]
            elif fields[1] == "frame" and not fields[10] & 1:
                self._count(fields)

    def _count(self, fields: list[int]) -> None:
        now_s = time.monotonic()
        sequence, index, capture_ns, flags = fields[3], fields[4], fields[9], fields[10]
        if self._sequence is not None:
            self.lost += sequence - self._sequence - 1
            self.longest_s = max(self.longest_s, now_s - self._last_s)
        self.backwards += index <= self._index or capture_ns <= self._capture_ns
        self.gaps += bool(flags & 4)
        self._sequence, self._index, self._capture_ns = sequence, index, capture_ns
        self._last_s = now_s
        self.frames += 1
        self.late_ms.append(now_s * 1e3 - capture_ns / 1e6)


def slope_an_hour(samples: list[Sample]) -> float:
    """Least squares through the resident memory, MB an hour."""
    at_h = np.array([s.at_s for s in samples]) / 3600
    return float(np.polyfit(at_h, [s.resident_mb for s in samples], 1)[0])


def quiet_growth(samples: list[Sample], stalled: set[int]) -> tuple[float, int]:
    """What the memory gains in the minutes that are not `stalled`, MB an hour, and their number."""
    gained, minutes = 0.0, 0
    for before, after in zip(samples[:-6:6], samples[6::6], strict=False):
        if not {round(after.at_s / 60), round(before.at_s / 60) + 1} & stalled:
            gained += after.resident_mb - before.resident_mb
            minutes += 1
    return (60 * gained / minutes if minutes else 0.0), minutes


def run(minutes: float, settle_minutes: float, folder: Path) -> list[str]:
    """One run; what is wrong, a line each."""
    microphone = VirtualMicrophone.in_folder(folder, os.environ)
    microphone.plug_in()
    microphone.speak(CLIP)
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    errors = folder / "errors"
    with errors.open("w") as err, (folder / "said").open("w") as out:
        process = subprocess.Popen(
            [*command("dt-stream"), "--mic", "--device", "pulse", "--plain", "--bind", endpoint],
            env=microphone.env, stdout=out, stderr=err, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    heard, samples, stalled, lost = Heard(endpoint), [], set(), 0
    try:
        heard.listen(time.monotonic() + 5)
        if not heard.frames:
            return [f"no frame in 5 s: {errors.read_text()[-300:]}"]
        begun = time.monotonic()
        for minute in range(1, round(minutes) + 1):
            before, lost_before = len(heard.late_ms), heard.lost
            for part in range(1, 7):
                heard.listen(begun + (minute - 1) * 60 + part * 10)
                if process.poll() is not None:
                    return [f"dt-stream ended: {errors.read_text()[-300:]}"]
                samples.append(sample(process.pid, time.monotonic() - begun))
            newest, late = samples[-1], np.array(heard.late_ms[before:])
            if np.quantile(late, 0.99) > STALLED_MS:
                stalled.add(minute)
            else:
                lost += heard.lost - lost_before
            print(
                f"{minute:3d} min  {heard.frames} frames, lost {heard.lost}, delay p50 "
                f"{np.median(late):.1f} p99 {np.quantile(late, 0.99):.1f} ms, memory "
                f"{newest.resident_mb:.2f} MB, {newest.descriptors} descriptors, "
                f"{newest.threads} threads",
                flush=True,
            )
        process.send_signal(signal.SIGINT)
        heard.listen(time.monotonic() + 30)
        code = process.wait(30)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        microphone.unplug()
    wrong = [] if code == 0 and heard.bye else [f"at Ctrl-C: exit code {code}, bye {heard.bye!r}"]
    return wrong + judged(heard, samples, stalled, lost, settle_minutes)


def judged(
    heard: Heard, samples: list[Sample], stalled: set[int], lost: int, settle_minutes: float
) -> list[str]:
    """Prints the outcome; what is wrong, a line each. `lost`: in minutes without a stall."""
    settled = [s for s in samples if s.at_s > settle_minutes * 60] or samples
    hours = (settled[-1].at_s - settled[0].at_s) / 3600
    part = min(len(heard.late_ms) // 4, 5 * 60 * 60)
    first, last = np.median(heard.late_ms[:part]), np.median(heard.late_ms[-part:])
    share = (samples[-1].processor_s - samples[0].processor_s) / (
        samples[-1].at_s - samples[0].at_s
    )
    slope = slope_an_hour(settled)
    growth, quiet = quiet_growth(settled, stalled)
    print(
        f"{heard.frames} frames, {heard.lost} lost, {len(stalled)} minutes with a stall, "
        f"{heard.gaps} flagged as gaps, {heard.backwards} out of order, none for "
        f"{heard.longest_s:.2f} s at the most; delay p50 "
        f"{first:.1f} ms in the first minutes, {last:.1f} in the last; "
        f"{100 * share:.1f} % of a core; memory {slope:+.2f} MB an hour over the last "
        f"{60 * hours:.0f} minutes ({settled[0].resident_mb:.2f} -> "
        f"{settled[-1].resident_mb:.2f} MB), {growth:+.2f} in the {quiet} of them without a stall"
    )
    wrong = []
    if heard.backwards or lost:
        wrong.append(f"{heard.backwards} frames out of order, {lost} lost without a stall")
    if heard.longest_s > MOST_SILENCE_S:
        wrong.append(f"no frame for {heard.longest_s:.2f} s")
    if last - first > MOST_MS_OF_GROWTH:
        wrong.append(f"the delay grew from {first:.1f} to {last:.1f} ms")
    if quiet >= LEAST_QUIET_MINUTES and growth >= MOST_MB_AN_HOUR:
        wrong.append(f"memory grows by {growth:.2f} MB an hour")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--settle-minutes", type=float, default=5.0, help="not in the slope")
    args = parser.parse_args()
    if not all(map(shutil.which, ("pulseaudio", "pactl", "paplay"))):
        print("soak: needs pulseaudio, pactl and paplay", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="dt-soak-") as folder:
        wrong = run(args.minutes, args.settle_minutes, Path(folder))
    for line in wrong:
        print(f"soak: {line}")
    print("survived" if not wrong else "failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
