"""Takes as other programs, editors and spreadsheets leave them, and what is told of each."""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import train_corpus
from train_corpus import BeatTake

from diffusiontalker import CURVES, curves
from diffusiontalker.train import corpora
from diffusiontalker.train.corpora.film_clock import numbers_a_second
from diffusiontalker.train.corpora.live_link import seconds_of

JAW = CURVES.index("jawOpen")
SECONDS = 3.0


def write_wav(path: Path, seconds: float = SECONDS, rate_hz: int = 16000) -> None:
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    soundfile.write(path, 0.1 * np.sin(2 * np.pi * 200 * time), rate_hz)


def opening(times_s: np.ndarray) -> np.ndarray:
    return np.round(0.4 + 0.3 * np.sin(2 * np.pi * times_s), 4)


def beat(names: list[str], values: np.ndarray, rate_hz: float = 30.0) -> str:
    frames = [{"weights": row.tolist(), "time": i / rate_hz} for i, row in enumerate(values)]
    return json.dumps({"names": names, "frames": frames})


def only(folder: Path) -> corpora.Recording:
    corpus = corpora.load(folder, sync="off")
    assert not corpus.skipped, corpus.skipped
    (take,) = corpus.train
    return take


def refusal(folder: Path) -> str:
    corpus = corpora.load(folder, sync="off")
    assert not corpus.train
    (skip,) = corpus.skipped
    return skip.reason


# ------------------------------------------------------------------------------------------- names

SPELLINGS: dict[str, Callable[[str, str], str]] = {
    "_L": lambda base, side: f"{base}_{side[0]}",
    ".L": lambda base, side: f"{base}.{side[0]}",
    "_l": lambda base, side: f"{base}_{side[0].lower()}",
    "L": lambda base, side: f"{base}{side[0]}",
    "Pascal": lambda base, side: base[0].upper() + base[1:] + side,
    "snake": lambda base, side: snake(base + side),
    "lower": lambda base, side: (base + side).lower(),
    "L_": lambda base, side: f"{side[0]}_{base}",
    "blendShape1.": lambda base, side: f"blendShape1.{base}_{side[0]}",
    "bs_": lambda base, side: f"bs_{base}{side}",
}


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_other_spellings_are_the_same_curves(spelling: str, tmp_path: Path) -> None:
    def spelt(name: str) -> str:
        for side in ("Left", "Right"):
            if name.endswith(side):
                return SPELLINGS[spelling](name.removesuffix(side), side)
        return name

    names = [spelt(name) for name in CURVES]
    values = np.round(np.linspace(0, 1, 90 * 52).reshape(90, 52), 4)
    (tmp_path / "a.json").write_text(beat(names, values))
    write_wav(tmp_path / "a.wav")
    take = only(tmp_path)
    assert take.curve_names == CURVES
    np.testing.assert_allclose(take.curves, values, atol=1e-6)
    assert not take.notes


def test_two_halves_are_their_mean_and_strangers_are_named(tmp_path: Path) -> None:
    names = ["browInnerUp_L", "browInnerUp_R", "jawOpen", "browRaiser", "HeadYaw", "AU12"]
    values = np.tile([[0.2, 0.4, 0.5, 0.9, 9.0, 0.3]], (90, 1))
    (tmp_path / "a.json").write_text(beat(names, values))
    write_wav(tmp_path / "a.wav")
    take = only(tmp_path)
    assert take.curve_names == ("jawOpen", "browInnerUp")
    np.testing.assert_allclose(take.curves[:, CURVES.index("browInnerUp")], 0.3, atol=1e-6)
    assert take.notes == ("no ARKit curve, left out: browRaiser, AU12",)
    with pytest.raises(ValueError, match="twice, as eyeBlink_L and as eyeBlinkL"):
        curves.curves_of(["eyeBlink_L", "eyeBlinkL"])
    assert curves.curves_of(["jaw_open", "jawOpen"]) == [None, "jawOpen"]


@pytest.mark.parametrize(
    ("names", "value", "reason"),
    [
        (["CTRL_expressions_jawOpen", "CTRL_expressions_mouthLeft"], 0.5, "MetaHuman's controls"),
        (["AU01", "AU02"], 0.5, "names no ARKit curve (it names AU01, AU02)"),
        (["jawOpen", "mouthLeft"], 63.0, "jawOpen reaches 63, a curve at its full is 1: percent"),
        (["mouthLeft", "jawOpen"], 255.0, "bytes by 255"),
    ],
)
def test_other_units_and_other_rigs_are_told(
    names: list[str], value: float, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_text(beat(names, np.full((90, 2), value)))
    write_wav(tmp_path / "a.wav")
    assert reason in refusal(tmp_path)


# ----------------------------------------------------------------------------------- other programs


def test_audio2face_exports_are_read_at_their_rate(tmp_path: Path) -> None:
    times_s = np.arange(75) / 25
    document = {
        "exportFps": 25.0,
        "trackPath": "elsewhere/a.wav",
        "facsNames": ["EyeBlinkLeft", "JawOpen"],
        "weightMat": np.stack([0 * times_s, opening(times_s)], axis=1).tolist(),
    }
    (tmp_path / "a.json").write_text(json.dumps(document))
    write_wav(tmp_path / "a.wav")
    take = only(tmp_path)
    assert take.rate_hz == pytest.approx(25.0)
    np.testing.assert_allclose(take.curves[:, JAW], opening(times_s), atol=1e-6)
    del document["exportFps"]
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert "expected exportFps" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.json", '{"metadata": {}, "mouthCues": []}', "Rhubarb Lip Sync"),
        ("a.json", '{"text": "", "segments": [], "language": "en"}', "Whisper"),
        ("a.json", '{"curves": {"jawOpen": [0, 1]}}', "JSON without names and frames"),
        ("a.json", "[1, 2]", "JSON without names and frames"),
        ("a.csv", "frame, face_id, AU01_r, AU02_r\n1, 0, 0.1, 0.2\n", "OpenFace"),
        ("a.csv", "time,jawOpen\n0,0.1\n", "no column Timecode"),
        ("a.csv", "a,b\n1,2\n", "without Timecode and curves"),
        ("a.TextGrid", "ooBinaryFile\x08TextGrid", "Praat's binary form"),
    ],
)
def test_other_forms_beside_a_sound_are_skipped_and_named(
    name: str, text: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    write_wav(tmp_path / "a.wav")
    assert reason in refusal(tmp_path)
    # Without a sound it is a file that happens to lie there: counted, no more.
    (tmp_path / "a.wav").unlink()
    if not name.endswith("TextGrid"):
        (passed,) = corpora.load(tmp_path).passed_over
        assert reason in passed.reason


def test_what_is_passed_over_is_counted(tmp_path: Path) -> None:
    train_corpus.write_beat(tmp_path / "1", BeatTake("1_a_0_1_1"), seed=1)
    (tmp_path / "1" / "1_a_0_1_1.csv").write_text("emotion\n1\n")
    (tmp_path / "1" / "1_a_0_1_1.TextGrid").write_text("")
    (tmp_path / "words.json").write_text('{"words": ["a"]}')
    write_wav(tmp_path / "alone.WAV")
    corpus = corpora.load(tmp_path)
    assert [take.id for take in corpus.train] == ["1_a_0_1_1"]
    assert not corpus.skipped
    assert {passed.path.name: passed.reason for passed in corpus.passed_over} == {
        "1_a_0_1_1.csv": corpora.DESCRIBED_TWICE,
        "1_a_0_1_1.TextGrid": corpora.DESCRIBED_TWICE,
        "words.json": "JSON without names and frames, or phones (it has words)",
        "alone.WAV": corpora.SOUND_ALONE,
    }


# ------------------------------------------------------------------------------ editors and sheets


def live_link(rate: int = 30, separator: str = ",", comma: str = ".") -> str:
    times_s = np.arange(round(SECONDS * rate)) / rate
    lines = [separator.join(["Timecode", "BlendshapeCount", "EyeBlinkLeft", "JawOpen", "HeadYaw"])]
    for i, value in enumerate(opening(times_s)):
        code = f"00:00:{i // rate:02d}:{i % rate:02d}.000"
        cells = [code, "61", "0", f"{value:.4f}".replace(".", comma), "-0.1"]
        lines.append(separator.join(cells))
    return "\r\n".join(lines) + "\r\n"


def indexed(text: str, name: str) -> str:
    head, *rows = text.splitlines()
    return "\n".join([f"{name},{head}", *(f"{i},{row}" for i, row in enumerate(rows))])


SHEETS: dict[str, bytes] = {
    "plain": live_link().encode(),
    "utf-8 mark": live_link().encode("utf-8-sig"),
    "utf-16": live_link().encode("utf-16"),
    "utf-16-le, no mark": live_link().encode("utf-16-le"),
    "utf-16-be, marked": "\ufeff".encode("utf-16-be") + live_link().encode("utf-16-be"),
    "semicolons": live_link(separator=";").encode(),
    "decimal commas": live_link(separator=";", comma=",").encode(),
    "tabs": live_link(separator="\t", comma=",").encode("utf-16"),
    "sep=": b"sep=;\r\n" + live_link(separator=";").encode(),
    "pandas": indexed(live_link(), "").encode(),
    "index": indexed(live_link(), "index").encode(),
    "every cell quoted": "\n".join(
        ",".join(f'"{cell}"' for cell in line.split(",")) for line in live_link().splitlines()
    ).encode(),
    "every line quoted": "\n".join(f'"{line}"' for line in live_link().splitlines()).encode(),
    "empty columns": live_link().replace("\r\n", ",,\r\n").encode(),
    "empty lines": live_link().replace("\r\n", "\r\n\r\n").encode(),
}


@pytest.mark.parametrize("sheet", SHEETS)
def test_a_csv_that_a_spreadsheet_has_saved_is_read(sheet: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(SHEETS[sheet])
    write_wav(tmp_path / "a.wav")
    take = only(tmp_path)
    assert take.curve_names == ("eyeBlinkLeft", "jawOpen")
    np.testing.assert_allclose(take.curves[:, JAW], opening(np.arange(90) / 30), atol=1e-6)
    assert set(take.notes) <= {"no ARKit curve, left out: index"}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_json_of_any_editor_is_read(encoding: str, tmp_path: Path) -> None:
    times_s = np.arange(90) / 30
    text = beat(["jawOpen"], opening(times_s)[:, None])
    (tmp_path / "a.json").write_bytes(text.encode(encoding))
    write_wav(tmp_path / "a.wav")
    np.testing.assert_allclose(only(tmp_path).curves[:, JAW], opening(times_s), atol=1e-6)
    timed = {"phones": [{"phone": "a", "start": 0.1, "end": 0.4}]}
    (tmp_path / "a.json").write_bytes(json.dumps(timed).encode(encoding))
    assert only(tmp_path).phones


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_a_textgrid_of_any_editor_is_read(encoding: str, tmp_path: Path) -> None:
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "0", "1", "<exists>", "1"]
    lines += ['"IntervalTier"', '"phones"', "0", "1", "2", "0", "0.5", '"ɑː"', "0.5", "1", '"m"']
    (tmp_path / "a.TextGrid").write_bytes("\n".join([*lines, ""]).encode(encoding))
    write_wav(tmp_path / "a.wav")
    assert [phone.symbol for phone in only(tmp_path).phones] == ["ɑ", "m"]


# -------------------------------------------------------------------------------------------- time


@pytest.mark.parametrize("rate", [10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240])
def test_timecodes_tell_their_own_rate(rate: int) -> None:
    def codes(numbers: np.ndarray, base: int) -> list[str]:
        return [f"01:00:{n // base:02d}:{n % base:02d}.123" for n in numbers.tolist()]

    whole = np.arange(5, 4 * rate)
    np.testing.assert_allclose(np.diff(seconds_of(codes(whole, rate))), 1 / rate)
    # A tracker slower than the clock, rows that were lost, and a face that was lost for a second.
    rng = np.random.default_rng(rate)
    for kept in (
        whole[::2],
        whole[rng.random(len(whole)) > 0.1],
        whole[(whole < 1.3 * rate) | (whole > 2.3 * rate)],
    ):
        if len(kept) > 8 and rate >= 20:
            found = seconds_of(codes(kept, rate))
            np.testing.assert_allclose(found - found[0], (kept - kept[0]) / rate, atol=1e-9)


def test_rows_that_share_a_number_lie_evenly_in_it() -> None:
    """A clock that counts 30, a tracker that runs at 60."""
    codes = [f"01:00:{n // 30:02d}:{n % 30:02d}" for n in range(90) for _ in range(2)]
    np.testing.assert_allclose(np.diff(seconds_of(codes)), 1 / 60)


def test_timecodes_that_leave_their_rate_open_are_refused(tmp_path: Path) -> None:
    # Every second ends at another number.
    numbers = [(s, f) for s, last in enumerate((33, 41, 37, 35, 44)) for f in range(0, last)]
    lines = ["Timecode,BlendShapeCount,JawOpen"]
    lines += [f"00:00:{s:02d}:{f:02d}.000,61,0.1" for s, f in numbers]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    write_wav(tmp_path / "a.wav", 5.0)
    assert "timecodes do not tell their rate" in refusal(tmp_path)


def test_times_in_milliseconds_are_told(tmp_path: Path) -> None:
    document = json.loads(beat(["jawOpen"], np.full((90, 1), 0.2)))
    for frame in document["frames"]:
        frame["time"] *= 1000.0
    (tmp_path / "a.json").write_text(json.dumps(document))
    write_wav(tmp_path / "a.wav")
    assert "frames are 33.3 s apart" in refusal(tmp_path)


@pytest.mark.parametrize("past_s", [1.2, 20.0, -1.2])
def test_what_sound_and_face_both_cover_is_used(past_s: float, tmp_path: Path) -> None:
    times_s = np.arange(90) / 30
    (tmp_path / "a.json").write_text(beat(["jawOpen"], opening(times_s)[:, None]))
    write_wav(tmp_path / "a.wav", SECONDS + past_s)
    take = only(tmp_path)
    assert take.duration_s == pytest.approx(SECONDS + min(past_s, 0.0), abs=1e-3)
    kept = times_s < take.duration_s
    np.testing.assert_allclose(take.curves[:, JAW], opening(times_s)[kept], atol=1e-6)
    longer = "sound" if past_s > 0 else "face"
    assert take.notes[0].startswith(f"the {longer} runs {abs(past_s):.2f} s longer than the")


def tmcd(count: int) -> bytes:
    """The boxes of a QuickTime file around its timecode track's sample entry."""

    def box(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(content), kind) + content

    entry = bytes(6) + b"\0\1" + struct.pack(">IIIIBx", 0, 0, 30000, 1001, count)
    inside = box(b"stsd", struct.pack(">II", 0, 1) + box(b"tmcd", entry))
    for kind in (b"stbl", b"minf", b"mdia", b"trak"):
        inside = box(kind, inside)
    return (
        box(b"ftyp", b"qt  ") + box(b"wide", b"") + box(b"moov", box(b"mvhd", bytes(20)) + inside)
    )


def test_a_film_says_how_many_numbers_its_code_counts(tmp_path: Path) -> None:
    film = tmp_path / "a.mov"
    for count in (24, 30, 60):
        film.write_bytes(tmcd(count))
        assert numbers_a_second(film) == count
    whole = tmcd(30)
    for end in range(len(whole)):
        film.write_bytes(whole[:end])
        assert numbers_a_second(film) in (None, 30)
    film.write_bytes(b"\0\0\0\1moov" + b"\xff" * 8)
    assert numbers_a_second(film) is None


# ------------------------------------------------------------------------------------------- sound


@pytest.mark.parametrize("name", ["a.WAV", "a.FLAC", "a.mp3", "a.ogg", "a.aiff", "a.MP3"])
def test_sound_of_other_kinds_beside_a_take_is_read(name: str, tmp_path: Path) -> None:
    train_corpus.write_beat(tmp_path, BeatTake("a"), seed=1)
    sound, rate_hz = soundfile.read(tmp_path / "a.wav")
    (tmp_path / "a.wav").unlink()
    kind = {"mp3": "MP3", "ogg": "OGG", "aiff": "AIFF"}.get(name[2:].lower(), name[2:].upper())
    soundfile.write(tmp_path / name, sound, rate_hz, format=kind)
    take = only(tmp_path)
    assert take.duration_s == pytest.approx(len(sound) / rate_hz, abs=0.06)


# --------------------------------------------------------------------------- what nobody thought of


def with_frame(weight: bytes, time: bytes) -> bytes:
    frame = b'{"weights": [' + weight + b'], "time": ' + time + b"}"
    return b'{"names": ["jawOpen"], "frames": [' + frame + b"]}"


HOSTILE: dict[str, bytes] = {
    "deep": b'{"names": ["jawOpen"], "frames": [' + b"[" * 200_000,
    "long number": with_frame(b"9" * 400, b"0"),
    "longer number": with_frame(b"0", b"9" * 5000),
    "no text": bytes(range(256)) * 4,
    "half a surrogate": b'{"names": ["\\ud800"], "frames": [{"weights": [0], "time": 0}]}',
    "null": b"null",
    "empty": b"",
}


@pytest.mark.parametrize("content", HOSTILE)
def test_a_hostile_take_is_skipped_and_the_others_are_read(content: str, tmp_path: Path) -> None:
    train_corpus.write_beat(tmp_path, BeatTake("good"), seed=1)
    (tmp_path / "bad.json").write_bytes(HOSTILE[content])
    write_wav(tmp_path / "bad.wav")
    corpus = corpora.load(tmp_path)
    assert [take.id for take in corpus.train] == ["good"]
    (skip,) = corpus.skipped
    assert skip.path.name == "bad.json"
    assert skip.reason.isprintable()
    assert len(skip.reason) < 500


def test_any_error_of_a_reader_skips_the_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_corpus.write_beat(tmp_path, BeatTake("a"), seed=1)
    train_corpus.write_beat(tmp_path, BeatTake("b"), seed=2)
    whole = corpora.beat.read_audio
    for error in (MemoryError(), RecursionError("deep"), struct.error("short"), KeyError("x")):

        def fails(path: Path, error: Exception = error) -> np.ndarray:
            if path.stem == "a":
                raise error
            return whole(path)

        monkeypatch.setattr(corpora.beat, "read_audio", fails)
        corpus = corpora.load(tmp_path)
        assert [take.id for take in corpus.train] == ["b"]
        assert "a.json cannot be read: " + type(error).__name__ in corpus.skipped[0].reason

    def stopped(path: Path) -> np.ndarray:
        raise KeyboardInterrupt

    monkeypatch.setattr(corpora.beat, "read_audio", stopped)
    with pytest.raises(KeyboardInterrupt):  # which is no take's fault
        corpora.load(tmp_path)


def test_a_huge_description_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(2**31)  # sparse: it takes no room
    write_wav(tmp_path / "a.wav")
    assert "a.json has 2048 MiB, the limit is 128" in refusal(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_of_any_bytes(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 \n[red]"))
    folder.mkdir()
    plain = tmp_path / "plain"
    train_corpus.write_beat(plain, BeatTake("good"), seed=1)
    for ending in ("json", "wav"):
        strange = os.fsdecode(b"t\xff\x1b[31m." + ending.encode())
        (plain / f"good.{ending}").rename(folder / strange)
    (folder / "bad.json").write_text('{"names": [], "frames": [')
    corpus = corpora.load(tmp_path, cache=tmp_path / "cache", hold_out_per_speaker=1)
    (take,) = corpus.train
    assert take.id == r"t\udcff\x1b[31m"
    assert take.speaker == r"caf\udce9 \n[red]"
    take.speaker.encode()
    assert corpus.skipped[0].reason.isprintable()
    again = corpora.load(tmp_path, cache=tmp_path / "cache")
    np.testing.assert_array_equal(again.train[0].curves, take.curves)


def test_the_only_take_of_a_voice_is_learnt_from(tmp_path: Path) -> None:
    train_corpus.write_beat(tmp_path / "x", BeatTake("a"), seed=1)
    for how in ({"hold_out": 1}, {"hold_out_per_speaker": 2}):
        corpus = corpora.load(tmp_path, **how)
        assert [len(corpus.train), len(corpus.held_out)] == [1, 0]
    train_corpus.write_beat(tmp_path / "x", BeatTake("b"), seed=2)
    train_corpus.write_beat(tmp_path / "y", BeatTake("c"), seed=3)
    corpus = corpora.load(tmp_path, hold_out_per_speaker=2)
    assert [len(corpus.train), len(corpus.held_out)] == [2, 1]
