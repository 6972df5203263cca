"""Controls and packed frames: what one side writes the other reads, and nothing else."""

from __future__ import annotations

import json

import numpy as np
import pytest

from diffusiontalker.frames import Audio, StampedFrame
from diffusiontalker.preview import PreviewError
from diffusiontalker.preview.messages import (
    SECOND_FACE,
    Cast,
    Control,
    Gate,
    KeepPreset,
    Mute,
    Record,
    Restart,
    Second,
    Turn,
    UsePreset,
    pack_curves,
    pack_frames,
    pack_sound,
    read_control,
    unpack_frames,
    unpack_sound,
    write_control,
)

CONTROLS: list[Control] = [
    Turn(gain={"jawOpen": 1.5}, strength_lower=0.5), Turn(), Cast(identity="auto", seed=2**63),
    Mute(True), Gate(None), Gate(-40), Record(False), Restart(), Restart(""),
    Second(on=True, seed=3, offset={"jawOpen": 0.1}, preset="calm"), KeepPreset("calm"),
    UsePreset("calm"),
]  # fmt: skip


@pytest.mark.parametrize("control", CONTROLS, ids=str)
def test_a_control_comes_back_as_it_was(control: Control) -> None:
    assert read_control(write_control(control)) == control


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", '"turn"', "{}", '{"do": "format"}', '{"do": "turn", "gain": 1}',
        '{"do": "turn", "gain": {"jawOpen": "a"}}', '{"do": "turn", "strength_lower": NaN}',
        '{"do": "turn", "strength_lower": true}', '{"do": "cast", "seed": 1.5}',
        '{"do": "cast", "seed": true}', '{"do": "mute"}', '{"do": "mute", "on": 1}',
        '{"do": "mute", "on": null}', '{"do": "keep", "name": ["a"]}',
        '{"do": "mute", "off": true}',
        '{"do": "turn", "gain": {"a": 1e999}}', "[" * 60000, "x" * 70000,
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_what_is_no_control_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(PreviewError) as refusal:
        read_control(text)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize("values", [52, 55])
def test_frames_come_back_bit_for_bit(values: int) -> None:
    rng = np.random.default_rng(1)
    frames = [
        StampedFrame(
            "face", 2**63 - 1, 7 + i, 2**33 + i, 60, 1, 0, 16000, 0, i,
            tuple(rng.random(values, np.float32).tolist()),
        )
        for i in range(3)
    ]  # fmt: skip
    found = unpack_frames(pack_frames(frames))
    assert [(f[0], f[3], f[4]) for f in found] == [(f.sequence, f.flags, f.curves) for f in frames]
    assert [f[1] for f in found] == [f.index / 60 for f in frames]


def test_the_second_face_has_frames_of_the_same_layout() -> None:
    curves = np.random.default_rng(2).random((4, 55), np.float32)
    packed = pack_curves(curves, [0.5, 0.6, 0.7, 0.8], 9, 100)
    assert packed[1] == SECOND_FACE
    found = unpack_frames(packed)
    np.testing.assert_array_equal(np.array([f[4] for f in found], np.float32), curves)
    assert [f[0] for f in found] == [100, 101, 102, 103]


def test_sound_comes_back_with_its_place() -> None:
    pieces = [
        Audio("face", 5, i, 1000 + 4 * i, 44100, 0, bytes(range(8 * i, 8 * i + 8))) for i in (0, 1)
    ]
    sound = unpack_sound(pack_sound(pieces))
    assert (sound.rate_hz, sound.session, sound.position) == (44100, 5, 1000)
    assert sound.samples.tobytes() == bytes(range(16))


def test_controls_are_json_that_a_page_writes() -> None:
    assert json.loads(write_control(Mute(True))) == {"do": "mute", "on": True}
