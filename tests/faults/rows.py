"""The table of faults: what was done, seen and lost, and how soon it was over."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from around import CLIP, TESTS, Failure, Receiver, Stream, free_port
from processes import command
from virtual_microphone import VirtualMicrophone

from diffusiontalker.takes import read

HERE = Path(__file__).resolve().parent
DEMO = ("--demo", "--seconds", "100000")
# What must be over in a second; a machine that does other things at once is waited for longer, and
# the table says how long it took.
RECOVERY_S = 1.0
MOST_RECOVERY_S = 10.0
# A program that gets too little of a machine: so long it runs, and so long it does not.
RUNS_S, STANDS_S = 0.008, 0.092


@dataclass(frozen=True)
class Outcome:
    """A row of the table."""

    done: str
    seen: str
    lost: str
    recovery_s: float | None  #: None where nothing was down


@contextmanager
def streaming(folder: Path, *options: str, env: dict[str, str] | None = None) -> Iterator[Stream]:
    """A dt-stream that speaks the demo clip, a second after its first frame."""
    stream = Stream(folder, env or dict(os.environ), *(options or DEMO))
    try:
        stream.wait_for_frames(60)
        yield stream
    finally:
        stream.kill()


def resident_mb(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def sender_killed(folder: Path) -> Outcome:
    """kill -9 of dt-stream, which records; another is started."""
    takes = folder / "takes"
    with streaming(folder, *DEMO, "--record", str(takes)) as stream:
        stream.wait_for_frames(120)
        stream.process.kill()
        killed_s = time.monotonic()
        stream.process.wait()
        time.sleep(0.3)
        had = stream.frames
        kept = len(read(takes).index)
        if kept < had - 12:
            raise Failure(f"{had} frames were published, {kept} are in the take")
        again_s = time.monotonic()
        again = Stream(folder, dict(os.environ), *DEMO, endpoint=stream.endpoint)
        try:
            deadline = time.monotonic() + 30
            while stream.frames == had and time.monotonic() < deadline:
                time.sleep(0.005)
            recovery_s = stream.last_s - again_s
            again.wait_for_frames(60)
            again.leave()
        finally:
            again.kill()
    return Outcome(
        "kill -9 of dt-stream while it records; started again",
        f"its take is readable, {kept} frames (a receiver had {had}); "
        "receivers take the new one up",
        f"{max(0, had - kept)} frames of the take; {again_s - killed_s:.1f} s until the start",
        recovery_s,
    )


def receiver_killed(folder: Path) -> Outcome:
    """kill -9 of one receiver of two."""
    with streaming(folder) as stream:
        receiver = Receiver("dt-watch", stream.endpoint, folder, dict(os.environ))
        time.sleep(2)
        usual_ms, lost = stream.usual_ms(), stream.lost
        receiver.kill()
        recovery_s = stream.recovery_s(time.monotonic(), usual_ms)
        stream.wait_for_frames(60)
        stream.leave()
    return Outcome(
        "kill -9 of a receiver", "the other one notices nothing", f"{stream.lost - lost} frames",
        recovery_s,
    )  # fmt: skip


def sender_stopped(folder: Path) -> Outcome:
    """dt-stream sleeps for 3 s, as a laptop does."""
    with streaming(folder) as stream:
        usual_ms = stream.usual_ms()
        stream.process.send_signal(signal.SIGSTOP)
        time.sleep(3)
        stream.process.send_signal(signal.SIGCONT)
        woken_s = time.monotonic()
        recovery_s = stream.recovery_s(woken_s, usual_ms)
        stream.leave()
    return Outcome(
        "dt-stream stopped for 3 s and woken", "the face goes on, in time",
        f"{stream.lost} frames on the way", recovery_s,
    )  # fmt: skip


def receiver_stopped(folder: Path) -> Outcome:
    """A receiver sleeps for 5 s."""
    with streaming(folder) as stream:
        receiver = Receiver("dt-watch", stream.endpoint, folder, dict(os.environ))
        try:
            time.sleep(2)
            receiver.process.send_signal(signal.SIGSTOP)
            time.sleep(5)
            had = receiver.out.stat().st_size
            receiver.process.send_signal(signal.SIGCONT)
            woken_s = time.monotonic()
            while receiver.out.stat().st_size == had:
                receiver.check()
                if time.monotonic() - woken_s > 30:
                    raise Failure("dt-watch was woken and receives nothing")
                time.sleep(0.005)
            recovery_s = time.monotonic() - woken_s
            receiver.check()
        finally:
            receiver.kill()
        stream.leave()
    return Outcome(
        "a receiver stopped for 5 s and woken", "it goes on; the others notice nothing",
        f"{stream.lost} frames of the others", recovery_s,
    )  # fmt: skip


@contextmanager
def at_a_microphone(
    folder: Path, *options: str, env: dict[str, str] | None = None
) -> Iterator[tuple[Stream, VirtualMicrophone]]:
    microphone = VirtualMicrophone.in_folder(folder, os.environ)
    microphone.env.update(env or {})
    microphone.plug_in()
    microphone.speak(CLIP)
    try:
        arguments = ("--mic", "--device", "pulse", *options)
        with streaming(folder, *arguments, env=microphone.env) as stream:
            yield stream, microphone
    finally:
        microphone.unplug()


def unplugged(folder: Path) -> Outcome:
    """The microphone goes away for 4 s and comes back."""
    with at_a_microphone(folder) as (stream, microphone):
        stream.wait_for_frames(60)
        before = stream.frames
        microphone.unplug()
        time.sleep(4)
        meanwhile = stream.frames - before
        microphone.plug_in()
        plugged_s = time.monotonic()
        while "is back after" not in stream.errors.read_text():
            stream.check()
            if time.monotonic() - plugged_s > 60:
                raise Failure("the microphone is there again, and was not taken up")
            time.sleep(0.02)
        recovery_s = time.monotonic() - plugged_s
        stream.leave()
        if meanwhile < 120:
            raise Failure(f"{meanwhile} frames in the 4 s without a microphone")
    return Outcome(
        "the microphone unplugged for 4 s",
        f"{meanwhile} frames of a resting face meanwhile; it says that it is gone, and back",
        "the sound of these seconds",
        recovery_s,
    )


def rate_changed(folder: Path) -> Outcome:
    """The microphone's rate changes from 48 to 44.1 kHz under a running stream."""
    with at_a_microphone(folder) as (stream, microphone):
        stream.wait_for_frames(60)
        for arguments in (
            ("unload-module", "module-null-sink"),
            ("load-module", "module-null-sink", "sink_name=vmic", "rate=44100", "channels=1"),
            ("set-default-source", "vmic.monitor"),
            ("set-default-sink", "vmic"),
        ):
            subprocess.run(
                ["pactl", *arguments], env=microphone.env, check=True, capture_output=True
            )
        changed_s = time.monotonic()
        microphone.speak(CLIP)
        deadline = time.monotonic() + 30
        while "is back after" not in stream.errors.read_text() and time.monotonic() < deadline:
            stream.check()
            time.sleep(0.02)
        recovery_s = time.monotonic() - changed_s
        while not moving(stream, 30) and time.monotonic() < deadline:
            time.sleep(0.02)
        if not moving(stream, 30):
            raise Failure("the voice did not come back after the rate changed")
        stream.leave()
    return Outcome(
        "the microphone's rate changed from 48 to 44.1 kHz",
        "the face rests; it says that the device is gone, and back; the voice moves it again",
        "the sound meanwhile", recovery_s,
    )  # fmt: skip


def moving(stream: Stream, frames: int) -> bool:
    """Whether so many frames moved the jaw: silence that stands for a lost device moves none."""
    newest = stream.jaw[-frames:]
    return len(newest) == frames and max(newest) > 0.05


def clock_stepped(folder: Path) -> Outcome:
    """The wall clock jumps by an hour forth and back while a take is recorded."""
    shim, step = folder / "shim", folder / "step"
    shim.mkdir()
    step.write_text("0")
    shutil.copy(HERE / "stepped_clock.py", shim / "sitecustomize.py")
    env = dict(os.environ)
    env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(shim), env.get("PYTHONPATH"))))
    env["DT_CLOCK_STEP_S"] = str(step)
    takes = folder / "takes"
    with streaming(folder, *DEMO, "--record", str(takes), env=env) as stream:
        usual_ms = stream.usual_ms()
        for seconds in ("3600", "-3600", "0"):
            step.write_text(seconds)
            stepped_s = time.monotonic()
            stream.wait_for_frames(90)
        recovery_s = stream.recovery_s(stepped_s, usual_ms)
        stream.leave()
        step.write_text("3600")
        says = [sys.executable, "-c", "import time; print(time.time())"]
        if float(subprocess.check_output(says, env=env)) < time.time() + 3000:
            raise Failure("the clock was not stepped")
        if stream.back:
            raise Failure(f"{stream.back} frames went back in time")
        if stream.longest_s > 1.0:
            raise Failure(f"no frame for {stream.longest_s:.1f} s")
    return Outcome(
        "the wall clock stepped by +1 h, -2 h and +1 h", "capture times go on, none goes back",
        f"{stream.lost} frames", recovery_s,
    )  # fmt: skip


def disk_full(folder: Path) -> Outcome:
    """The disk that a take is written to is full after 200 KB."""
    env = dict(os.environ)
    env["PYTHONPATH"] = os.pathsep.join(
        filter(None, (str(_shim(folder, "full_disk.py")), env.get("PYTHONPATH")))
    )
    takes = folder / "takes"
    with streaming(folder, *DEMO, "--record", str(takes), env=env) as stream:
        deadline = time.monotonic() + 60
        while "--record" not in stream.errors.read_text():
            stream.check()
            if time.monotonic() > deadline:
                raise Failure("the disk is full, and nobody was told")
            time.sleep(0.05)
        full_s = time.monotonic()
        stream.wait_for_frames(120)
        recovery_s = stream.recovery_s(full_s, stream.usual_ms())
        told = [line for line in stream.errors.read_text().splitlines() if "--record" in line]
        stream.process.send_signal(signal.SIGINT)
        stream.process.wait(30)
    if len(told) != 1 or "File too large" not in told[0]:
        raise Failure(f"told {len(told)} times: {told}")
    take = read(takes)
    return Outcome(
        "the disk of --record full", "frames go on; one line says so; what came before is read",
        f"the take after its frame {len(take.index)}", recovery_s,
    )  # fmt: skip


def _shim(folder: Path, name: str) -> Path:
    made = folder / "shim"
    made.mkdir()
    shutil.copy(HERE / name, made / "sitecustomize.py")
    return made


def cores_burnt(folder: Path) -> Outcome:
    """Two loops a core for 8 s."""
    with streaming(folder) as stream:
        usual_ms, at = stream.usual_ms(), len(stream.came)
        burners = [
            subprocess.Popen([sys.executable, "-c", "while True: pass"])
            for _ in range(2 * (os.cpu_count() or 1))
        ]
        time.sleep(8)
        for burner in burners:
            burner.kill()
            burner.wait()
        over_s = time.monotonic()
        late = sorted(late_ms for _, late_ms in stream.came[at:])
        recovery_s = stream.recovery_s(over_s, usual_ms)
        stream.wait_for_frames(60)
        stream.leave()
    return Outcome(
        f"{len(burners)} busy loops for 8 s", f"delay p50 {late[len(late) // 2]:.0f}, p99 "
        f"{late[len(late) * 99 // 100]:.0f} ms, usually {usual_ms:.0f}", f"{stream.lost} frames",
        recovery_s,
    )  # fmt: skip


def starved(policy: str) -> Row:
    def row(folder: Path) -> Outcome:
        """dt-stream, on a slow processor, runs for a small part of the time, for 8 s."""
        env = {**os.environ, "DT_KERNEL": "scalar"}
        with streaming(folder, *DEMO, "--overload", policy, env=env) as stream:
            usual_ms, at, lost = stream.usual_ms(), len(stream.came), stream.lost
            begun_s = time.monotonic()
            while time.monotonic() - begun_s < 8:
                stream.process.send_signal(signal.SIGCONT)
                time.sleep(RUNS_S)
                stream.process.send_signal(signal.SIGSTOP)
                time.sleep(STANDS_S)
            stream.process.send_signal(signal.SIGCONT)
            over_s = time.monotonic()
            late = sorted(late_ms for _, late_ms in stream.came[at:])
            recovery_s = stream.recovery_s(over_s, usual_ms)
            lost = stream.lost - lost
            stream.wait_for_frames(60)
            stream.leave()
        return Outcome(
            f"dt-stream without vector instructions gets {RUNS_S / (RUNS_S + STANDS_S):.0%} of "
            f"its time for 8 s, `--overload {policy}`",
            f"{len(late)} of 480 frames, delay p50 {late[len(late) // 2]:.0f}, p99 "
            f"{late[len(late) * 99 // 100]:.0f} ms, usually {usual_ms:.0f}",
            f"{lost} frames on the way", recovery_s,
        )  # fmt: skip

    return row


def many_subscribers(folder: Path) -> Outcome:
    """200 subscribers come, listen for 6 s and go at once."""
    with streaming(folder) as stream:
        usual_ms, before_mb = stream.usual_ms(), resident_mb(stream.process.pid)
        crowd = subprocess.run(
            [sys.executable, str(HERE / "crowd.py"), stream.endpoint, "200", "6"],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        if crowd.returncode:
            raise Failure(f"the crowd failed: {crowd.stderr[-300:]}")
        gone_s = time.monotonic()
        least, lost = map(int, crowd.stdout.split())
        recovery_s = stream.recovery_s(gone_s, usual_ms)
        after_mb = resident_mb(stream.process.pid)
        stream.leave()
        if not least:
            raise Failure("one of 200 got nothing")
    return Outcome(
        "200 subscribers for 6 s, gone at once",
        f"each got {least} frames or more; memory {before_mb:.0f} -> {after_mb:.0f} MB",
        f"{lost} frames of 200 subscribers, {stream.lost} of the first",
        recovery_s,
    )


def never_reads(folder: Path) -> Outcome:
    """A subscriber shakes hands and never reads a byte more, while sound is published."""
    with streaming(folder, *DEMO, "--publish-audio") as stream:
        host, port = stream.endpoint.removeprefix("tcp://").split(":")
        usual_ms, before_mb = stream.usual_ms(), resident_mb(stream.process.pid)
        with socket.create_connection((host, int(port))) as mute:
            mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            mute.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48))
            mute.sendall(b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB")
            time.sleep(1)  # a message that comes before the handshake is over ends it
            mute.sendall(b"\x00\x04\x01dt/")
            time.sleep(15)
            if "subscribers 2 " not in stream.log.read_text().splitlines()[-1]:
                raise Failure("the mute subscriber was not taken for one")
            after_mb = resident_mb(stream.process.pid)
            recovery_s = stream.recovery_s(time.monotonic(), usual_ms)
        stream.wait_for_frames(30)
        stream.leave()
        if after_mb - before_mb > 20:
            raise Failure(f"memory grew from {before_mb:.0f} to {after_mb:.0f} MB for one peer")
    return Outcome(
        "a subscriber that never reads, for 15 s",
        f"the others notice nothing; memory {before_mb:.1f} -> {after_mb:.1f} MB",
        f"{stream.lost} frames of the others",
        recovery_s,
    )


def port_taken(folder: Path) -> Outcome:
    """A second dt-stream wants the port of the first."""
    with streaming(folder) as stream:
        begun_s = time.monotonic()
        second = subprocess.run(
            [*command("dt-stream"), *DEMO, "--bind", stream.endpoint],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        said = second.stderr.splitlines()
        if second.returncode != 2 or len(said) != 1 or "is in use" not in said[0]:
            raise Failure(f"exit code {second.returncode}: {second.stderr[-300:]}")
        took_s = time.monotonic() - begun_s
        stream.wait_for_frames(30)
        stream.leave()
    return Outcome(
        "the port is taken", f"one line with the remedy and exit code 2, after {took_s:.1f} s",
        f"{stream.lost} frames of the first", None,
    )  # fmt: skip


def names_hang(folder: Path) -> Outcome:
    """The name server does not answer: a destination by name, and a publisher by name."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise Failure("needs a C compiler: apt-get install gcc")
    library = folder / "hangs.so"
    source = "#include <unistd.h>\nint getaddrinfo(void) { sleep(40); return -3; }\n"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-x", "c", "-", "-o", str(library)],
        input=source, text=True, check=True,
    )  # fmt: skip
    env = {**os.environ, "LD_PRELOAD": str(library)}
    took = []
    for arguments in (
        [*command("dt-stream"), *DEMO, "--to", "livelink://stage.example:11111"],
        [*command("dt-watch"), "tcp://stage.example:5560"],
    ):
        begun_s = time.monotonic()
        done = subprocess.run(arguments, env=env, capture_output=True, text=True, timeout=60)
        took.append(time.monotonic() - begun_s)
        said = done.stderr.splitlines()
        if done.returncode != 2 or len(said) != 1 or "name server" not in said[0]:
            raise Failure(f"{arguments[-1]}: exit code {done.returncode}: {done.stderr[-300:]}")
    begun_s = time.monotonic()
    waiting = subprocess.Popen(
        [*command("dt-watch"), "tcp://stage.example:5560"], env=env, stderr=subprocess.PIPE
    )
    time.sleep(2.5)
    waiting.send_signal(signal.SIGINT)
    asked_s = time.monotonic()
    waiting.wait(60)
    return Outcome(
        "the name server hangs",
        f"one line and exit code 2 after {max(took):.1f} s at the most; Ctrl-C meanwhile ends it "
        f"after {time.monotonic() - asked_s:.1f} s",
        "nothing", None,
    )  # fmt: skip


Row = Callable[[Path], Outcome]
ROWS: dict[str, Row] = {
    "sender-killed": sender_killed,
    "receiver-killed": receiver_killed,
    "sender-stopped": sender_stopped,
    "receiver-stopped": receiver_stopped,
    "unplugged": unplugged,
    "rate-changed": rate_changed,
    "clock-stepped": clock_stepped,
    "disk-full": disk_full,
    "cores-burnt": cores_burnt,
    "starved": starved("keep"),
    "starved-skip": starved("skip"),
    "starved-steps": starved("steps"),
    "200-subscribers": many_subscribers,
    "never-reads": never_reads,
    "port-taken": port_taken,
    "names-hang": names_hang,
}
#: Whose recovery is the device's, not ours.
HARDWARE = ("unplugged", "rate-changed")


def judged(name: str, outcome: Outcome) -> str:
    """The row as a line of a Markdown table. Raises Failure where it took too long."""
    recovery_s = outcome.recovery_s
    if recovery_s is not None and name not in HARDWARE and recovery_s > MOST_RECOVERY_S:
        raise Failure(f"{name}: on time again after {recovery_s:.1f} s")
    shown = "-" if recovery_s is None else f"{recovery_s:.2f} s"
    return f"| {name} | {outcome.done} | {outcome.seen} | {outcome.lost} | {shown} |"


__all__ = ["HARDWARE", "ROWS", "TESTS", "Outcome", "Row", "free_port", "judged"]
