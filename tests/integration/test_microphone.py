"""A virtual microphone (PulseAudio null sink) -> dt-stream --mic -> a stranger's subscriber."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import signal
import sys
from collections.abc import Iterator
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
from virtual_microphone import VirtualMicrophone

import diffusiontalker
from diffusiontalker.curves import CURVES

CLIP = Path(diffusiontalker.__file__).parent / "data" / "demo.flac"


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
    made = VirtualMicrophone.in_folder(tmp_path, os.environ)
    made.plug_in(PATIENCE_S)
    yield made
    made.unplug()


def test_a_voice_at_the_microphone_moves_a_face(
    start: Start, endpoint: str, bundle: Path, microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    microphone.speak(CLIP)
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


def test_an_unplugged_microphone_is_waited_for(
    start: Start, endpoint: str, bundle: Path, microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    microphone.speak(CLIP)
    subscriber = subscribe(start, endpoint)
    out = tmp_path / "face.csv"
    stream = start(
        *command("dt-stream"), "--mic", "--device", "pulse", "--bind", endpoint, "--plain",
        "--bundle", bundle, "--out", out, env=microphone.env,
    )  # fmt: skip
    messages = wait_for_frames(subscriber, 40)
    microphone.unplug()
    messages += wait_for_frames(subscriber, 240)
    resting = [m for m in messages if m.kind == "frame"][-60:]
    assert max(m.fields[11][CURVES.index("jawOpen")] for m in resting) < 0.01, "the mouth is shut"
    microphone.plug_in(PATIENCE_S)
    while max(m.fields[11][CURVES.index("jawOpen")] for m in resting) < 0.05:
        resting = wait_for_frames(subscriber, 30)
        resting = [m for m in resting if m.kind == "frame"]
        messages += resting
    # A second later no frame is late.
    wait_for_frames(subscriber, 60)
    after = [m for m in wait_for_frames(subscriber, 60) if m.kind == "frame"]
    late_ms = [(m.arrival_ns - m.fields[9]) / 1e6 for m in after]
    stream.popen.send_signal(signal.SIGINT)
    rest = [parse(line) for line in subscriber.rest()]
    code, errors = stream.finish()
    assert code == 0, errors
    said = [line for line in errors.splitlines() if line.startswith("dt-stream:")]
    assert "was it unplugged? The face rests until it is back" in said[0]
    assert "is back after" in said[1]
    assert len(said) == 2
    assert rest[-1].kind == "bye"
    indices = [m.fields[4] for m in messages if m.kind == "frame"]
    assert indices == list(range(indices[0], indices[0] + len(indices))), "frames go on"
    assert np.median(late_ms) < 200


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
