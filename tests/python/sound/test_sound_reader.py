"""The reader of sound: whatever length, parts, channels and scale a file has."""

from __future__ import annotations

import io
import os
import struct
import sys
import threading
from pathlib import Path

import forms
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diffusiontalker.sound import SoundError, SoundReader, read_all

UNKNOWN = forms.unknown_lengths()
PARTS = {
    "vorbis": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", None),
    "flac": ("FLAC", None),
    "wav": ("WAV", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
}


def need_pyav() -> None:
    """PyAV is in the extra that tests install: only a machine of somebody's own may lack it."""
    try:
        import av  # noqa: F401
    except ImportError:
        if os.environ.get("CI"):
            pytest.fail("PyAV is not installed")
        pytest.skip("PyAV is not installed")


def read(data: bytes, name: str = "a") -> tuple[np.ndarray, int, list[str]]:
    return read_all(io.BytesIO(data), name=name)


def as_float(pcm: np.ndarray) -> np.ndarray:
    return pcm / np.float32(32768)


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_length_that_nobody_knows_is_all_that_comes(name: str) -> None:
    samples, rate_hz, notes = read(UNKNOWN[name])
    assert rate_hz == forms.RATE_HZ
    np.testing.assert_array_equal(samples, as_float(forms.tone()))
    assert notes == []


@pytest.mark.parametrize("name", [*UNKNOWN, "vorbis", "opus", "mp3"])
def test_a_pipe_gives_what_the_file_gives(name: str) -> None:
    data = UNKNOWN.get(name) or forms.coded(forms.tone(), *PARTS[name])
    out, into = os.pipe()

    def feed() -> None:
        with os.fdopen(into, "wb", buffering=0) as pipe:
            for at in range(0, len(data), 1001):
                pipe.write(data[at : at + 1001])

    feeder = threading.Thread(target=feed)
    feeder.start()
    with io.FileIO(out, "r") as pipe:
        samples, _, _ = read_all(pipe)
    feeder.join()
    np.testing.assert_array_equal(samples, read(data)[0])


def test_an_empty_file_is_no_unclosed_one() -> None:
    empty = io.BytesIO()
    soundfile.write(empty, np.empty(0, np.int16), 16000, format="WAV")
    behind = forms.riff(np.empty(0, "<i2"), size=None, data=None) + b"LIST\4\0\0\0abcd"
    behind = behind[:4] + struct.pack("<I", len(behind) - 8) + behind[8:]
    for data in (empty.getvalue(), behind):
        with pytest.raises(SoundError, match="holds no audio"):
            read(data)


@pytest.mark.parametrize("name", PARTS)
def test_files_put_end_to_end_are_heard_to_the_end(name: str) -> None:
    parts = [forms.tone(seconds, hz=hz) for seconds, hz in ((1.0, 220), (0.7, 330), (1.3, 440))]
    files = [forms.coded(part, *PARTS[name]) for part in parts]
    samples, rate_hz, notes = read(b"".join(files))
    assert (len(samples), rate_hz, notes) == (sum(map(len, parts)), 16000, [])
    # Opus spoils the last 5 ms of each.
    wrong = np.abs(samples - as_float(np.concatenate(parts))) > 0.03
    assert wrong.mean() < 0.01
    alone = np.concatenate([read(file)[0] for file in files])
    np.testing.assert_array_equal(samples, alone)


@pytest.mark.parametrize("samples", [16000, 16001, 320, 319, 1])
def test_wavs_of_unknown_length_end_to_end(samples: int) -> None:
    pcm = forms.tone(2.0)[-samples:]
    part = forms.riff(pcm, size=0xFFFFFFFF, data=0xFFFFFFFF)
    last = forms.riff(pcm, size=None, data=None)
    got, _, notes = read(part + part + last)
    assert not any("early" in note for note in notes)
    np.testing.assert_array_equal(got, as_float(np.tile(pcm, 3)))
    # What only looks like a header is sound.
    odd = np.concatenate([pcm, np.frombuffer(b"RIFFRIFF", "<i2"), pcm])
    got, _, _ = read(forms.riff(odd, size=0, data=0))
    np.testing.assert_array_equal(got, as_float(odd))


@pytest.mark.parametrize("tag", [b"", b"TAG".ljust(128, b"\0"), b"ID3\4\0\0\0\0\0\x0a" + bytes(10)])
def test_mp3_parts_with_and_without_a_header_or_tags(tag: bytes) -> None:
    pcm = forms.tone(2.0)
    whole = forms.coded(pcm, "MP3")
    # A stream without Xing's header, as a service sends it: all frames but the first.
    from diffusiontalker.sound.parts import _mp3_length

    bare = whole[_mp3_length(whole[:4]) :]
    for parts in ((whole, bare), (bare, whole), (whole, whole, whole)):
        samples, _, _ = read(tag.join(parts))
        assert abs(len(samples) - len(parts) * len(pcm)) < 3000


@pytest.mark.parametrize("name", ["vorbis", "opus", "flac", "mp3", "wav"])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_part_of_another_rate_or_channel_count_is_converted(name: str, channels: int) -> None:
    first, second = forms.tone(1.0), forms.tone(1.0, 24000)
    wide = np.repeat(second[:, None], channels, axis=1)
    data = forms.coded(first, *PARTS[name]) + forms.coded(wide, *PARTS[name], rate_hz=24000)
    samples, rate_hz, notes = read(data)
    # MP3 and Opus round to their frames.
    assert rate_hz == 16000
    assert abs(len(samples) - 32000) < 40
    assert notes == ["a later part runs at 24000 Hz: resampled to 16000 Hz"]
    np.testing.assert_allclose(samples[16000:31000], as_float(first)[:15000], atol=0.05)


@pytest.mark.parametrize("name", ["wav", "flac", "mp3", "aiff", "caf"])
def test_a_file_that_ends_early_says_so(name: str) -> None:
    data = forms.coded(forms.tone(3.0), *PARTS[name])
    samples, _, notes = read(data[: len(data) // 2])
    assert 0.5 * 16000 < len(samples) < 2.5 * 16000
    (note,) = notes
    assert "ends early" in note
    assert "48000" in note


def test_channels_that_cancel_are_heard_by_the_loudest() -> None:
    pcm = as_float(forms.tone(2.0))
    silent = np.zeros_like(pcm)
    for columns, heard in (
        ([pcm, -pcm], 0),
        ([0.8 * pcm, -pcm], 1),
        ([pcm, -pcm, pcm, -pcm], 0),
        ([pcm, pcm], None),
        ([pcm, silent], None),
        ([silent, silent, pcm, silent, silent, silent], None),
    ):
        file = io.BytesIO()
        stack = np.stack(columns, 1)
        soundfile.write(file, stack, 16000, format="WAV", subtype="FLOAT")
        samples, _, notes = read(file.getvalue())
        want = stack.mean(axis=1) if heard is None else stack[:, heard]
        np.testing.assert_allclose(samples, want, atol=1e-6)
        assert [n for n in notes if "cancel" in n] == notes
        assert bool(notes) == (heard is not None)
        if heard is not None:
            assert f"channel {heard + 1} alone" in notes[0]


def test_quiet_silent_and_offset_sound_is_told() -> None:
    pcm = as_float(forms.tone(2.0))
    for samples, word in (
        (pcm * 10 ** (-45 / 20), "is very quiet"),
        (pcm * 10 ** (-25 / 20), None),
        (np.zeros(32000, np.float32), "nothing but silence"),
        (pcm + 0.02, "DC offset of 2.0 %"),
        (pcm - 0.3, "DC offset of -30.0 %"),
    ):
        file = io.BytesIO()
        soundfile.write(file, samples, 16000, format="WAV", subtype="FLOAT")
        got, _, notes = read(file.getvalue())
        assert len(notes) == (word is not None)
        assert word is None or word in notes[0]
        assert abs(float(got.mean())) < 1e-3


def test_values_of_int16_in_floats_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "loud.wav"
    samples = forms.tone().astype(np.float32)
    soundfile.write(path, samples, 16000, subtype="FLOAT")
    first = int(np.argmax(np.abs(samples) > 16))
    with pytest.raises(SoundError, match=rf"loud.wav: sample {first} .* full scale is 1.0"):
        read_all(path)


@pytest.mark.parametrize(
    ("container", "codec", "name"),
    [
        ("mp4", "aac", "a.m4a"),
        ("adts", "aac", "a.wav"),
        ("webm", "libopus", "a.webm"),
        ("asf", "wmav2", "a.wma"),
        ("mov", "pcm_s16le", "a.mov"),
    ],
)
def test_what_libsndfile_lacks_is_read_by_ffmpeg_or_the_way_is_told(
    container: str, codec: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_pyav()
    rate_hz = 48000 if codec == "libopus" else 16000
    pcm = forms.tone(2.0, rate_hz)
    data = forms.by_ffmpeg(pcm, container, codec, rate_hz)
    samples, got_hz, notes = read(data, name)
    assert got_hz == rate_hz
    assert abs(len(samples) / rate_hz - 2.0) < 0.2
    assert 0.2 < np.abs(samples).max() < 0.5
    assert bool(notes) == (name == "a.wav")
    if notes:
        assert "is no WAV inside but aac" in notes[0]
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(SoundError, match=r'pip install av, or convert it: ffmpeg -i "a\.') as error:
        read(data, name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", [("mp4", "aac"), ("webm", "libopus"), ("adts", "aac")])
def test_what_ffmpeg_reads_is_heard_to_the_end_too(kind: tuple[str, str]) -> None:
    need_pyav()
    one = forms.by_ffmpeg(forms.tone(1.0, 48000), *kind, 48000)
    alone = len(read(one)[0])
    samples, _, notes = read(one + one + one)
    assert abs(len(samples) - 3 * alone) < 3000
    assert notes == []


def test_decoders_keep_off_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    data = forms.coded(forms.tone(3.0), "MP3")
    for cut in (len(data) // 3, len(data) // 3 + 77):
        samples, _, _ = read(data[cut:])
        assert len(samples) > 1.5 * 16000
    assert capfd.readouterr() == ("", "")


def test_memory_does_not_depend_on_what_a_header_says() -> None:
    pcm = forms.tone(0.2)
    for data in (
        forms.riff(pcm, size=None, data=0x7FFFEFFF),
        forms.aiff(pcm, form=0, frames=0x7FFFEFFF, ssnd=0x7FFFEFFF),
        forms.caf(pcm, 1 << 50),
    ):
        reader = SoundReader(io.BytesIO(data))
        assert sum(map(len, reader.blocks(160))) == len(pcm)
        assert "ends early" in reader.notes[0]


def _every_form() -> list[bytes]:
    pcm = forms.tone(0.5)
    made = list(UNKNOWN.values())
    for form, subtype in (
        *PARTS.values(),
        ("WAV", "IMA_ADPCM"),
        ("WAV", "ULAW"),
        ("W64", "PCM_24"),
    ):
        made.append(2 * forms.coded(pcm, form, subtype))
    try:
        kinds = (("mp4", "aac"), ("webm", "libopus"), ("adts", "aac"))
        made += [forms.by_ffmpeg(forms.tone(0.5, 48000), *kind, 48000) for kind in kinds]
    except ImportError:
        pass
    return made


EVERY_FORM = _every_form()


@settings(
    max_examples=2500 if os.environ.get("CI") else 600,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    form=st.integers(0, len(EVERY_FORM) - 1),
    cut=st.floats(0, 1),
    is_cut=st.booleans(),
    flips=st.lists(
        st.tuples(st.integers(0, 1 << 20), st.integers(0, 7), st.booleans()), max_size=12
    ),
)
def test_damage_gives_sound_or_one_named_error(
    form: int, cut: float, is_cut: bool, flips: list[tuple[int, int, bool]]
) -> None:
    data = bytearray(EVERY_FORM[form])
    if is_cut:
        data = data[: int(cut * len(data))]
    for at, bit, in_header in flips:
        if data:
            data[at % min(len(data), 200 if in_header else len(data))] ^= 1 << bit
    try:
        samples, rate_hz, notes = read(bytes(data), "damaged.bin")
    except SoundError as error:
        said = str(error)
    else:
        said = ""
    if said:
        assert "damaged.bin" in said
        assert "\n" not in said
        return
    assert len(samples) > 0
    assert rate_hz > 0
    assert np.isfinite(samples).all()
    assert all("\n" not in note for note in notes)
