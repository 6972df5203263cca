"""Video files and odd sounds by PyAV (the extra `capture`): sound, frames, start timecode."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...sound import containers
from ...sound.errors import SoundError
from .recording import BrokenTake

REMEDY = "pip install 'diffusiontalker[capture]'"


@dataclass(frozen=True)
class VideoInfo:
    """What a file says of itself."""

    rate: Fraction | None  # frames a second
    frames: int  # 0 where the file does not say
    timecode: str  # of the first frame, HH:MM:SS:FF or with ;FF; "" where there is none
    width: int = 0  # as stored, before pixel aspect and rotation; 0 without a picture
    height: int = 0
    pixel_aspect: Fraction | None = None  # a pixel's width over its height; None: not told


def require(what: str) -> Any:
    """The av module. Raises BrokenTake where it is missing: `what` needs it."""
    try:
        return containers.load()
    except SoundError:
        raise BrokenTake(f"{what} needs PyAV: {REMEDY}") from None


def _open(path: Path) -> Any:
    av = require(path.name)
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
        if stream is None:
            return VideoInfo(None, 0, timecode)
        return VideoInfo(
            stream.average_rate,
            stream.frames,
            timecode,
            stream.width,
            stream.height,
            _pixel_aspect(stream),
        )


def _pixel_aspect(stream: Any) -> Fraction | None:
    """What the container or else the stream says; absurd figures are as good as none."""
    said = stream.sample_aspect_ratio
    return said if said is not None and Fraction(1, 8) <= said <= 8 else None


def read_sound(path: Path) -> tuple[NDArray[np.float32], int]:
    """The first sound track, channels averaged, (samples,), and its rate in Hz.

    Time 0 is the first video frame where there is video: sound before it is cut off, sound that
    starts later is preceded by silence. Raises BrokenTake for a file without sound.
    """
    with _open(path) as container:
        zero_s = _zero_s(next(iter(container.streams.video), None))
        sound, rate_hz, first_s = _first_track(container, path.name)
    lead = round((first_s - zero_s) * rate_hz)
    sound = np.concatenate([np.zeros(lead, np.float32), sound]) if lead > 0 else sound[-lead:]
    return sound, rate_hz


def decode_sound(data: bytes, name: str, form: str) -> tuple[NDArray[np.float32], int]:
    """The sound of a file that is in memory, channels averaged, (samples,), and its rate in Hz.

    `form` is FFmpeg's name of its format ("ogg", "mp3", "g722"), `name` what errors call it. Raises
    BrokenTake.
    """
    av = require(name)
    try:
        container = av.open(io.BytesIO(data), format=form)
    except (av.FFmpegError, OSError) as error:
        raise BrokenTake(f"cannot read {name}: {_said(error)}") from error
    with container:
        sound, rate_hz, _ = _first_track(container, name)
    return sound, rate_hz


def _first_track(container: Any, name: str) -> tuple[NDArray[np.float32], int, float]:
    """Sound, rate in Hz and start in seconds of the first sound track. Raises BrokenTake."""
    av = require(name)
    silent = BrokenTake(
        f"{name} has no sound track; a take needs its speech: join the sound to the film"
    )
    track = next(iter(container.streams.audio), None)
    if track is None:
        raise silent
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
        raise BrokenTake(f"cannot read the sound of {name}: {_said(error)}") from error
    if not parts:
        raise silent
    return np.concatenate(parts), rate_hz, first_s or 0.0


def _mono(frame: Any) -> NDArray[np.float32]:
    return np.asarray(frame.to_ndarray().mean(axis=0), dtype=np.float32)


def frames(
    path: Path, pixel_aspect: Fraction | None = None
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """(seconds since the track's start, RGB picture (height, width, 3)) of every frame in order.

    Pictures have square pixels: those of a film whose pixels are not are stretched, by what the
    film says or by `pixel_aspect` (width over height) in its place. A recording that the phone held
    upright is turned as its player would turn it. Pictures without a time, or with one that does
    not rise, are left out. Raises BrokenTake for a file without video or one that breaks off.
    """
    with _open(path) as container:
        av = require(path.name)
        picture = next(iter(container.streams.video), None)
        if picture is None:
            raise BrokenTake(f"{path.name} has no video track")
        picture.thread_type = "AUTO"
        aspect = pixel_aspect or _pixel_aspect(picture) or Fraction(1)
        zero_s, last_s = _zero_s(picture), float("-inf")
        try:
            for frame in container.decode(picture):
                if frame.time is None or frame.time <= last_s:
                    continue
                last_s = float(frame.time)
                image = _square(frame, aspect)
                turns = round(float(getattr(frame, "rotation", 0)) / 90.0) % 4
                yield last_s - zero_s, np.ascontiguousarray(np.rot90(image, turns))
        except av.FFmpegError as error:
            raise BrokenTake(f"cannot read the pictures of {path.name}: {_said(error)}") from error


def _square(frame: Any, aspect: Fraction) -> NDArray[np.uint8]:
    """A frame as RGB with square pixels; the side that is too short grows, so nothing is lost."""
    if aspect == 1:
        return np.asarray(frame.to_ndarray(format="rgb24"))
    width, height = frame.width, frame.height
    if aspect > 1:
        width = round(width * aspect)
    else:
        height = round(height / aspect)
    made = frame.reformat(width=width, height=height, format="rgb24", interpolation="BICUBIC")
    return np.asarray(made.to_ndarray())


def png(picture: NDArray[np.uint8]) -> bytes:
    """An RGB picture (height, width, 3) as a PNG file's bytes."""
    av = require("a picture")
    coder = av.CodecContext.create("png", "w")
    coder.height, coder.width = picture.shape[:2]
    coder.pix_fmt, coder.time_base = "rgb24", Fraction(1)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    return b"".join(bytes(packet) for packet in [*coder.encode(frame), *coder.encode(None)])
