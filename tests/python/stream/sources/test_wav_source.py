"""Sound files: every width, rate and channel count as mono float32, and clear refusals."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from diffusiontalker.stream import StreamError
from diffusiontalker.stream.sources.wav import PacedSource, WavSource, demo_path


def tone(samples: int, rate: int = 16000) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 220 * np.arange(samples) / rate)).astype(np.float32)


def read_all(path: Path, **options: object) -> np.ndarray:
    source = WavSource(path, **options)
    data = np.concatenate([np.empty(0, np.float32), *source.blocks()])
    source.close()
    return data


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_widths_and_rates(tmp_path: Path, rate: int, subtype: str) -> None:
    path = tmp_path / "a.wav"
    want = tone(rate // 3, rate)
    soundfile.write(path, want, rate, subtype=subtype)
    got = read_all(path)
    assert got.dtype == np.float32
    assert WavSource(path).sample_rate == rate
    tolerance = {"PCM_U8": 1 / 100, "PCM_16": 1 / 30000}.get(subtype, 1e-6)
    np.testing.assert_allclose(got, want, atol=tolerance)


def test_channels_are_mixed(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    left, right = tone(1000), tone(1000, 8000)
    soundfile.write(path, np.stack([left, right], 1), 44100, subtype="PCM_24")
    np.testing.assert_allclose(read_all(path), (left + right) / 2, atol=1e-6)


def test_limit_and_loop(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(1000), 16000, subtype="FLOAT")
    assert len(read_all(path, limit_s=0.03)) == 480
    assert len(read_all(path, limit_s=9)) == 1000
    looped = read_all(path, limit_s=0.2, loop=True)
    np.testing.assert_array_equal(looped, np.resize(tone(1000), 3200))


def test_the_demo_clip_is_there() -> None:
    source = WavSource(demo_path())
    assert source.sample_rate == 16000
    assert source.duration_s is not None
    assert 8 < source.duration_s < 15


def test_refusals_are_one_line_and_name_the_file(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("this is no sound\n" * 100)
    empty = tmp_path / "empty.wav"
    soundfile.write(empty, np.empty(0, np.float32), 16000)
    nothing = tmp_path / "nothing.wav"
    nothing.write_bytes(b"")
    for path, words in (
        (tmp_path / "missing.wav", "cannot open .*missing.wav: No such file"),
        (tmp_path, "cannot open"),
        (text, "notes.txt is no WAV"),
        (nothing, "nothing.wav is no WAV"),
        (empty, r"empty.wav holds no audio \(0 samples\)"),
    ):
        with pytest.raises(StreamError, match=words) as refusal:
            WavSource(path)
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("value", "word"),
    [(np.nan, "NaN"), (-np.inf, "infinite"), (-32768.0, "-32768; full scale is 1.0")],
)
def test_samples_that_are_no_numbers_are_located(tmp_path: Path, value: float, word: str) -> None:
    path = tmp_path / "bad.wav"
    data = np.stack([tone(8000), tone(8000)], 1)
    data[4321, 1] = value
    data[5000, 0] = np.nan
    soundfile.write(path, data, 8000, subtype="FLOAT")
    with pytest.raises(StreamError, match=rf"sample 4321 \(0.540 s\) is {word}"):
        read_all(path)


def test_paced_blocks_come_when_they_are_due_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(6000), 16000, subtype="FLOAT")
    paced = PacedSource(WavSource(path))
    got: list[np.ndarray] = []
    begun_ns = time.monotonic_ns()

    def push(block: np.ndarray) -> int:
        end = sum(map(len, got)) + len(block)
        assert time.monotonic_ns() - begun_ns >= end * 1_000_000_000 // 16000
        got.append(block)
        return end

    paced.start(push)
    while not paced.finished:
        paced.pump(sum(map(len, got)) / 16000)
        time.sleep(0.002)
    np.testing.assert_array_equal(np.concatenate(got), tone(6000))
    assert paced.capture_ns(16000) - paced.capture_ns(0) == 1_000_000_000
    paced.stop()


def test_a_runtime_that_does_not_keep_up_is_not_drowned(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(16000 * 20, np.float32), 16000)
    paced = PacedSource(WavSource(path))
    pushed = 0

    def push(block: np.ndarray) -> int:
        nonlocal pushed
        pushed += len(block)
        return pushed

    paced.start(push)
    # As if ten seconds had gone by while the runtime computed nothing.
    paced._start_ns -= 10_000_000_000
    paced.pump(0.0)
    assert pushed <= 16000 * 1.02
    paced.stop()
