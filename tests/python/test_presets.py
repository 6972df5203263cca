"""Presets: written and read back, found by name, refused with a line that says why."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from diffusiontalker import Runtime, presets
from diffusiontalker.presets import Preset, PresetError


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(presets, "folder", lambda: tmp_path / "presets")
    return tmp_path / "presets"


WHOLE = Preset(
    identity="af_bella", seed=2**64 - 1, idle=0.25, strength_lower=1.1, strength_upper=0.5,
    smooth_ms=20.0, gain={"mouth": 1.3, "eyeBlink*": 1.2}, offset={"headYaw": 0.1},
)  # fmt: skip


@pytest.mark.parametrize("preset", [WHOLE, Preset(), Preset(seed=0, idle=0.0)])
def test_a_preset_comes_back_as_it_was(preset: Preset, own_folder: Path) -> None:
    path = presets.save("Grace calm", preset)
    assert path == own_folder / "Grace calm.toml"
    assert presets.load("Grace calm") == presets.load(path) == preset
    assert presets.names() == ["Grace calm"]


def test_a_runtime_takes_what_is_in_force_elsewhere() -> None:
    first = Runtime(seed=4, identity="af_bella", idle=0.5)
    first.set(gain={"jaw": 1.5}, offset={"jawOpen": 0.1}, strength_upper=0.3, smooth_ms=10)
    kept = Preset.of(first.settings, identity="af_bella", seed=first.seed, idle=first.idle)
    second = Runtime(**presets.parse(presets.to_toml(kept)).arguments())
    kept.apply(second)
    assert second.settings == first.settings
    assert (second.seed, second.identity, second.idle) == (4, "af_bella", 0.5)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seed = -1", "seed: expected a whole number"),
        ("seed = true", "seed: expected a whole number"),
        ("idle = 2", "idle: expected a number from 0 to 1"),
        ("identity = 3", "identity: expected a name"),
        ("strenght_lower = 1", "'strenght_lower' is no setting.*did you mean strength_lower"),
        ("[gain]\njawOpn = 1.0", "jawOpn.*did you mean jawOpen"),
        ("[gain]\njawOpen = 11", "expected a number from 0 to 10"),
        ("gain = 3", "gain: expected numbers"),
        ("seed = ", "not TOML"),
    ],
)
def test_a_bad_preset_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(PresetError) as refusal:
        presets.load(path)
    assert re.search(says, str(refusal.value)), refusal.value
    assert "\n" not in str(refusal.value)


def test_what_is_not_there_is_named_with_what_is() -> None:
    with pytest.raises(PresetError, match="none are in"):
        presets.load("calm")
    presets.save("calm", WHOLE)
    with pytest.raises(PresetError, match=r"there are calm.*did you mean calm"):
        presets.load("clam")
    with pytest.raises(PresetError, match="No such file"):
        presets.load("calm/none.toml")


@pytest.mark.parametrize("name", ["", "../up", "a/b", "a\\b", ".hidden", "x" * 65, "end."])
def test_names_stay_in_the_folder(name: str) -> None:
    with pytest.raises(PresetError, match="a name has"):
        presets.save(name, WHOLE)
