"""`Runtime(streams=N)`: each stream is a runtime of its own, whatever the others do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import random_bundle
from numpy.typing import NDArray

from diffusiontalker import Runtime

Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_bundle.write(tmp_path_factory.mktemp("streams") / "bundle").path


def sounds(streams: int, seconds: float, rate: int) -> list[Floats]:
    rng = np.random.default_rng(4)
    loud = 0.3 * np.sin(2 * np.pi * 3.0 * np.arange(int(seconds * rate)) / rate) ** 2
    return [
        (loud * rng.standard_normal(loud.size)).astype(np.float32)[: loud.size - 37 * i]
        for i in range(streams)
    ]


def alone(folder: Path, sound: Floats, **settings: object) -> Floats:
    runtime = Runtime(folder, **settings)  # type: ignore[arg-type]
    return np.concatenate([runtime.step(sound), runtime.flush()])


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("threads", [1, 2])
def test_each_is_a_runtime_of_its_own(folder: Path, rate: int, threads: int) -> None:
    audio = sounds(3, 1.5, rate)
    names = Runtime(folder).identities
    identities = ["auto", names[1], names[0]]
    runtime = Runtime(
        folder, sample_rate=rate, streams=3, seed=[5, 6, 7], identity=identities, threads=threads
    )
    assert (runtime.streams, runtime.seeds) == (3, (5, 6, 7))
    runtime.set(gain={"mouth": 1.2}, smooth_ms=20)
    rng = np.random.default_rng(1)
    at, got = [0, 0, 0], [[], [], []]  # type: ignore[var-annotated]
    while any(a < len(x) for a, x in zip(at, audio, strict=True)):
        sizes = [int(n) for n in rng.choice([0, 1, 160, 700, 4000], 3)]
        chunks = [x[a : a + n] for a, x, n in zip(at, audio, sizes, strict=True)]
        at = [a + n for a, n in zip(at, sizes, strict=True)]
        for frames, new in zip(got, runtime.step(chunks), strict=True):
            frames.append(new)
    for frames, new in zip(got, runtime.flush(), strict=True):
        frames.append(new)
    for i in range(3):
        one = Runtime(folder, sample_rate=rate, seed=5 + i, identity=identities[i])
        one.set(gain={"mouth": 1.2}, smooth_ms=20)
        expected = np.concatenate([one.step(audio[i]), one.flush()])
        np.testing.assert_array_equal(np.concatenate(got[i]), expected)
    assert runtime.identity_of(1) == names[1]
    assert runtime.stats.samples == sum(map(len, audio))
    assert runtime.stats.frames == sum(len(np.concatenate(frames)) for frames in got)


def test_an_array_is_a_chunk_for_each(folder: Path) -> None:
    audio = np.stack([x[:8000] for x in sounds(2, 1.0, 16000)])
    lists, arrays = (Runtime(folder, streams=2) for _ in range(2))
    for one, other in zip(lists.step(list(audio)), arrays.step(audio), strict=True):
        np.testing.assert_array_equal(one, other)
    as_bytes = (audio * 32767).astype(np.int16)
    for i, frames in enumerate(
        Runtime(folder, streams=2).step([row.tobytes() for row in as_bytes])
    ):
        np.testing.assert_array_equal(frames, Runtime(folder).step(as_bytes[i]))


def test_one_stream_ends_and_begins_again(folder: Path) -> None:
    audio = sounds(2, 1.0, 16000)
    expected = [alone(folder, x, seed=3) for x in audio]
    runtime = Runtime(folder, streams=2, seed=3)
    first = runtime.step([audio[0], audio[1][:5000]])
    tail = runtime.flush(0)
    np.testing.assert_array_equal(np.concatenate([first[0], tail]), expected[0])
    with pytest.raises(RuntimeError, match="stream 0 was flushed"):
        runtime.step(audio)
    with pytest.raises(RuntimeError, match="stream 0 was flushed"):
        runtime.flush(0)
    # The other one has not lost a frame by it.
    nothing = np.zeros(0, np.float32)
    rest = runtime.step([nothing, audio[1][5000:]])
    assert len(rest[0]) == 0
    ends = runtime.flush()
    assert len(ends[0]) == 0
    np.testing.assert_array_equal(np.concatenate([first[1], rest[1], ends[1]]), expected[1])
    runtime.reset(0)
    again = np.concatenate([runtime.step([audio[0], nothing])[0], runtime.flush(0)])
    np.testing.assert_array_equal(again, expected[0])
    runtime.reset()
    both = [np.concatenate(p) for p in zip(runtime.step(audio), runtime.flush(), strict=True)]
    for got, want in zip(both, expected, strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("rate", [16000, 48000])
def test_one_bad_sample_names_its_stream_and_harms_none(folder: Path, rate: int) -> None:
    audio = sounds(3, 1.0, rate)
    clean, hit = (Runtime(folder, sample_rate=rate, streams=3) for _ in range(2))
    half = [x[: rate // 2] for x in audio]
    rest = [x[rate // 2 :] for x in audio]
    for runtime in (clean, hit):
        runtime.step(half)
    bad = [x.copy() for x in rest]
    bad[1][7] = np.nan
    with pytest.raises(ValueError, match=r"stream 1: chunk: sample 7 is NaN"):
        hit.step(bad)
    with pytest.raises(
        ValueError, match=r"stream 2: chunk: expected float32 or int16, got float64"
    ):
        hit.step([*rest[:2], rest[2].astype(np.float64)])  # type: ignore[list-item]
    for one, other in zip(clean.step(rest), hit.step(rest), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_cannot_be_is_said(folder: Path) -> None:
    for settings, words in (
        ({"streams": 0}, "streams: expected a whole number from 1 to 65536, got 0"),
        ({"streams": True}, "streams: .* got True"),
        ({"streams": 2, "threads": 0}, "threads: .* got 0"),
        ({"streams": 2, "seed": [1]}, "seed: expected one value or 2, one a stream, got 1"),
        ({"streams": 2, "seed": [1, -1]}, "seed: .* got -1"),
        ({"streams": 2, "identity": ["auto", "nobody"]}, "identity: .* got 'nobody'"),
    ):
        with pytest.raises(ValueError, match=words):
            Runtime(folder, **settings)  # type: ignore[arg-type]
    runtime = Runtime(folder, streams=2)
    silence = np.zeros(100, np.float32)
    with pytest.raises(ValueError, match="chunks: expected 2, one a stream, got 3"):
        runtime.step([silence] * 3)
    with pytest.raises(ValueError, match=r"chunks: expected shape \(2, n\), or a list of 2 chunks"):
        runtime.step(silence)
    with pytest.raises(ValueError, match="or a list of 2 chunks, got bytes"):
        runtime.step(b"\0\0")
    with pytest.raises(ValueError, match="stream: expected a whole number from 0 to 1, got 2"):
        runtime.reset(2)
    with pytest.raises(RuntimeError, match="live use is for one voice"):
        runtime.start()


def test_seconds_are_told_by_stage(folder: Path) -> None:
    runtime = Runtime(folder, streams=2)
    runtime.step(sounds(2, 1.0, 16000))
    stages = runtime.stage_seconds
    assert list(stages) == ["log-mel", "encoder", "alignment", "sampler", "curves"]
    assert 0 < sum(stages.values()) <= runtime.stats.compute_seconds
    runtime.reset()
    assert not any(runtime.stage_seconds.values())
