"""Faces from video: MediaPipe's face landmarker -> takes in BEAT's form (`dt-train capture`).

MediaPipe names its blendshape scores as ARKit does, but for `_neutral` and the tongue, which it
does not see. The model file is the user's: none is shipped, and nothing is downloaded here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from ..curves import CURVES
from .corpora import video
from .corpora.recording import MAX_HOLE_S, BrokenTake

REMEDY = "pip install 'diffusiontalker[capture]'"
#: The curves that MediaPipe gives: all but the tongue.
NAMES: tuple[str, ...] = tuple(name for name in CURVES if name != "tongueOut")
# Frames without a face up to this share of a take are holes; beyond it is no take.
MOST_LOST = 0.5


class CaptureError(ValueError):
    """Capture cannot be done; the message says what is missing and what to do."""


class Category(Protocol):
    """One blendshape score, as MediaPipe reports it."""

    @property
    def category_name(self) -> str | None: ...
    @property
    def score(self) -> float | None: ...


class Result(Protocol):
    """What the landmarker finds in one picture: blendshape scores a face."""

    @property
    def face_blendshapes(self) -> list[list[Category]]: ...


#: (RGB picture (height, width, 3), milliseconds since the start) -> what is in it.
Detector = Callable[[NDArray[np.uint8], int], Result]


@dataclass(frozen=True)
class Captured:
    """What became of a video."""

    take: Path  # the JSON; the wav has the same stem
    frames: int  # pictures with a face
    lost: int  # pictures without one


def weights_of(result: Result) -> list[float] | None:
    """Curve values in the order of NAMES, None where no face was found.

    Scores go by name; one that MediaPipe does not give is 0, and `_neutral` is left out. Of several
    faces the first, which the landmarker is surest of.
    """
    if not result.face_blendshapes:
        return None
    scores = {c.category_name: float(c.score or 0.0) for c in result.face_blendshapes[0]}
    if not set(NAMES) & set(scores):
        raise CaptureError(
            "the model gives no blendshape scores: use face_landmarker.task with blendshapes"
        )
    return [min(max(scores.get(name, 0.0), 0.0), 1.0) for name in NAMES]


def rows_of(
    pictures: Iterable[tuple[float, NDArray[np.uint8]]],
    detect: Detector,
    on_frame: Callable[[], None] = lambda: None,
) -> Iterator[dict[str, Any] | None]:
    """One row of BEAT's form a picture, None where no face was found."""
    last_ms = -1
    for at_s, picture in pictures:
        # MediaPipe refuses a time that does not rise, and counts in whole milliseconds.
        last_ms = max(last_ms + 1, round(1000.0 * at_s))
        weights = weights_of(detect(picture, last_ms))
        on_frame()
        if weights is None:
            yield None
        else:
            rounded = [round(weight, 5) for weight in weights]
            yield {"weights": rounded, "time": round(at_s, 6), "rotation": []}


def capture(
    film: Path,
    folder: Path,
    detect: Detector,
    on_frame: Callable[[], None] = lambda: None,
) -> Captured:
    """One video -> `STEM.json` and `STEM.wav` in `folder`, each written beside and renamed.

    Pictures without a face are left out, so that a reader sees the hole in the times. Raises
    BrokenTake for a video without sound or picture, or with a face in too few of its pictures.
    """
    sound, rate_hz = video.read_sound(film)
    rows = list(rows_of(video.frames(film), detect, on_frame))
    kept = [row for row in rows if row is not None]
    lost = len(rows) - len(kept)
    if len(kept) < 2 or lost > MOST_LOST * len(rows):
        raise BrokenTake(f"{film.name}: a face in {len(kept)} of {len(rows)} pictures")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{film.stem}.json"
    wav = target.with_suffix(".wav")
    part = wav.with_suffix(".wav.part")
    soundfile.write(part, sound, rate_hz, format="WAV", subtype="PCM_16")
    os.replace(part, wav)
    part = target.with_suffix(".json.part")
    part.write_text(json.dumps({"names": NAMES, "frames": kept}), encoding="utf-8")
    os.replace(part, target)
    return Captured(target, len(kept), lost)


def require(model: Path) -> Any:
    """The mediapipe module. Raises CaptureError where it or the model file is missing."""
    if not model.is_file():
        raise CaptureError(
            f"no model file {model}; give --model with MediaPipe's face_landmarker.task "
            "(MediaPipe's site has it under Face Landmarker, Models)"
        )
    try:
        import mediapipe
    except ImportError as error:
        raise CaptureError(f"capture needs MediaPipe ({error}): {REMEDY}") from None
    return mediapipe


def landmarker(model: Path) -> AbstractContextManager[Detector]:
    """MediaPipe's landmarker in video mode: a new one a video, because it follows the face.

    Raises CaptureError where MediaPipe or the model file is missing or does not fit.
    """
    return _Landmarker(require(model), model)


class _Landmarker(AbstractContextManager[Detector]):
    def __init__(self, mediapipe: Any, model: Path) -> None:
        self._mediapipe = mediapipe
        vision = mediapipe.tasks.vision
        # Read here: MediaPipe opens no path with letters that its platform's code page lacks.
        options = vision.FaceLandmarkerOptions(
            base_options=mediapipe.tasks.BaseOptions(model_asset_buffer=model.read_bytes()),
            running_mode=vision.RunningMode.VIDEO,
            output_face_blendshapes=True,
        )
        try:
            self._landmarker = vision.FaceLandmarker.create_from_options(options)
        except (ValueError, RuntimeError) as error:
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise CaptureError(f"{model} is no face landmarker model: {said}") from None

    def __enter__(self) -> Detector:
        return self._detect

    def __exit__(self, *_: object) -> None:
        self._landmarker.close()

    def _detect(self, picture: NDArray[np.uint8], at_ms: int) -> Result:
        image = self._mediapipe.Image(
            image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(picture)
        )
        result: Result = self._landmarker.detect_for_video(image, at_ms)
        return result


def hole_note(captured: Captured) -> str:
    """What the user should know of pictures without a face; "" if there are none."""
    if not captured.lost:
        return ""
    return (
        f"no face in {captured.lost} of {captured.frames + captured.lost} pictures; a hole over "
        f"{MAX_HOLE_S:g} s will cut the take there"
    )
