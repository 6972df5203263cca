"""The examples do what they say, as programs: examples/README.md."""

from __future__ import annotations

import asyncio
import json
import re
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from fractions import Fraction
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from paths import ROOT
from processes import PATIENCE_S, Start, command

from diffusiontalker import CURVES, Runtime
from diffusiontalker.sound import read_all
from diffusiontalker.stream.outputs import livelink
from diffusiontalker.stream.sources.wav import demo_path

EXAMPLES = ROOT / "examples"


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    """0.75 s of somebody speaking."""
    sound, rate = soundfile.read(demo_path(), start=16000, frames=12000, dtype="float32")
    soundfile.write(tmp_path / "voice.wav", sound, rate)
    return tmp_path / "voice.wav"


def frames_of(path: Path) -> np.ndarray:
    sound, rate, _ = read_all(path)
    runtime = Runtime(sample_rate=rate)
    return np.concatenate([runtime.step(sound), runtime.flush()])


def run(name: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        **options,
    )


def test_the_agent_speaks_each_sentence(voice: Path, tmp_path: Path) -> None:
    """By a program that writes a WAV into a pipe; its frames are those of `step`."""
    tts = tmp_path / "tts.py"
    tts.write_text(
        "import pathlib, sys\n"
        f"print(sys.argv[1], file=open({str(tmp_path / 'said')!r}, 'a'))\n"
        f"sys.stdout.buffer.write(pathlib.Path({str(voice)!r}).read_bytes())\n"
    )
    done = run(
        "agent.py", "--tts", f"{sys.executable} {tts}", "--json", "--hurry", input="Hello. I am.\n"
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "said").read_text().splitlines() == ["Hello.", "I am."]
    said = [json.loads(line) for line in done.stdout.splitlines()]
    expected = frames_of(voice)
    assert len(said) == 2 * len(expected)
    for half in (said[: len(expected)], said[len(expected) :]):
        curves = [[frame["curves"][name] for name in CURVES] for frame in half]
        np.testing.assert_allclose(curves, expected, atol=5.1e-5)
    assert said[30]["time_s"] == 0.5


def test_the_agent_is_heard(voice: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every sample goes to the player, and is what the face is made from."""
    heard: list[np.ndarray] = []
    ended: list[str] = []

    class Player:
        latency = 0.02

        def __init__(self, rate_hz: int, channels: int, dtype: str) -> None:
            assert (rate_hz, channels, dtype) == (16000, 1, "float32")

        start = staticmethod(lambda: None)
        stop = staticmethod(lambda: ended.append("stop"))
        close = staticmethod(lambda: ended.append("close"))
        write = staticmethod(lambda block: heard.append(block[:, 0].copy()))

    monkeypatch.setitem(sys.modules, "sounddevice", SimpleNamespace(OutputStream=Player))
    monkeypatch.syspath_prepend(EXAMPLES)
    import agent

    tts = f"sh -c 'cat {voice}'"
    options = SimpleNamespace(tts=tts, play=True, json=False, hurry=True)
    assert asyncio.run(agent.speak("Hello", options)) == 45
    np.testing.assert_array_equal(np.concatenate(heard), read_all(voice)[0])
    assert ended == ["stop", "close"]


def test_the_agent_refuses_in_a_line() -> None:
    done = run("agent.py", "--say", "Hello", "--tts", "no-such-program-here")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "no-such-program-here" in done.stderr


def test_two_sources_in_one_event_loop(voice: Path) -> None:
    done = run("asyncio_stream.py", voice, voice)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "frames: 45 45"


def test_the_batch_writes_what_is_missing(voice: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no sound at all")
    first = run("batch.py", voice, broken, "--out", tmp_path / "curves")
    assert first.returncode == 2
    assert "broken.wav" in first.stderr
    assert "Traceback" not in first.stderr
    assert first.stdout.startswith("1 files, 0.8 s of sound; 1 failed")
    made = np.load(tmp_path / "curves" / "voice.npz")
    np.testing.assert_array_equal(made["curves"], frames_of(voice))
    assert tuple(made["names"]) == CURVES
    assert made["rate"] == 60
    again = run("batch.py", voice, "--out", tmp_path / "curves")
    assert again.stdout.startswith("0 files")
    assert [p.name for p in (tmp_path / "curves").iterdir()] == ["voice.npz"]


def test_many_voices() -> None:
    done = run("many_voices.py", "--voices", 3, "--seconds", 0.5)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 voices, 0.5 s: ")


def test_a_page_receives_the_curves(start: Start, endpoint: str) -> None:
    """What dt-stream publishes is what the page gets, by name."""
    stream = start(*command("dt-stream"), "--demo", "--seconds", 20, "--bind", endpoint, "--quiet")
    bridge = start(sys.executable, EXAMPLES / "browser.py", "--endpoint", endpoint, "--port", 0)
    address = bridge.next_line()
    assert address is not None
    with urllib.request.urlopen(address, timeout=PATIENCE_S) as page:
        assert "EventSource" in page.read().decode()
    foreign = urllib.request.Request(address, headers={"Host": "elsewhere.example"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(foreign, timeout=PATIENCE_S)
    jaws, times = [], []
    with urllib.request.urlopen(f"{address}curves", timeout=PATIENCE_S) as events:
        assert events.headers["Content-Type"] == "text/event-stream"
        while len(jaws) < 90:
            line = events.readline().decode()
            if line.startswith("data: ") and "time_s" in line:
                event = json.loads(line.removeprefix("data: "))
                assert list(event["curves"]) == list(CURVES)
                jaws.append(event["curves"]["jawOpen"])
                times.append(event["time_s"])
    assert times == sorted(times)
    assert max(jaws) > 0.1
    stream.popen.terminate()


def test_blenders_script_sets_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a mesh that has two of the curves and one name that is no curve."""
    keys = [SimpleNamespace(name=n, value=-1.0) for n in ("Basis", "jawOpen", "eyeBlinkLeft")]
    mesh = SimpleNamespace(shape_keys=SimpleNamespace(key_blocks=keys))
    timers: list[Any] = []
    bpy = ModuleType("bpy")
    bpy.context = SimpleNamespace(object=SimpleNamespace(type="MESH", data=mesh))  # type: ignore[attr-defined]
    bpy.app = SimpleNamespace(timers=SimpleNamespace(register=timers.append))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bpy", bpy)
    monkeypatch.syspath_prepend(EXAMPLES)
    import blender_live

    demo = [*command("dt-stream"), "--demo", "--seconds", "1", "--to", "json:-", "--quiet"]
    live = blender_live.start(demo)
    widest = 0.0
    while timers[0]() is not None:
        widest = max(widest, keys[1].value)
        time.sleep(0.005)
    live.stop()
    expected = frames_of(Path(demo_path()))[:60, CURVES.index("jawOpen")].max()
    assert keys[0].value == -1.0
    assert keys[2].value >= 0.0
    assert 0.5 * expected < widest <= expected + 1e-6
    bpy.context.object.data = SimpleNamespace(shape_keys=None)  # type: ignore[attr-defined]
    with pytest.raises(SystemExit, match="shape keys named jawOpen"):
        blender_live.start(demo)


def test_godots_addon_reads_the_packets_that_are_sent() -> None:
    """Its names are those of a packet, in order; its steps over the head lead to the values."""
    addon = EXAMPLES / "godot" / "addons" / "diffusiontalker"
    names = re.search(r"const CURVES = \[(.*?)\]", (addon / "values.gd").read_text("utf-8"), re.S)
    assert names is not None
    assert tuple(re.findall(r'"(\w+)"', names[1])) == CURVES
    for version in "34":
        node = (EXAMPLES / f"godot/addons/diffusiontalker_godot{version}/face.gd").read_text(
            "utf-8"
        )
        assert re.search(rf"\bport\b.* = {livelink.DEFAULT_PORT}\n", node)
    script = (addon / "packet.gd").read_text("utf-8")
    assert f"const VERSION = {livelink.VERSION}\n" in script
    values = [i / 64 for i in range(livelink.VALUES)]
    packet = livelink.encode("device", "Zoë", 7, 0.5, Fraction(60), values)
    at = 1
    for _ in range(2):  # the two texts
        at += 4 + struct.unpack_from(">i", packet, at)[0]
    # What the script reads between the texts and the values, and what it asks to be there.
    steps = script[script.index("before the frame's time") : script.index("var all = []")]
    sizes = {"get_32": 4, "get_float": 4, "get_u8": 1}
    read = sum(sizes[name] for name in re.findall(r"buffer\.(get_32|get_float|get_u8)\(", steps))
    assert re.search(r"< (\d+):\n.*before the frame's time", script)[1] == str(read)  # type: ignore[index]
    at += read
    assert packet[at - 1] == livelink.VALUES
    assert list(struct.unpack_from(">52f", packet, at)) == values[:52]


def test_the_notebook_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cells as a program; `poe notebook` runs it as a notebook."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    shown: list[object] = []
    display = ModuleType("IPython.display")
    display.Video = SimpleNamespace  # type: ignore[attr-defined]
    display.display = shown.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    notebook = json.loads((EXAMPLES / "look.ipynb").read_text("utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] for cell in cells), "write it without outputs"
    given: dict[str, object] = {"__name__": "notebook"}
    for number, cell in enumerate(cells[:-1]):  # the last one makes the film, which takes long
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), given)
    compile("".join(cells[-1]["source"]), "the film's cell", "exec")
    assert len(pyplot.get_fignums()) == 3
    pyplot.close("all")
