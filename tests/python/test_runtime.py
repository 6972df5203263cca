"""The embedding contract: exact streaming, frame timing, counts, refusals, the live worker."""

from __future__ import annotations

import math
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diffusiontalker import Frame, Runtime, bundle
from diffusiontalker.bundle import Bundle
from diffusiontalker.curves import GATED, indices
from diffusiontalker.sound import read_all
from diffusiontalker.stream.sources.wav import demo_path

RATES = [16000, 8000, 22050, 44100, 48000]


def speech_like(seconds: float, rate: int, seed: int = 0) -> np.ndarray:
    """A voice's outline: a buzz under moving formant-like bands, with pauses."""
    t = np.arange(round(seconds * rate)) / rate
    rng = np.random.default_rng(seed)
    pitch = 110 + 30 * np.sin(2 * np.pi * 0.7 * t)
    buzz = np.sign(np.sin(2 * np.pi * np.cumsum(pitch) / rate))
    loud = np.clip(np.sin(2 * np.pi * 2.3 * t + rng.uniform(0, 6)), 0, None)
    return (0.2 * loud * buzz + 1e-4 * rng.standard_normal(len(t))).astype(np.float32)


def run(rt: Runtime, audio: np.ndarray, sizes: list[int] | None = None) -> np.ndarray:
    """All frames of `audio`, cut into `sizes` (then the rest at once), flushed."""
    frames, at = [], 0
    for size in sizes or []:
        frames.append(rt.step(audio[at : at + size]))
        at += size
    frames.append(rt.step(audio[at:]))
    frames.append(rt.flush())
    return np.concatenate(frames)


@pytest.mark.parametrize("rate", RATES)
def test_any_chunking_gives_the_same_bits(any_bundle: Bundle, rate: int) -> None:
    audio = speech_like(1.3, rate)
    rt = Runtime(any_bundle, sample_rate=rate, seed=3)
    whole = run(rt, audio)
    assert len(whole) == math.ceil(Fraction(len(audio) * 60, rate))

    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.sampled_from([0, 1, 2, 7, 160, 161, 441, 800, 4096]), max_size=60))
    def check(sizes: list[int]) -> None:
        rt.reset()
        np.testing.assert_array_equal(run(rt, audio, sizes), whole)

    check()


@pytest.mark.parametrize("kind", ["bundle_at_2997", "bundle_with_context"])
def test_sample_by_sample_gives_the_same_bits(request: pytest.FixtureRequest, kind: str) -> None:
    audio = speech_like(0.4, 16000)
    rt = Runtime(request.getfixturevalue(kind))
    whole = run(rt, audio)
    rt.reset()
    np.testing.assert_array_equal(run(rt, audio, [1] * len(audio)), whole)


def test_the_context_is_heard(bundle_with_context: Bundle) -> None:
    """The same weights without it give another face, with the same look-ahead."""
    b = bundle_with_context
    encoder = {k: v for k, v in b.manifest["encoder"].items() if k != "context"}
    without = Bundle(b.path, {**b.manifest, "encoder": encoder}, b.tensors)
    audio = speech_like(1, 16000)
    difference = np.abs(run(Runtime(b), audio) - run(Runtime(without), audio))
    assert (difference.max(axis=1) > 1e-3).mean() > 0.5
    assert Runtime(b).lookahead_ms == Runtime(without).lookahead_ms


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("fps", ["60", "29.97"])
def test_a_frame_comes_exactly_when_it_is_due(
    bundle_at_60: Bundle, bundle_at_2997: Bundle, rate: int, fps: str
) -> None:
    """Frame i comes out of the first step that has brought i / frame_rate + lookahead_ms."""
    rt = Runtime(bundle_at_60 if fps == "60" else bundle_at_2997, sample_rate=rate)
    audio = speech_like(0.6, rate)
    lookahead = Fraction(round(rt.lookahead_ms * rate / 1000), rate)
    assert float(lookahead) * 1000 == pytest.approx(rt.lookahead_ms)
    count, at = 0, 0
    for size in [1, 13, 400] * 1000:
        if at >= len(audio):
            break
        chunk = audio[at : at + size]
        at += len(chunk)
        count += len(rt.step(chunk))
        spare = Fraction(at, rate) - lookahead
        assert count == (math.floor(spare * rt.frame_rate) + 1 if spare >= 0 else 0)
    assert count > 10


def test_lookahead_counts_the_resampler(bundle_at_60: Bundle) -> None:
    own = Runtime(bundle_at_60).lookahead_ms
    assert own == pytest.approx(947 / 16)
    for rate in RATES[1:]:
        assert own + 1 < Runtime(bundle_at_60, sample_rate=rate).lookahead_ms < own + 4


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("count", [0, 1, 80, 266, 267, 268, 12345])
def test_flush_gives_every_frame_of_the_duration(any_bundle: Bundle, rate: int, count: int) -> None:
    rt = Runtime(any_bundle, sample_rate=rate)
    assert len(run(rt, speech_like(2, rate)[:count])) == math.ceil(Fraction(count * 60, rate))
    assert rt.stats.frames == math.ceil(Fraction(count * 60, rate))
    assert rt.stats.samples == count


def test_the_rate_moves_no_frame(bundle_at_60: Bundle) -> None:
    """A click at one instant opens the gate at the same frame, whatever the rate."""
    first = []
    for rate in RATES:
        audio = np.zeros(rate, np.float32)
        audio[round(0.5 * rate) : round(0.6 * rate)] = speech_like(0.6, rate)[-round(0.1 * rate) :]
        audio[round(0.5 * rate)] = 0.9
        frames = run(Runtime(bundle_at_60, sample_rate=rate), audio)
        moved = np.abs(frames[:, indices(GATED)]).max(axis=1) > 0
        first.append(int(np.argmax(moved)))
    assert max(first) - min(first) <= 1


def test_reset_starts_again(any_bundle: Bundle) -> None:
    audio = speech_like(1, 44100)
    rt = Runtime(any_bundle, sample_rate=44100, seed=9)
    first = run(rt, audio)
    rt.reset()
    assert rt.stats.frames == rt.stats.samples == 0
    np.testing.assert_array_equal(run(rt, audio), first)
    rt.reset()
    rt.step(audio[:20000])
    rt.reset()  # amid a stream
    np.testing.assert_array_equal(run(rt, audio), first)
    fresh = Runtime(any_bundle, sample_rate=44100, seed=9)
    np.testing.assert_array_equal(run(fresh, audio), first)


def test_the_seed_and_the_identity_matter(bundle_at_60: Bundle) -> None:
    audio = speech_like(1, 16000)
    first = run(Runtime(bundle_at_60, seed=1, identity="ann"), audio)
    assert (run(Runtime(bundle_at_60, seed=1, identity="ann"), audio) == first).all()
    assert (run(Runtime(bundle_at_60, seed=2, identity="ann"), audio) != first).any()
    assert (run(Runtime(bundle_at_60, seed=1, identity="bob"), audio) != first).any()


def test_int16_is_float32(bundle_at_60: Bundle) -> None:
    rt = Runtime(bundle_at_60)
    pcm = (speech_like(0.5, 16000) * 32767).astype(np.int16)
    a = run(rt, pcm)
    rt.reset()
    np.testing.assert_array_equal(run(rt, pcm.astype(np.float32) / 32768), a)


@pytest.mark.parametrize(
    ("chunk", "words"),
    [
        ([0.0, 0.1], "NumPy array, got list"),
        (np.zeros((4, 2), np.float32), r"shape \(4, 2\)"),
        (np.zeros((), np.float32), r"shape \(\)"),
        (np.zeros(4, np.float64), "got float64"),
        (np.zeros(4, np.int32), "got int32"),
        (np.array([0, 0, np.nan], np.float32), "sample 2 is NaN"),
        (np.array([0, np.inf, np.nan], np.float32), "sample 1 is inf"),
        (np.array([0, 3, -12000], np.float32), "sample 2 is -12000; full scale is 1.0"),
        (b"\0\1\2", "3 bytes are no whole number of int16"),
        (bytearray(7), "7 bytes are no whole number of int16"),
        (memoryview(bytes(5)), "5 bytes are no whole number of int16"),
        (memoryview(np.zeros(4)), "got float64"),
        ("sound", "NumPy array, got str"),
    ],
)
@pytest.mark.parametrize("rate", [16000, 48000])
def test_a_bad_chunk_is_refused_and_changes_nothing(
    any_bundle: Bundle, chunk: object, words: str, rate: int
) -> None:
    audio = speech_like(0.5, rate)
    rt = Runtime(any_bundle, sample_rate=rate)
    whole = run(rt, audio)
    rt.reset()
    head = rt.step(audio[:3000])
    with pytest.raises(ValueError, match=words):
        rt.step(chunk)  # type: ignore[arg-type]
    rest = [rt.step(audio[3000:]), rt.flush()]
    np.testing.assert_array_equal(np.concatenate([head, *rest]), whole)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"sample_rate": 7999}, "sample_rate.*8000.*7999"),
        ({"sample_rate": 44100.0}, "sample_rate.*44100.0"),
        ({"seed": -1}, r"seed.*-1"),
        ({"seed": 2**64}, "seed"),
        ({"identity": "zoe"}, "identity.*ann, bob, cat.*zoe"),
        ({"backend": "abacus"}, "abacus"),
        ({"precision": "float16"}, "precision: expected 'int8' or 'float32', got 'float16'"),
        ({"precision": None}, "precision.*None"),
    ],
)
def test_arguments_are_checked(
    bundle_at_60: Bundle, arguments: dict[str, object], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        Runtime(bundle_at_60, **arguments)  # type: ignore[arg-type]


def test_a_flushed_stream_wants_a_reset(bundle_at_60: Bundle) -> None:
    rt = Runtime(bundle_at_60)
    rt.flush()
    with pytest.raises(RuntimeError, match="reset"):
        rt.step(np.zeros(10, np.float32))
    with pytest.raises(RuntimeError, match="reset"):
        rt.flush()


def test_silence_closes_the_mouth_within_200_ms(bundle_at_60: Bundle) -> None:
    audio = np.concatenate([speech_like(1, 16000), np.zeros(16000, np.float32)])
    # Speech ends loud, so that the instant of silence is known.
    audio[14000:16000] = 0.3 * np.sign(np.sin(2 * np.pi * 120 * np.arange(2000) / 16000))
    frames = run(Runtime(bundle_at_60), audio)
    mouth = np.abs(frames[:, indices(GATED)])
    assert mouth[55:60].max() > 0.05
    assert mouth[60 + 12 :].max() == 0


def test_auto_identity_starts_at_the_default_and_is_a_name(bundle_at_60: Bundle) -> None:
    rt = Runtime(bundle_at_60)
    assert rt.identity == "ann"
    rt.step(speech_like(3, 16000))
    assert rt.identity in rt.identities
    pinned = Runtime(bundle_at_60, identity="cat")
    pinned.step(speech_like(3, 16000))
    assert pinned.identity == "cat"


# ---- live --------------------------------------------------------------------------------


def drain(rt: Runtime, seconds: float = 60) -> list[Frame]:
    frames: list[Frame] = []
    deadline = time.monotonic() + seconds
    while not rt.finished:
        assert time.monotonic() < deadline, "the worker did not finish"
        frames += rt.poll(timeout_s=0.1)
    return frames


@pytest.mark.parametrize("rate", [16000, 44100])
def test_live_gives_the_frames_of_step(any_bundle: Bundle, rate: int) -> None:
    audio = speech_like(2, rate)
    rt = Runtime(any_bundle, sample_rate=rate, seed=5)
    whole = run(rt, audio)
    with rt:
        rt.start(fill_after_s=None)
        frames: list[Frame] = []
        for at in range(0, len(audio), 441):
            rt.push(audio[at : at + 441])
            frames += rt.poll()
        rt.finish()
        frames += drain(rt)
        assert rt.stats.dropped_samples == rt.stats.dropped_frames == 0
    assert [f.index for f in frames] == list(range(len(whole)))
    np.testing.assert_array_equal(np.stack([f.curves for f in frames]), whole)
    for f in frames:
        assert f.time_s == f.index / 60
        assert f.position == f.index * rate // 60


def test_live_and_step_do_not_mix(bundle_at_60: Bundle) -> None:
    rt = Runtime(bundle_at_60)
    for call in (lambda: rt.push(np.zeros(1, np.float32)), rt.poll, rt.finish):
        with pytest.raises(RuntimeError, match="start"):
            call()
    rt.start()
    for call in (lambda: rt.step(np.zeros(1, np.float32)), rt.flush, rt.start):
        with pytest.raises(RuntimeError, match="stop"):
            call()
    rt.stop()
    rt.stop()
    assert rt.flush().shape == (0, 52)


def test_a_full_ring_drops_counts_and_keeps_the_clock(bundle_at_60: Bundle) -> None:
    rt = Runtime(bundle_at_60)
    rt.start()
    flood = speech_like(30, 16000)  # far more than the ring holds, at once
    with pytest.raises(ValueError, match=r"30\.0 s of sound at once; the ring holds 4 s"):
        rt.push(flood)
    assert rt.stats.samples == 0
    taken = rt.push(flood, timeout_s=0)  # as an audio callback does
    assert 0 < taken < len(flood)
    assert rt.stats.dropped_samples == len(flood) - taken
    rt.stop()


@pytest.mark.parametrize("rate", [16000, 48000])
def test_live_takes_bad_samples_as_silence(bundle_at_60: Bundle, rate: int) -> None:
    audio = speech_like(0.5, rate)
    bad = audio.copy()
    bad[1000:1003] = np.nan, np.inf, -np.inf
    audio[1000:1003] = 0
    rt = Runtime(bundle_at_60, sample_rate=rate)
    whole = run(rt, audio)
    with rt:
        rt.start()
        rt.push(bad)
        rt.finish()
        frames = drain(rt)
        assert rt.stats.invalid_samples == 3
    np.testing.assert_array_equal(np.stack([f.curves for f in frames]), whole)
    rt.start()
    with pytest.raises(ValueError, match="float64"):
        rt.push(np.zeros(3))  # type: ignore[arg-type]
    rt.stop()


@pytest.mark.parametrize("rate", [16000, 48000])
def test_a_push_waits_for_room_and_loses_nothing(bundle_at_60: Bundle, rate: int) -> None:
    audio = speech_like(11, rate)
    rt = Runtime(bundle_at_60, sample_rate=rate)
    whole = run(rt, audio)
    frames: list[Frame] = []
    with rt:
        rt.start(fill_after_s=None)
        for at in range(0, len(audio), 3 * rate):  # 9 s would not fit
            rt.push(audio[at : at + 3 * rate], timeout_s=60)
            frames += rt.poll()
        rt.finish()
        frames += drain(rt)
        assert rt.stats.dropped_samples == rt.stats.dropped_frames == 0
    np.testing.assert_array_equal(np.stack([f.curves for f in frames]), whole)


def test_a_push_that_finds_no_room_says_so_and_takes_nothing(bundle_at_60: Bundle) -> None:
    rt = Runtime(bundle_at_60)
    rt.start(fill_after_s=None)

    def flood() -> None:
        for _ in range(100):
            rt.push(np.zeros(60000, np.float32), timeout_s=1e-6)

    with pytest.raises(TimeoutError, match="nothing of it was taken"):
        flood()
    assert rt.stats.samples % 60000 == 0
    assert rt.stats.dropped_samples == 0
    rt.stop()


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
@pytest.mark.parametrize("block_s", [0.01, 0.2])
def test_a_pause_is_filled_and_step_says_the_same(
    bundle_at_60: Bundle, rate: int, block_s: float
) -> None:
    audio = speech_like(1.2, rate)
    block = round(block_s * rate)
    rt = Runtime(bundle_at_60, sample_rate=rate, seed=2)
    arrivals: list[tuple[float, Frame]] = []

    def poll_until(end_s: float) -> None:
        while time.monotonic() < end_s:
            arrivals.extend((time.monotonic(), f) for f in rt.poll(0.004))

    with rt:
        rt.start()
        resumed = len(audio) // 2 // block * block
        for at in range(0, len(audio), block):
            if at == resumed:
                poll_until(time.monotonic() + 0.6)
                before = len(arrivals)
            rt.push(audio[at : at + block])
            poll_until(time.monotonic() + block_s)
        rt.finish()
        frames = [f for _, f in arrivals] + drain(rt)
        silences, stats = rt.silences, rt.stats
    assert [f.index for f in frames] == list(range(len(frames)))
    assert stats.filled_samples == sum(n for _, n in silences) > 0.3 * rate
    assert stats.samples == len(audio) + stats.filled_samples == rt.position
    assert before > 0.8 * 60, "frames went on in the pause"
    heard = np.empty(0, np.float32)
    left = audio
    for position, count in silences:
        new = position - len(heard)
        heard = np.concatenate([heard, left[:new], np.zeros(count, np.float32)])
        left = left[new:]
    whole = run(Runtime(bundle_at_60, sample_rate=rate, seed=2), np.concatenate([heard, left]))
    np.testing.assert_array_equal(np.stack([f.curves for f in frames]), whole)


@pytest.mark.parametrize("fill_after_s", [0, 0.01, 11, float("nan")])
def test_an_absurd_patience_is_refused(bundle_at_60: Bundle, fill_after_s: float) -> None:
    with pytest.raises(ValueError, match=r"fill_after_s: expected 0\.02 to 10"):
        Runtime(bundle_at_60).start(fill_after_s=fill_after_s)


def test_stop_in_any_state(bundle_at_60: Bundle) -> None:
    rt = Runtime(bundle_at_60)
    for push, finish in [(0, False), (16000, False), (16000, True), (64000, True)]:
        rt.start()
        rt.push(np.zeros(push, np.float32))
        if finish:
            rt.finish()
        rt.stop()
        assert not rt.finished


def test_torch_stays_out(bundle_at_60: Bundle) -> None:
    import subprocess
    import sys

    code = "import diffusiontalker, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def loaded(program: str) -> set[str]:
    """What a fresh process has imported after `program`, and not with Python and NumPy."""
    import subprocess
    import sys

    code = f"import sys, numpy; before = set(sys.modules)\n{program}\n"
    code += "print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_runtime_loads_only_what_it_needs() -> None:
    """Each costs whoever embeds it milliseconds and memory; docs/performance.md says so."""
    found = loaded("from diffusiontalker import Runtime; Runtime()")
    assert "diffusiontalker.runtime" in found
    for name in ("samplerate", "safetensors", "logging", "zipfile", "difflib",
                 "importlib.resources", "diffusiontalker.tensorrt", "diffusiontalker.sound",
                 "diffusiontalker.bench"):  # fmt: skip
        assert name not in found


def test_bundle_object_and_path_are_the_same(bundle_at_60: Bundle) -> None:
    audio = speech_like(0.3, 16000)
    a = run(Runtime(bundle_at_60), audio)
    np.testing.assert_array_equal(run(Runtime(str(bundle_at_60.path)), audio), a)
    assert bundle.read(bundle_at_60.path).sha256 == bundle_at_60.sha256


def test_bytes_of_int16_are_int16(any_bundle: Bundle) -> None:
    pcm = np.rint(speech_like(0.5, 16000) * 32767).astype(np.int16)
    rt = Runtime(any_bundle)
    want = run(rt, pcm)
    raw = pcm.tobytes()
    for chunk in (
        raw,
        bytearray(raw),
        memoryview(raw),
        memoryview(pcm),
        memoryview(raw).cast("h"),
        memoryview(np.repeat(pcm, 2))[::2],
        memoryview((pcm / 32768).astype(np.float32)),
    ):
        rt.reset()
        got = np.concatenate([rt.step(chunk), rt.flush()])
        np.testing.assert_array_equal(got, want)
    rt.reset()
    frames = [rt.step(raw[at : at + 1000]) for at in range(0, len(raw), 1000)]
    np.testing.assert_array_equal(np.concatenate([*frames, rt.step(b""), rt.flush()]), want)


@pytest.mark.parametrize("rate", [16000, 48000])
def test_live_samples_beyond_full_scale_are_silence_counted_and_told_once(
    bundle_at_60: Bundle, rate: int, caplog: pytest.LogCaptureFixture
) -> None:
    loud = np.zeros(rate // 10, np.float32)
    loud[100:103] = 20000.0
    loud[200] = np.nan
    with Runtime(bundle_at_60, sample_rate=rate) as rt:
        rt.start()
        rt.push(loud)
        rt.push(np.rint(speech_like(0.1, rate) * 32767).astype(np.int16).tobytes())
        rt.finish()
        while not rt.finished:
            rt.poll(0.01)
        rt.poll()
        assert rt.stats.invalid_samples == 4
    (record,) = [r for r in caplog.records if r.name == "diffusiontalker"]
    assert "sample 100 is 20000; full scale is 1.0" in record.getMessage()


@pytest.mark.parametrize("offset", [0.001, 0.005, 0.02, -0.05, 0.3])
def test_an_offset_does_not_hold_the_mouth_open(offset: float) -> None:
    clip = read_all(demo_path())[0]
    audio = np.concatenate([clip[:32000], np.zeros(48000, np.float32)])
    rt = Runtime(seed=1)
    plain = run(rt, audio)
    rt.reset()
    moved = run(rt, audio + np.float32(offset), [777] * 60)
    shut = indices(GATED)
    np.testing.assert_array_equal(moved[132:][:, shut], plain[132:][:, shut])
    jaw = indices(["jawOpen"])[0]
    # Where the offset begins it is a click, after which the jaw may open for 200 ms: by the model
    # of bundle beff26721e84 by 0.20 at the most, and r is 0.970 at the least from there on.
    assert moved[:12, jaw].max() < 0.25
    assert np.corrcoef(moved[12:120, jaw], plain[12:120, jaw])[0, 1] > 0.96
    rt.reset()
    np.testing.assert_array_equal(run(rt, audio + np.float32(offset)), moved)


def test_the_embedded_model_shuts_its_mouth_in_a_pause_and_opens_it_after() -> None:
    clip = Path(bundle.__file__).parents[1] / "data" / "demo.flac"
    audio, rate = soundfile.read(clip, dtype="float32")
    jaw = indices(("jawOpen",))[0]
    rt = Runtime(sample_rate=rate)
    # Into an open vowel, where a face that stands still would be seen.
    widest = int(np.argmax(rt.step(audio[: 3 * rate])[:, jaw]))
    stop = (widest + 6) * rate // 60
    block = rate // 100
    frames: list[Frame] = []

    def play(sound: np.ndarray) -> None:
        begun = time.monotonic()
        for at in range(0, len(sound) - block, block):
            while time.monotonic() < begun + at / rate:
                frames.extend(rt.poll(0.004))
            rt.push(sound[at : at + block])

    rt.reset()
    with rt:
        rt.start()
        play(audio[:stop])
        paused = time.monotonic()
        while not rt.silences:
            frames.extend(rt.poll(0.004))
        noticed_s = time.monotonic() - paused
        while time.monotonic() < paused + 1.0:
            frames.extend(rt.poll(0.004))
        play(audio[stop : stop + 2 * rate])
        silences = rt.silences
    begin_s, end_s = silences[0][0] / rate, sum(silences[0]) / rate
    assert noticed_s < 0.25
    assert end_s - begin_s == pytest.approx(1.0, abs=0.2)
    curves = {f.time_s: f.curves[jaw] for f in frames}
    assert max(v for t, v in curves.items() if begin_s - 0.2 < t < begin_s) > 0.1
    # With the look-ahead such a frame is there 0.3 s after the last sample.
    shut_s = begin_s + 0.3 - rt.lookahead_ms / 1000
    # Towards its end it hears what comes next.
    assert max(v for t, v in curves.items() if shut_s <= t < end_s - 0.05) < 0.02
    assert max(v for t, v in curves.items() if t > end_s) > 0.1
