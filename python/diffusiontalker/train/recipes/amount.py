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
    found = []
    for index, stage in enumerate(config.stages):
        if (folder / config.stage_folder(index) / "final.pt").exists():
            continue
        window = stage.window_frames // period * period
        name = config.stage_name(index)
        longest_s = max((most_s for _, most_s in _streams(config, data)), default=0.0)
        if data.speakers and longest_s * rate < window:
            spoken_s = max(spoken_s for spoken_s, _ in _streams(config, data))
            fits = max(period, int(spoken_s * rate / 2) // period * period)
            raise ConfigError(
                f"stage {name} learns from windows of {window} frames ({window / rate:.1f} s), the "
                f"takes of one voice add up to {spoken_s:.1f} s: record {window / rate:.0f} s of a "
                f"voice or more (in any number of takes), or set window_frames = {fits}"
            )
        windows = sum(_windows(spoken_s * rate, window) for spoken_s, _ in _streams(config, data))
        if config.borrowing.face:
            windows += int(3600 * config.borrowing.hours * rate / window)
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


def _streams(config: Config, data: Data) -> Iterator[tuple[float, float]]:
    """(seconds of sound, with the longest pauses) of the streams that the takes are put into."""
    augmentation = config.augmentation
    other_s = augmentation.other_s[1] if augmentation.other_chance else 0.0
    for source, takes in zip(config.sources, data.train, strict=True):
        for speaker in sorted({take.speaker for take in takes}):
            own_s = [take.duration_s for take in takes if take.speaker == speaker]
            for start in range(0, len(own_s), TAKES_A_STREAM):
                group = own_s[start : start + TAKES_A_STREAM]
                pause_s = (len(group) + 1) * max(source.max_gap_s, other_s)
                yield sum(group), sum(group) + pause_s


def _windows(frames: float, window: int) -> int:
    """About how many windows a stream gives: the first begins anywhere within one's length."""
    first = min(float(window), max(frames - window, 0.0)) / 2
    return int((frames - first) // window)
