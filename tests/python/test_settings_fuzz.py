"""Settings turned mid-stream, in random order: however the sound is cut, the same bits.

DT_FUZZ_SEED repeats a course (each failure names its own), DT_FUZZ_MINUTES goes on for so long
(`poe simulated`).
"""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from diffusiontalker import Frame, Runtime
from diffusiontalker.bundle import Bundle
from diffusiontalker.clock import CORE_RATE_HZ
from diffusiontalker.curves import CURVES
from diffusiontalker.knobs import Knobs
from diffusiontalker.resample import Resampler, delay_samples

Samples = NDArray[np.float32]

RATES_HZ = (8000, 16000, 22050, 44100, 48000)
IDENTITIES = ("auto", "ann", "bob", "cat")


def courses(fewest: int) -> Iterator[int]:
    """Seeds, for the time that was asked for; fresh ones unless one was given."""
    if "DT_FUZZ_SEED" in os.environ:
        yield int(os.environ["DT_FUZZ_SEED"])
        return
    begun, minutes = time.monotonic(), float(os.environ.get("DT_FUZZ_MINUTES", 0))
    number = 0
    while number < fewest or time.monotonic() - begun < 30 * minutes:
        yield random.SystemRandom().randrange(10**9)
        number += 1
    print(f"{number} courses")


def sound_of(samples: int, rng: random.Random) -> Samples:
    noise = np.random.default_rng(rng.randrange(2**32))
    loud = noise.choice((0.0, 0.003, 0.3))
    return (loud * noise.standard_normal(samples)).clip(-1, 1).astype(np.float32)


def knobs_of(rng: random.Random) -> dict[str, object]:
    """Something to give `Runtime.set`."""
    every: dict[str, object] = {
        "gain": {rng.choice(("mouth", "jawOpen", "eyeBlink*", "brows")): rng.uniform(0, 3)},
        "offset": {rng.choice(CURVES): rng.uniform(-0.3, 0.3)},
        "strength_lower": rng.uniform(0, 2),
        "strength_upper": rng.uniform(0, 2),
        "smooth_ms": rng.choice((0.0, 40.0, 300.0)),
    }
    return {name: every[name] for name in rng.sample(sorted(every), rng.randint(1, 3))}


@dataclass
class Step:
    """One thing that is done to a runtime."""

    kind: str
    sound: Samples = field(default_factory=lambda: np.zeros(0, np.float32))
    options: dict[str, object] = field(default_factory=dict)


def drawn(rng: random.Random) -> list[Step]:
    """A course for `step`, `flush` and everything that may stand between."""
    steps = []
    for _ in range(rng.randint(8, 20)):
        kind = rng.choice(("sound", "sound", "sound", "set", "reset", "flush", "new", "another"))
        step = Step(kind)
        if kind == "sound":
            step.sound = sound_of(rng.choice((0, 1, 160, 1600, rng.randint(1, 12000))), rng)
        elif kind == "set":
            step.options = knobs_of(rng)
        elif kind in ("new", "another"):
            step.options = {"seed": rng.randrange(2**64), "identity": rng.choice(IDENTITIES)}
            if kind == "new":
                step.options |= {
                    "sample_rate": rng.choice(RATES_HZ), "idle": rng.choice((0.0, 0.5, 1.0)),
                    "head": rng.random() < 0.3,
                }  # fmt: skip
        steps.append(step)
    return steps


def cut(sound: Samples, rng: random.Random | None) -> Iterator[Samples]:
    """The sound in pieces, or whole."""
    if rng is None:
        yield sound
        return
    longest = rng.choice((3, 160, 700, 5000))
    at = 0
    while at < len(sound):
        size = rng.randint(0, longest)
        yield sound[at : at + size]
        at += size


def ran(bundle: Bundle, steps: list[Step], chunks: random.Random | None) -> list[bytes]:
    """What came out of each step of a course."""
    runtime, out, flushed = Runtime(bundle), [], False
    for step in steps:
        frames = b""
        if step.kind == "sound" and not flushed:
            frames = b"".join(runtime.step(piece).tobytes() for piece in cut(step.sound, chunks))
        elif step.kind == "set":
            runtime.set(**step.options)  # type: ignore[arg-type]
        elif step.kind == "reset":
            runtime.reset()
            flushed = False
        elif step.kind == "flush" and not flushed:
            frames, flushed = runtime.flush().tobytes(), True
        elif step.kind == "new":
            runtime, flushed = Runtime(bundle, **step.options), False  # type: ignore[arg-type]
        elif step.kind == "another":
            runtime, flushed = runtime.another(**step.options), False  # type: ignore[arg-type]
        out.append(frames)
    return out


def test_any_chunking_of_any_course_gives_the_same_bits(bundle_at_60: Bundle) -> None:
    for seed in courses(8):
        rng = random.Random(seed)
        steps = drawn(rng)
        whole = ran(bundle_at_60, steps, None)
        for _ in range(2):
            for number, frames in enumerate(ran(bundle_at_60, steps, rng)):
                assert frames == whole[number], f"seed {seed}: step {number}, {steps[number].kind}"


class Clock:
    """Stands for module `time` in the runtime: goes on when it is told to."""

    def __init__(self) -> None:
        self.now_ns = 10**15

    def monotonic_ns(self) -> int:
        return self.now_ns

    def monotonic(self) -> float:
        return self.now_ns / 1e9

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


class Live:
    """A live stream in simulated time, and all that is needed to make its frames once more."""

    def __init__(self, bundle: Bundle, rng: random.Random, clock: Clock) -> None:
        self.bundle, self.random, self.clock = bundle, rng, clock
        self.rate = rng.choice(RATES_HZ)
        self.model = {
            "seed": rng.randrange(2**64), "identity": rng.choice(IDENTITIES),
            "idle": rng.choice((0.0, 1.0)),
        }  # fmt: skip
        self.runtime = Runtime(bundle, sample_rate=self.rate, **self.model)  # type: ignore[arg-type]
        self.frames: list[Frame] = []
        self.heard: list[tuple[int, Samples]] = []
        #: (first frame with it, the settings, first frame and 16 kHz sample of the model's own).
        self.casts = [(0, dict(self.model), 0, 0)]
        self.sets: list[tuple[int, dict[str, object]]] = []
        self.waiting: list[tuple[dict[str, object], int, int]] = []
        self.runtime.start(heard=lambda at, sound: self.heard.append((at, sound.copy())))

    def poll(self) -> None:
        """Everything that is due, and who gave it."""
        runtime = self.runtime
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            before = runtime._live
            got = runtime.poll()
            if runtime._live is not before:
                settings, frame, sample = self.waiting[-1]
                self.casts.append((len(self.frames), settings, frame, sample))
                self.waiting = []
            assert [f.index for f in got] == list(
                range(len(self.frames), len(self.frames) + len(got))
            )
            self.frames += got
            live = runtime._live
            if live is None or runtime.finished or (
                live.position_samples >= runtime._past.total
                and runtime._next_frame - runtime._first_frame >= live.frames
                and runtime._total is None
            ):  # fmt: skip
                return

    def sound(self) -> None:
        rng = self.random
        sound = sound_of(rng.randint(1, self.rate // 2), rng)
        for piece in cut(sound, rng):
            piece = piece[: self.rate // 20]
            self.clock.sleep(len(piece) / self.rate)
            self.runtime.push(piece, timeout_s=0.0)
            if rng.random() < 0.3:
                self.poll()
        self.poll()

    def pause(self) -> None:
        for _ in range(self.random.randint(1, 60)):
            self.clock.sleep(self.random.choice((0.004, 0.02)))
            self.poll()

    def set(self) -> None:
        options = knobs_of(self.random)
        self.runtime.set(**options)  # type: ignore[arg-type]
        self.sets.append((len(self.frames), options))

    def recast(self) -> None:
        rng = self.random
        change = {
            "seed": rng.randrange(2**64), "identity": rng.choice(IDENTITIES),
            "idle": rng.choice((0.0, 1.0)),
        }  # fmt: skip
        change = {name: change[name] for name in rng.sample(sorted(change), rng.randint(1, 3))}
        old = dict(self.model)
        self.model |= change
        self.runtime.recast(**change)  # type: ignore[arg-type]
        if self.model != old:
            place = self.runtime._past.warm_start(self.runtime.frame_rate)
            self.waiting.append((dict(self.model), *place))

    def end(self) -> None:
        """The end of the sound, or of the patience."""
        if self.random.random() < 0.7:
            self.runtime.finish()
            self.poll()
            assert self.runtime.finished
        self.position = self.runtime.position
        self.runtime.stop()

    def expected(self) -> Samples:
        """The frames by `step` on the same sound, from models that were never turned."""
        stream = np.zeros(self.position, np.float32)
        for at, sound in self.heard:
            stream[at : at + len(sound)] = sound
        core = stream
        if self.rate != CORE_RATE_HZ:
            resampler = Resampler(self.rate)
            tail = np.zeros(delay_samples(self.rate), np.float32)
            core = np.concatenate([resampler.push(stream), resampler.push(tail)])
        out = np.zeros((len(self.frames), 52), np.float32)
        for first, settings, frame, sample in self.casts:
            model = Runtime(self.bundle, **settings)  # type: ignore[arg-type]
            made = np.concatenate([model.step(core[sample:]), model.flush()])
            wanted = len(out) - first
            out[first:] = made[first - frame : first - frame + wanted]
        knobs = Knobs(CURVES, self.runtime.frame_rate)
        turns = [*self.sets, (len(out), {})]
        knobs.push(out[: turns[0][0]])
        for (at, options), (until, _) in itertools.pairwise(turns):
            knobs.set(**options)  # type: ignore[arg-type]
            knobs.push(out[at:until])
        return out


def test_a_live_stream_is_what_step_makes_of_its_sound(
    bundle_at_60: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("diffusiontalker.runtime.time", clock)
    for seed in courses(5):
        rng = random.Random(seed)
        live = Live(bundle_at_60, rng, clock)
        for _ in range(rng.randint(5, 15)):
            rng.choice((live.sound, live.sound, live.pause, live.set, live.recast))()
        live.end()
        got = np.array([frame.curves for frame in live.frames]).reshape(-1, 52)
        wrong = np.flatnonzero((got != live.expected()).any(axis=1))
        assert not len(wrong), f"seed {seed}: frame {wrong[0]} of {len(got)}, casts {live.casts}"
