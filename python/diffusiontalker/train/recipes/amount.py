"""How much there is to learn from, told before training starts: its steps, the minutes it wants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..clock import alignment_period_frames
from ..config import Config, ConfigError
from ..data.streams import TAKES_A_STREAM
from .run import Data

#: A stage whose learning rate is still rising for half of its steps has hardly learnt.
LEAST_WARMUPS = 2


@dataclass(frozen=True)
class StageAmount:
    """What a stage that is not done yet makes of the data."""

    name: str
    steps: int  # about
    warmup_steps: int
    wanted_minutes: float  # of speech, for LEAST_WARMUPS times the warm-up

    @property
    def enough(self) -> bool:
        return self.steps >= LEAST_WARMUPS * self.warmup_steps


def minutes_of(data: Data) -> float:
    """Of sound to train on."""
    return sum(take.duration_s for takes in data.train for take in takes) / 60


def amounts(config: Config, data: Data, folder: Path) -> list[StageAmount]:
    """Of every stage that `folder` has not finished.

    Raises ConfigError where no voice has as much as one window of a stage.
    """
    period, rate = alignment_period_frames(config.rate), float(config.rate)
    streams_s = [*_streams_s(data)]
    performed_s = sum(
        take.duration_s
        for source, takes in zip(config.sources, data.train, strict=True)
        for take in takes
        if source.name in config.performing.voices
    )
    found = []
    for index, stage in enumerate(config.stages):
        if (folder / config.stage_folder(index) / "final.pt").exists():
            continue
        window = stage.window_frames // period * period
        name = config.stage_name(index)
        longest_s = max(streams_s, default=0.0)
        if data.speakers and longest_s * rate < window + period:
            fits = max(period, int(longest_s * rate / 2) // period * period)
            wanted_s = window / rate
            raise ConfigError(
                f"stage {name} learns from windows of {window} frames ({wanted_s:.1f} s), the "
                f"takes of one voice add up to {longest_s:.1f} s: record more than {wanted_s:.0f} "
                f"s of a voice (in any number of takes), or set window_frames = {fits}"
            )
        windows = sum(_windows(seconds * rate, window) for seconds in streams_s)
        if config.borrowing.face:
            windows += int(3600 * config.borrowing.hours * rate / window)
        windows += int(
            config.performing.share * len(config.performing.faces) * performed_s * rate / window
        )
        least = LEAST_WARMUPS * stage.warmup_steps / stage.epochs
        found.append(
            StageAmount(
                name,
                stage.epochs * max(1, windows // stage.batch),
                stage.warmup_steps,
                least * stage.batch * window / rate / 60,
            )
        )
    return found


def _streams_s(data: Data) -> Iterator[float]:
    """Seconds of sound in each of the streams that the takes are put into, without the pauses."""
    for takes in data.train:
        for speaker in sorted({take.speaker for take in takes}):
            own_s = [take.duration_s for take in takes if take.speaker == speaker]
            for start in range(0, len(own_s), TAKES_A_STREAM):
                yield sum(own_s[start : start + TAKES_A_STREAM])


def _windows(frames: float, window: int) -> int:
    """About how many windows a stream gives: the first begins anywhere within one's length."""
    first = min(float(window), max(frames - window, 0.0)) / 2
    return int((frames - first) // window)
