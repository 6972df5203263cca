"""dt-stream --preview: the page beside the wire, its controls, and the end of both."""

from __future__ import annotations

import json
import re
import signal
import socket as sockets
import sys
from argparse import Namespace
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_client import page, says, until
from processes import Process, Start, command, error_line, run, subscribe, wait_for_frames

from diffusiontalker import takes
from diffusiontalker.curves import CURVES
from diffusiontalker.preview.messages import FRAMES, SOUND, unpack_frames, unpack_sound
from diffusiontalker.stream.cli import stream as stream_command
from diffusiontalker.stream.cli.command import Left

JAW = CURVES.index("jawOpen")


def free_port() -> int:
    with sockets.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def address(stream: Process) -> str:
    """The page's, as the command prints it."""
    assert stream.popen.stderr is not None
    found = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", stream.popen.stderr.readline())
    assert found is not None
    return found[0]


def frames(messages: list[Any]) -> list[tuple[int, float, int, int, tuple[float, ...]]]:
    packed = [m for m in messages if isinstance(m, bytes) and m[0] == FRAMES and m[1] == 0]
    return [frame for each in packed for frame in unpack_frames(each)]


def has_frame(sequence: int) -> Any:
    return lambda m: isinstance(m, bytes) and any(f[0] >= sequence for f in frames([m]))


def left(stream: Process) -> str:
    """Waits for its end after a Ctrl-C; returns what else it said."""
    code, said = stream.finish()
    assert code == 0, said
    assert "Traceback" not in said
    return said


def test_the_page_gets_the_frames_of_the_wire_and_controls_them(start: Start) -> None:
    port = free_port()
    stream = start(*command("dt-stream"), "--demo", "--preview", "--quiet",
                   "--to", f"zmq://127.0.0.1:{port}")  # fmt: skip
    url = address(stream)
    subscriber = subscribe(start, f"tcp://127.0.0.1:{port}")
    with page(url) as tab:
        seen = until(tab, has_frame(30))
        schema = next(m for m in seen if says("schema")(m))
        assert schema["source"] == "demo.flac"
        assert schema["groups"]["jaw"] == ["jawForward", "jawLeft", "jawRight", "jawOpen"]
        assert any(isinstance(m, bytes) and m[0] == SOUND and unpack_sound(m).samples.any()
                   for m in seen)  # fmt: skip

        tab.send('{"do": "turn", "gain": {"jawOpen": 0}, "offset": {"jawOpen": 0.25}}')
        seen += until(tab, says("settings", offset={"jawOpen": 0.25}))
        tab.send('{"do": "cast", "seed": 4, "identity": "af_bella"}')
        seen += until(tab, says("settings", seed=4, identity="af_bella"))
        tab.send('{"do": "cast", "seed": 4, "identity": "nobody"}')
        assert "af_bella" in until(tab, says("refused"))[-1]["text"]
        tab.send('{"do": "mute", "on": true}')
        seen += until(tab, says("settings", muted=True))
        last = frames(seen)[-1][0] + 30
        seen += until(tab, has_frame(last))

        wire = {m.fields[3]: m for m in wait_for_frames(subscriber, last - 30) if m.kind == "frame"}
        shown = {f[0]: f for f in frames(seen)}
        both = sorted(wire.keys() & shown.keys())
        assert len(both) > 20
        for sequence in both:
            assert list(shown[sequence][4]) == wire[sequence].fields[11]
            assert shown[sequence][2] == wire[sequence].fields[4]
        assert shown[last][4][JAW] == 0.25

        tab.send('{"do": "restart"}')
        again = until(tab, says("schema"))[-1]
        assert again["session"] != schema["session"]
        settings = until(tab, says("settings"))[-1]
        assert (settings["seed"], settings["offset"]) == (4, {"jawOpen": 0.25})
        stream.popen.send_signal(signal.SIGINT)
        assert until(tab, says("bye"))[-1]["reason"] == "stopped by the user"
    assert left(stream) == ""


def test_a_file_ends_and_is_played_again_when_the_page_wants_it(
    start: Start, tmp_path: Path
) -> None:
    sound = tmp_path / "short.wav"
    import soundfile

    soundfile.write(sound, np.zeros(8000), 16000)
    stream = start(*command("dt-stream"), "--wav", sound, "--preview", "--quiet", "--no-publish")
    with page(address(stream)) as tab:
        first = until(tab, says("bye"))
        assert first[-1]["reason"] == "end of the audio"
        tab.send('{"do": "restart", "bundle": "' + str(tmp_path) + '"}')
        # A bundle that is none changes nothing: the one before plays on.
        assert "manifest" in until(tab, says("refused"))[-1]["text"]
        assert until(tab, says("schema"))[-1]["source"] == "short.wav"
    stream.popen.send_signal(signal.SIGINT)
    assert left(stream) == ""


def test_a_preset_is_what_its_options_are(tmp_path: Path) -> None:
    preset = tmp_path / "calm.toml"
    preset.write_text(
        'identity = "af_bella"\nseed = 3\nidle = 0.5\n[gain]\nmouth = 1.4\njaw = 0.8\n'
    )
    options = ["--identity", "af_bella", "--seed", 3, "--idle", 0.5, "--gain", "mouth=1.4,jaw=0.2"]
    for name, given in (("a", options), ("b", ["--preset", preset, "--gain", "jaw=0.2"])):
        done = run("dt-stream", "--demo", "--seconds", 1, "--fast", *given,
                   "--to", f"json:{tmp_path / name}")  # fmt: skip
        assert done.returncode == 0, done.stderr
    a, b = ((tmp_path / name).read_text().splitlines() for name in "ab")
    assert [json.loads(x).get("curves") for x in a] == [json.loads(x).get("curves") for x in b]


@pytest.mark.parametrize(
    ("options", "says_why"),
    [
        (["--preview", "--fast", "--out", "x.csv"], "--preview goes without --fast"),
        (["--preview-port", 80], "--preview-port is the page's: it needs --preview"),
        (["--preview", "--preview-port", 70000], "expected 0 to 65535, got 70000"),
        (["--preview", "--head", "nothing.glb"], "--head nothing.glb: no such file"),
        (["--preset", "nothing.toml"], "--preset nothing.toml: No such file"),
    ],
    ids=str,
)
def test_what_cannot_be_is_one_line(options: list[object], says_why: str) -> None:
    assert says_why in error_line(run("dt-stream", "--demo", *options))


def test_a_take_is_recorded_from_the_page_and_shown_again(start: Start, tmp_path: Path) -> None:
    stream = start(*command("dt-stream"), "--demo", "--preview", "--quiet", "--no-publish",
                   "--record", tmp_path)  # fmt: skip
    with page(address(stream)) as tab:
        until(tab, has_frame(1))
        tab.send('{"do": "cast", "seed": 6}')
        tab.send('{"do": "record", "on": true}')
        name = until(tab, lambda m: says("settings")(m) and m["recording"])[-1]["recording"]
        seen: list[Any] = []
        while len(frames(seen)) < 45:
            seen += until(tab, has_frame(0))
        tab.send('{"do": "record", "on": false}')
        assert until(tab, says("note"))[-1]["text"] == f"take: {name}"
    stream.popen.send_signal(signal.SIGINT)
    assert left(stream) == ""

    take = takes.read(name)
    assert take.complete
    assert take.settings["seed"] == 6
    shown = {f[2]: f[4] for f in frames(seen)}
    both = [i for i, index in enumerate(take.index.tolist()) if index in shown]
    assert len(both) > 20
    for i in both:
        np.testing.assert_array_equal(
            take.values[i], np.array(shown[int(take.index[i])], np.float32)
        )
    assert take.samples > 8000
    # The whole session is one too, as --record asks for.
    assert len(takes.find(tmp_path)) == 2

    again = start(sys.executable, "-c", "from diffusiontalker.stream.cli import preview_main as m\n"
                  f"raise SystemExit(m([{name!r}]))")  # fmt: skip
    with page(address(again)) as tab:
        seen = until(tab, says("bye"))
        schema = next(m for m in seen if says("schema")(m))
        assert schema["replayed"]
        assert seen[-1]["reason"] == "end of the take"
        shown = {f[2]: f[4] for f in frames(seen)}
        first = int(take.index[0])
        both = [i for i, index in enumerate(take.index.tolist()) if index - first in shown]
        for i in both:
            values = np.array(shown[int(take.index[i]) - first], np.float32)
            np.testing.assert_array_equal(take.values[i], values)
        tab.send('{"do": "second", "on": true, "take": "' + name + '"}')
        until(tab, says("second", take=Path(name).name))
        tab.send('{"do": "restart"}')
        until(tab, says("schema"))
        until(tab, lambda m: isinstance(m, bytes) and m[0] == FRAMES and m[1] == 1)
        again.popen.send_signal(signal.SIGINT)
        assert until(tab, says("bye"))[-1]["reason"] == "stopped by the user"
    assert left(again) == ""


@pytest.mark.parametrize(("number", "page_is_open", "code"), [
    (signal.SIGINT, True, 0), (signal.SIGINT, False, None), (signal.SIGTERM, True, None),
])  # fmt: skip
def test_ctrl_c_between_two_streams_leaves_the_page_as_within_one(
    monkeypatch: pytest.MonkeyPatch, number: int, page_is_open: bool, code: int | None
) -> None:
    def once(*_: object) -> None:
        raise Left(number)

    link = object() if page_is_open else None
    monkeypatch.setattr(stream_command, "_stream_once", once)
    monkeypatch.setattr("diffusiontalker.stream.cli.preview.opened", lambda *_: nullcontext(link))
    args = Namespace(bundle=None, head=None)
    if code is None:
        with pytest.raises(Left):
            stream_command._stream(args)
    else:
        assert stream_command._stream(args) == code
