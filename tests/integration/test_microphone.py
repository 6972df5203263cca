"""A virtual microphone (PulseAudio null sink) -> dt-stream --mic -> a stranger's subscriber."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from processes import (
    PATIENCE_S,
    Start,
    command,
    error_line,
    need,
    parse,
    run,
    subscribe,
    wait_for_frames,
)

import diffusiontalker
from diffusiontalker.curves import CURVES

CLIP = Path(diffusiontalker.__file__).parent / "data" / "demo.flac"


@dataclass
class VirtualMicrophone:
    env: dict[str, str]
    pid: int

    def speak(self, start: Start) -> None:
        """Plays the demo clip into the microphone, over and over."""
        start("sh", "-c", f"while paplay '{CLIP}'; do :; done", env=self.env)

    def unplug(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


@pytest.fixture
def microphone(tmp_path: Path) -> Iterator[VirtualMicrophone]:
    need(sys.platform == "linux", "the virtual microphone is a PulseAudio sink: Linux only")
    for tool in ("pulseaudio", "pactl", "paplay"):
        need(
            shutil.which(tool) is not None,
            f"{tool} is missing: apt-get install pulseaudio pulseaudio-utils libasound2-plugins",
        )
    need(
        ctypes.util.find_library("portaudio") is not None,
        "PortAudio is missing: apt-get install libportaudio2",
    )
    home, runtime = tmp_path / "home", tmp_path / "run"
    home.mkdir()
    runtime.mkdir(mode=0o700)
    (home / ".asoundrc").write_text("pcm.!default { type pulse }\nctl.!default { type pulse }\n")
    env = {**os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(runtime)}
    for name in ("PULSE_SERVER", "DBUS_SESSION_BUS_ADDRESS", "XDG_CONFIG_HOME"):
        env.pop(name, None)
    sink = "module-null-sink sink_name=vmic rate=48000 channels=1 format=s16le"
    server = subprocess.Popen(
        [
            "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=yes",
            "-L", "module-native-protocol-unix", "-L", sink,
        ],
        env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + PATIENCE_S
    for arguments in (("set-default-source", "vmic.monitor"), ("set-default-sink", "vmic")):
        while subprocess.run(["pactl", *arguments], env=env, capture_output=True).returncode:
            assert server.poll() is None, "pulseaudio ended"
            assert time.monotonic() < deadline, "pulseaudio does not answer"
            time.sleep(0.1)
    yield VirtualMicrophone(env, server.pid)
    server.kill()
    server.wait()


def test_a_voice_at_the_microphone_moves_a_face(
    start: Start, endpoint: str, bundle: Path, microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    microphone.speak(start)
    subscriber = subscribe(start, endpoint)
    out = tmp_path / "face.csv"
    stream = start(
        *command("dt-stream"), "--mic", "--device", "pulse", "--seconds", 5, "--bind", endpoint,
        "--bundle", bundle, "--out", out, env=microphone.env,
    )  # fmt: skip
    messages = [parse(line) for line in subscriber.rest()]
    code, errors = stream.finish()
    assert code == 0, errors
    assert messages[0].kind == "schema"
    schema = messages[0].fields[3]
    assert messages[-1].fields[1:2] + messages[-1].fields[4:] == ["bye", "end of the audio"]
    frames = [m for m in messages if m.kind == "frame" and not m.fields[10] & 1]
    indices = [m.fields[4] for m in frames]
    assert indices == list(range(indices[0], 300)), "5 s at 60 Hz"
    assert len(out.read_text().splitlines()) == 301

    jaw = np.array([m.fields[11][CURVES.index("jawOpen")] for m in frames])
    assert jaw.max() > 0.05, "speech opens the jaw"
    assert np.ptp(jaw) > 0.05

    # The end of the audio sets the last frames free early; the first ones wait for the sound
    # server to wake.
    late_ms = [(m.arrival_ns - m.fields[9]) / 1e6 for m in frames[60:-10]]
    assert np.median(late_ms) > schema["lookahead_ms"] - 15
    assert np.median(late_ms) < 3000


def test_an_unplugged_microphone_ends_it_in_one_line(
    start: Start, endpoint: str, bundle: Path, microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    microphone.speak(start)
    subscriber = subscribe(start, endpoint)
    out = tmp_path / "face.csv"
    stream = start(
        *command("dt-stream"), "--mic", "--device", "pulse", "--bind", endpoint,
        "--bundle", bundle, "--out", out, env=microphone.env,
    )  # fmt: skip
    messages = wait_for_frames(subscriber, 40)
    microphone.unplug()
    messages += [parse(line) for line in subscriber.rest()]
    code, errors = stream.finish()
    assert code == 2
    ours = [line for line in errors.splitlines() if line.startswith("dt-stream:")]
    assert len(ours) == 1
    assert "was it unplugged?" in ours[0]
    assert messages[-1].kind == "bye"
    assert messages[-2].fields[10] == 3, "the face is left neutral"
    heard = [m.fields[4] for m in messages if m.kind == "frame" and not m.fields[10] & 1]
    assert len(out.read_text().splitlines()) == heard[-1] + 2, "what was heard before is kept"


def test_devices_are_listed_and_named_in_refusals(
    bundle: Path, microphone: VirtualMicrophone
) -> None:
    listed = run("dt-stream", "devices", env=microphone.env)
    assert listed.returncode == 0
    assert "pulse" in listed.stdout
    line = error_line(
        run("dt-stream", "--mic", "--device", "xyzzy", "--bundle", bundle, env=microphone.env)
    )
    assert "--device xyzzy: no such input; there are: " in line
    assert "pulse" in line
