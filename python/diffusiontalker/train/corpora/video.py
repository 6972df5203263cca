"""Video files by PyAV (the extra `capture`): their sound, their frames, their start timecode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .recording import BrokenTake

REMEDY = "pip install 'diffusiontalker[capture]'"


@dataclass(frozen=True)
class VideoInfo:
    """What a file says of itself."""

    rate: Fraction | None  # frames a second
    frames: int  # 0 where the file does not say
    timecode: str  # of the first frame, HH:MM:SS:FF or with ;FF; "" where there is none


def _open(path: Path) -> Any:
    try:
        import av
    except ImportError:
        raise BrokenTake(f"{path.name} needs PyAV: {REMEDY}") from None
    try:
        return av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise BrokenTake(f"cannot read {path.name}: {_said(error)}") from error


def _said(error: Exception) -> str:
    """FFmpeg's reason without its number and the path; what to do goes with it."""
    return f"{getattr(error, 'strerror', None) or error}; copy or convert the file again"


def _zero_s(track: Any) -> float:
    """When a track starts, on the file's clock, as the file says: the same for sound and face.

    Its first pictures need not be readable (a film that was cut between key frames).
    """
    if track is None or track.start_time is None or not track.time_base:
        return 0.0
    return float(track.start_time * track.time_base)


def info(path: Path) -> VideoInfo:
    """Rate, length and timecode. Raises BrokenTake for a file that cannot be read."""
    with _open(path) as container:
        tags = [container.metadata, *(stream.metadata for stream in container.streams)]
        timecode = next((tag["timecode"] for tag in tags if "timecode" in tag), "")
        stream = next(iter(container.streams.video), None)
        rate = None if stream is None else stream.average_rate
        return VideoInfo(rate, 0 if stream is None else stream.frames, timecode)


def read_sound(path: Path) -> tuple[NDArray[np.float32], int]:
    """The first sound track, channels averaged, (samples,), and its rate in Hz.

    Time 0 is the first video frame where there is video: sound before it is cut off, sound that
    starts later is preceded by silence. Raises BrokenTake for a file without sound.
    """
    silent = BrokenTake(f"{path.name} has no sound track; a take needs its speech")
    with _open(path) as container:
        import av

        track = next(iter(container.streams.audio), None)
        if track is None:
            raise silent
        zero_s = _zero_s(next(iter(container.streams.video), None))
        rate_hz = int(track.rate)
        resampler = av.AudioResampler(format="fltp", layout=track.layout, rate=rate_hz)
        parts: list[NDArray[np.float32]] = []
        first_s: float | None = None
        try:
            for frame in container.decode(track):
                if first_s is None:
                    first_s = 0.0 if frame.time is None else float(frame.time)
                parts += [_mono(out) for out in resampler.resample(frame)]
            parts += [_mono(out) for out in resampler.resample(None)]
        except av.FFmpegError as error:
            raise BrokenTake(f"cannot read the sound of {path.name}: {_said(error)}") from error
    if not parts:
        raise silent
    lead = round(((first_s or 0.0) - zero_s) * rate_hz)
    sound = np.concatenate(parts)
    sound = np.concatenate([np.zeros(lead, np.float32), sound]) if lead > 0 else sound[-lead:]
    return sound, rate_hz


def _mono(frame: Any) -> NDArray[np.float32]:
    return np.asarray(frame.to_ndarray().mean(axis=0), dtype=np.float32)


def frames(path: Path) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """(seconds since the track's start, RGB picture (height, width, 3)) of every frame in order.

    A recording that the phone held upright is turned as its player would turn it. Pictures without
    a time, or with one that does not rise, are left out. Raises BrokenTake for a file without video
    or one that breaks off.
    """
    with _open(path) as container:
        import av

        picture = next(iter(container.streams.video), None)
        if picture is None:
            raise BrokenTake(f"{path.name} has no video track")
        picture.thread_type = "AUTO"
        zero_s, last_s = _zero_s(picture), float("-inf")
        try:
            for frame in container.decode(picture):
                if frame.time is None or frame.time <= last_s:
                    continue
                last_s = float(frame.time)
                image = frame.to_ndarray(format="rgb24")
                turns = round(float(getattr(frame, "rotation", 0)) / 90.0) % 4
                yield last_s - zero_s, np.ascontiguousarray(np.rot90(image, turns))
        except av.FFmpegError as error:
            raise BrokenTake(f"cannot read the pictures of {path.name}: {_said(error)}") from error
