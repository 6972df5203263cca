"""--pulse: one curve at a time, up and down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from diffusiontalker.curves import CURVES, GROUPS
from diffusiontalker.stream import StreamError
from diffusiontalker.stream.cli import main
from diffusiontalker.stream.session import pulse


@pytest.mark.parametrize(
    ("name", "curves"),
    [
        ("jawOpen", ("jawOpen",)),
        ("JawOpen", ("jawOpen",)),
        ("eye_blink_left", ("eyeBlinkLeft",)),
        ("mouthSmile*", ("mouthSmileLeft", "mouthSmileRight")),
        ("brows", GROUPS["brows"]),
        ("all", CURVES),
    ],
)
def test_what_a_name_means(name: str, curves: tuple[str, ...]) -> None:
    assert pulse.chosen(name) == curves


@pytest.mark.parametrize("name", ["jawOpn", "head", "headYaw", "", "browInnerUpLeft"])
def test_no_curve(name: str) -> None:
    with pytest.raises(StreamError, match=f"--pulse {name}: expected a curve"):
        pulse.chosen(name)


def test_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "PULSE_S", 0.2)
    out = tmp_path / "pulse.jsonl"
    code = main(["--pulse", "mouthSmile*", "--to", f"json:{out}", "--seconds", "0.6", "--quiet"])
    assert code == 0
    schema, *frames = map(json.loads, out.read_text().splitlines())
    assert (schema["curves"], schema["model"]) == (list(CURVES), "pulse")
    assert [frame["index"] for frame in frames] == list(range(36))
    left = [frame["curves"]["mouthSmileLeft"] for frame in frames]
    right = [frame["curves"]["mouthSmileRight"] for frame in frames]
    assert left[:13] == pytest.approx([0, .067, .25, .5, .75, .933, 1, .933, .75, .5, .25, .067, 0],
                                      abs=1e-3)  # fmt: skip
    assert right[:12] == [0] * 12
    assert (right[18], left[18], left[30]) == (1, 0, 1)
    assert all(sum(v > 0 for v in frame["curves"].values()) <= 1 for frame in frames)


def test_what_goes_without_it(capsys: pytest.CaptureFixture[str]) -> None:
    for more in (
        ["--mic"],
        ["--seed", "1"],
        ["--fast"],
        ["--play"],
        ["--head"],
        ["--gain", "jaw=1"],
    ):
        assert main(["--pulse", "jawOpen", *more]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("dt-stream: ")
