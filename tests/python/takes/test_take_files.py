"""A take on disk: bits, clocks, cuts at any byte, and refusals that name the remedy."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from takes_made import RATE_HZ, begun, frame_of, schema_of, sound_of, values_of, whole

from diffusiontalker.curves import CURVES, HEAD
from diffusiontalker.sound import read_all
from diffusiontalker.takes import TakeError, TakeWriter, find, read
from diffusiontalker.takes.trim import trim


@pytest.mark.parametrize("rate", [Fraction(60), Fraction(30000, 1001)])
def test_what_was_written_is_read_bit_for_bit(tmp_path: Path, rate: Fraction) -> None:
    path = whole(tmp_path, 120, rate, names=(*CURVES, *HEAD))
    assert re.fullmatch(r"\d{8}-\d{6}-anna-s-mic", path.name)
    take = read(tmp_path)
    assert take.path == path
    assert take.cut == ""
    assert take.complete
    assert (take.rate, take.rate_hz) == (rate, RATE_HZ)
    assert (take.names, take.schema.subject) == ((*CURVES, *HEAD), "anna")
    assert take.values.tobytes() == values_of(120, 55).tobytes()
    assert take.index.tolist() == list(range(120))
    assert take.position.tolist() == [int(i / rate * RATE_HZ) for i in range(120)]
    np.testing.assert_array_equal(take.sound(), sound_of(int(120 / rate * RATE_HZ)))
    np.testing.assert_array_equal(read_all(path / "sound.wav")[0], take.sound())
    assert take.settings == {"seed": 3, "identity": "auto"}
    assert take.found == {"identity": "af_heart"}
    assert take.motion.head is not None
    assert (take.lost_frames, len(take.gaps), take.events) == (0, 0, ())


def test_any_cut_leaves_what_came_before(tmp_path: Path) -> None:
    writer = begun(tmp_path, 40)
    frames, sound = writer.path / "frames.bin", writer.path / "sound.wav"
    data, heard = frames.read_bytes(), sound.read_bytes()
    size = len(data) // 40
    for kept in (*range(0, 3 * size, 37), len(data) - 1, len(data)):
        frames.write_bytes(data[:kept])
        sound.write_bytes(heard[: len(heard) * kept // len(data)])
        take = read(writer.path)
        assert len(take.index) == kept // size
        assert take.values.tobytes() == values_of(40)[: kept // size].tobytes()
        assert "was not ended" in take.cut
        assert "\n" not in take.cut
        np.testing.assert_array_equal(take.sound(), sound_of(len(take.sound())))


def test_a_completed_take_that_lost_its_end_says_so(tmp_path: Path) -> None:
    path = whole(tmp_path, 40)
    for name in ("frames.bin", "sound.wav"):
        with (path / name).open("rb+") as file:
            file.truncate((path / name).stat().st_size // 2)
    take = read(path)
    assert "20 of 40 frames are there" in take.cut
    assert "of 0.67 s of sound are there" in take.cut


def test_what_a_power_cut_left_unwritten_is_no_frame(tmp_path: Path) -> None:
    path = whole(tmp_path, 40)
    data = (path / "frames.bin").read_bytes()
    half = len(data) // 2
    (path / "frames.bin").write_bytes(data[:half] + bytes(half))
    take = read(path)
    assert len(take.index) == 20
    assert "frame 20 of frames.bin is damaged, 20 are left out" in take.cut


def test_a_missing_manifest_part_does_not_hide_frames(tmp_path: Path) -> None:
    writer = begun(tmp_path, 10)
    document = json.loads((writer.path / "take.json").read_text())
    assert (document["complete"], document["frames"]["count"]) == (False, None)
    kind = np.dtype([(n, t, tuple(s)) for n, t, *s in document["frames"]["record"]])
    by_hand = np.fromfile(writer.path / "frames.bin", kind)
    np.testing.assert_array_equal(by_hand["values"], values_of(10))


def test_sound_that_did_not_come_is_silence_with_a_name(tmp_path: Path) -> None:
    writer = TakeWriter(tmp_path, source="mic", settings={})
    writer.begin(schema_of())
    writer.sound(0, np.full(800, 0.5, np.float32))
    writer.sound(24_000, np.full(800, 0.25, np.float32))
    writer.sound(24_400, np.full(800, 0.125, np.float32))  # overlaps: what is there stays
    writer.frame(frame_of(schema_of(), 0, values_of(3)[1]))
    writer.complete("end")
    take = read(tmp_path)
    sound = take.sound()
    assert len(sound) == 25_200
    assert not sound[800:24_000].any()
    assert (sound[799], sound[24_000], sound[24_799], sound[24_800]) == (0.5, 0.25, 0.25, 0.125)
    assert take.events == ({"kind": "no sound", "position": 800, "samples": 23_200},)


def test_a_take_may_begin_in_the_middle_of_a_stream(tmp_path: Path) -> None:
    writer = TakeWriter(tmp_path, source="page", settings={})
    writer.begin(schema_of())
    writer.sound(16_000, sound_of(16_000))
    for index in range(58, 100):
        writer.frame(frame_of(schema_of(), index, values_of(100)[index]))
    writer.complete("end")
    take = read(tmp_path)
    assert take.first_sample == 16_000
    assert take.motion.index.tolist() == list(range(42))
    heard = take.sound_of_motion()
    assert len(heard) == 42 * 16_000 // 60
    lead = 16_000 - 58 * 16_000 // 60
    assert not heard[:lead].any()
    np.testing.assert_array_equal(heard[lead:], sound_of(16_000)[: len(heard) - lead])


def test_a_part_of_a_take_is_on_its_clock(tmp_path: Path) -> None:
    take = read(whole(tmp_path, 120))
    part = read(trim(take, tmp_path / "part", 0.5, 1.25))
    assert part.index.tolist() == list(range(30, 75))
    assert part.values.tobytes() == take.values[30:75].tobytes()
    assert part.capture_ns.tolist() == take.capture_ns[30:75].tolist()
    assert part.first_sample == 8_000
    np.testing.assert_array_equal(part.sound(), take.sound(8_000, 20_000))
    assert part.found["trimmed"]["of"] == take.path.name
    assert part.recorded == take.recorded
    assert part.cut == ""
    for wrong, said in (((1.0, 0.5), "expected 0 <= from < to"), ((5.0, 6.0), "it lasts 2.00 s")):
        with pytest.raises(TakeError, match=said):
            trim(take, tmp_path / "none", *wrong)
    with pytest.raises(TakeError, match="is there already"):
        trim(take, tmp_path / "part", 0.5, 1.25)
    assert not (tmp_path / "none").exists()


def test_refusals_name_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(TakeError, match="there is no such take; dt-take list FOLDER"):
        read(tmp_path / "nothing")
    with pytest.raises(TakeError, match=r"holds no take: a take is a folder with take.json"):
        read(tmp_path)
    first, second = whole(tmp_path, 3), whole(tmp_path, 3)
    assert find(tmp_path) == sorted([first, second])
    with pytest.raises(TakeError, match=f"holds 2 takes, name one: {first.name}, {second.name}"):
        read(tmp_path)
    manifest = first / "take.json"
    document = json.loads(manifest.read_text())
    for change, said in (
        ({"version": 2}, "version: expected 1, got 2"),
        ({"format": "film"}, "expected a manifest of format"),
        ({"schema": {**document["schema"], "rate_num": "x"}}, "schema.rate_num: expected int"),
        ({"schema": {**document["schema"], "rate_den": 0}}, "expected rates from 1"),
        ({"schema": {**document["schema"], "rate_num": 10**40}}, "expected rates from 1"),
        ({"schema": {**document["schema"], "curves": ["a", "a"]}}, "expected distinct names"),
        ({"schema": {**document["schema"], "curves": ["jawOpen", "JawOpen"]}}, "named twice"),
    ):
        manifest.write_text(json.dumps({**document, **change}))
        with pytest.raises(TakeError, match=said):
            read(first)
    manifest.write_text("{")
    with pytest.raises(TakeError, match="found no JSON"):
        read(first)


def test_takes_of_one_second_do_not_share_a_folder(tmp_path: Path) -> None:
    assert len({whole(tmp_path, 2) for _ in range(4)}) == 4


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TakeError, match="no take can be written there: "):
        TakeWriter(tmp_path / "file" / "takes", source="mic", settings={})


def test_a_take_without_a_frame_is_taken_away(tmp_path: Path) -> None:
    writer = TakeWriter(tmp_path, source="mic", settings={})
    writer.begin(schema_of())
    writer.leave("broken off")
    assert list(tmp_path.iterdir()) == []
    writer = begun(tmp_path, 4)
    writer.leave("the device burst into flames")
    take = read(tmp_path)
    assert len(take.index) == 4
    assert "was not ended (the device burst into flames)" in take.cut
