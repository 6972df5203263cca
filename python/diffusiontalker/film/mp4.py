"""Pictures and sound into an MP4 file, through PyAV: H.264 and AAC. No ffmpeg program is needed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..files import replaced
from .errors import FilmError
from .native import renderer

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]

#: The quality that x264 aims at: 18 is next to lossless, 28 is for the post.
DEFAULT_CRF = 18
# Rates that every player knows; other sound is brought to the second.
_PLAYED_HZ = (44100, 48000)
_AAC_BITS = 128_000
# Frames of sound, as AAC has them.
_BLOCK = 1024
# "The picture is as bright as BT.709 says", which players take for granted at these sizes.
_BT709 = 1


class Mp4:
    """An MP4 file being written: pictures in order, then the rest of the sound by itself."""

    def __init__(
        self,
        container: Any,
        size: tuple[int, int],
        fps: Fraction,
        sound: FloatArray,
        rate_hz: int,
        crf: int,
    ) -> None:
        av = load()
        self._av = av
        self._container = container
        self.notes: list[str] = []
        self._fps = fps
        self._video = self._video_stream(size, fps, crf)
        self._yuv420 = renderer().yuv420
        self._count = 0
        self._sound = np.clip(np.nan_to_num(sound), -1.0, 1.0).astype(np.float32)
        self._rate_hz = rate_hz
        self._heard = 0
        played_hz = rate_hz if rate_hz in _PLAYED_HZ else _PLAYED_HZ[1]
        self._audio = container.add_stream("aac", rate=played_hz, layout="mono")
        self._audio.codec_context.bit_rate = _AAC_BITS
        self._resampler = av.AudioResampler(
            format="fltp", layout="mono", rate=played_hz, frame_size=_BLOCK
        )

    def _video_stream(self, size: tuple[int, int], fps: Fraction, crf: int) -> Any:
        av = self._av
        if "libx264" in av.codecs_available:
            made = self._container.add_stream(
                "libx264",
                rate=fps,
                # Dark walls get their share of the bits, or they show steps.
                options={"preset": "veryfast", "crf": str(crf), "aq-mode": "3"},
            )
        else:
            self.notes.append("this PyAV has no H.264 encoder: the film is MPEG-4, which is larger")
            made = self._container.add_stream("mpeg4", rate=fps)
            made.codec_context.bit_rate = size[0] * size[1] * 8
        made.width, made.height = size
        made.pix_fmt = "yuv420p"
        context = made.codec_context
        context.time_base = 1 / fps
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        return made

    def add(self, picture: ByteArray) -> None:
        """Appends (height, width, 3) sRGB; it is shown from its number / fps on."""
        frame = self._av.VideoFrame.from_ndarray(self._yuv420(picture), format="yuv420p")
        frame.pts = self._count
        frame.time_base = 1 / self._fps
        self._container.mux(self._video.encode(frame))
        self._count += 1
        self._hear(int(self._count * self._rate_hz / self._fps))

    def finish(self) -> None:
        """Writes what the encoders hold back, and the rest of the sound."""
        self._hear(len(self._sound))
        for frame in self._resampler.resample(None):
            self._container.mux(self._audio.encode(frame))
        self._container.mux(self._audio.encode(None))
        self._container.mux(self._video.encode(None))

    def _hear(self, until: int) -> None:
        until = min(until, len(self._sound))
        if until <= self._heard:
            return
        frame = self._av.AudioFrame.from_ndarray(
            self._sound[None, self._heard : until], format="fltp", layout="mono"
        )
        frame.sample_rate = self._rate_hz
        frame.pts = self._heard
        frame.time_base = Fraction(1, self._rate_hz)
        for out in self._resampler.resample(frame):
            self._container.mux(self._audio.encode(out))
        self._heard = until


@contextlib.contextmanager
def written(
    path: Path,
    size: tuple[int, int],
    fps: Fraction,
    sound: FloatArray,
    rate_hz: int,
    crf: int = DEFAULT_CRF,
) -> Iterator[Mp4]:
    """An `Mp4` that becomes `path` once the block is through; otherwise nothing is left of it.

    `sound` is mono, 1 is full scale. Raises FilmError where the disk or the encoder refuses.
    """
    av = load()
    try:
        with replaced(path) as part:
            # The index comes first, so that a page can play the film while it loads.
            container = av.open(str(part), "w", format="mp4", options={"movflags": "faststart"})
            try:
                film = Mp4(container, size, fps, sound, rate_hz, crf)
                yield film
                film.finish()
            finally:
                container.close()
    except (av.FFmpegError, OSError) as error:
        raise FilmError(f"cannot write {path}: {_said(error)}") from None


def load() -> Any:
    """The av module. Raises FilmError where it is not installed."""
    try:
        import av
        import av.logging
    except ImportError:
        raise FilmError(
            "films need PyAV, which is not installed: pip install 'diffusiontalker[film]'"
        ) from None
    av.logging.set_level(av.logging.PANIC)
    return av


def _said(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).rstrip(".")
