"""Faces from video: MediaPipe's face landmarker -> takes in BEAT's form (`dt-train capture`).

MediaPipe names its blendshape scores as ARKit does, but for `_neutral` and the tongue, which it
does not see. Every picture is measured by itself (image mode): in video mode the landmarker smooths
over time, and the lips come 20 ms late (docs/training.md). The model file is the user's: none is
shipped, and nothing is downloaded here.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...curves import CURVES
from ...sound import write as write_sound
from ..corpora import video
from ..corpora.recording import MAX_HOLE_S, BrokenTake

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


class Landmark(Protocol):
    """One point of a face, in widths and heights of the picture."""

    @property
    def x(self) -> float | None: ...
    @property
    def y(self) -> float | None: ...


class Result(Protocol):
    """What the landmarker finds in one picture: blendshape scores and landmarks a face."""

    @property
    def face_blendshapes(self) -> list[list[Category]]: ...
    @property
    def face_landmarks(self) -> Sequence[Sequence[Landmark]]: ...


#: RGB picture (height, width, 3) -> what is in it.
Detector = Callable[[NDArray[np.uint8]], Result]


@dataclass(frozen=True)
class Captured:
    """What became of a video."""

    take: Path  # the JSON; the wav has the same stem
    frames: int  # pictures with a face
    lost: int  # pictures without one
    shared: int = 0  # pictures with more than one


@dataclass(frozen=True)
class Place:
    """Where a face stands, in widths and heights of the picture."""

    x: float
    y: float
    width: float


def place_of(landmarks: Sequence[Landmark]) -> Place:
    """Middle and width of a face's landmarks."""
    x = np.array([point.x or 0.0 for point in landmarks])
    y = np.array([point.y or 0.0 for point in landmarks])
    return Place(float(x.mean()), float(y.mean()), float(np.ptp(x)))


def same_face(places: Sequence[Place], last: Place | None) -> int | None:
    """Which of the faces is the one that was at `last`: the nearest, if it is within its width.

    The largest if there is no `last`.
    """
    if last is None:
        return max(range(len(places)), key=lambda i: places[i].width)
    away = [((place.x - last.x) ** 2 + (place.y - last.y) ** 2) ** 0.5 for place in places]
    nearest = min(range(len(places)), key=away.__getitem__)
    return nearest if away[nearest] <= last.width else None


def weights_of(face: Iterable[Category]) -> list[float]:
    """Curve values in the order of NAMES, by name.

    A score that MediaPipe does not give is 0, and `_neutral` is left out.
    """
    scores = {c.category_name: float(c.score or 0.0) for c in face}
    if not set(NAMES) & set(scores):
        raise CaptureError(
            "the model gives no blendshape scores: use face_landmarker.task with blendshapes"
        )
    return [min(max(scores.get(name, 0.0), 0.0), 1.0) for name in NAMES]


def rows_of(
    pictures: Iterable[tuple[float, NDArray[np.uint8]]],
    detect: Detector,
    on_frame: Callable[[], None] = lambda: None,
) -> Iterator[tuple[dict[str, Any] | None, int]]:
    """A picture -> a row of BEAT's form, None where the face was not found; and how many faces.

    One face is followed. When it is gone for so long that a reader will cut the take there,
    another one may come: what lies between two holes is one face.
    """
    last: Place | None = None
    last_s = 0.0
    for at_s, picture in pictures:
        result = detect(picture)
        on_frame()
        faces = result.face_blendshapes
        places = [place_of(landmarks) for landmarks in result.face_landmarks]
        if at_s - last_s > MAX_HOLE_S:
            last = None
        chosen = same_face(places, last) if faces else None
        if chosen is None:
            yield None, len(faces)
            continue
        last, last_s = places[chosen], at_s
        weights = [round(weight, 5) for weight in weights_of(faces[chosen])]
        yield {"weights": weights, "time": round(at_s, 6), "rotation": []}, len(faces)


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
    kept = [row for row, _ in rows if row is not None]
    lost = len(rows) - len(kept)
    if len(kept) < 2 or lost > MOST_LOST * len(rows):
        raise BrokenTake(
            f"{film.name}: a face in {len(kept)} of {len(rows)} pictures, half of them are needed; "
            "film one face from the front, lit and large"
        )
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{film.stem}.json"
    wav = target.with_suffix(".wav")
    part = wav.with_suffix(".wav.part")
    write_sound(part, sound, rate_hz, "WAV", "PCM_16")
    os.replace(part, wav)
    part = target.with_suffix(".json.part")
    part.write_text(json.dumps({"names": NAMES, "frames": kept}), encoding="utf-8")
    os.replace(part, target)
    return Captured(target, len(kept), lost, sum(faces > 1 for _, faces in rows))


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
    """MediaPipe's landmarker for single pictures; it keeps nothing from one to the next.

    Raises CaptureError where MediaPipe or the model file is missing or does not fit.
    """
    return _Landmarker(require(model), model)


@contextmanager
def _without_log() -> Iterator[None]:
    """Keeps file descriptor 2 quiet.

    MediaPipe's native code logs its start there before any log level of its own applies.
    """
    kept = os.dup(2)
    try:
        with tempfile.TemporaryFile() as nowhere:
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


class _Landmarker(AbstractContextManager[Detector]):
    def __init__(self, mediapipe: Any, model: Path) -> None:
        self._mediapipe = mediapipe
        vision = mediapipe.tasks.vision
        # Read here: MediaPipe opens no path with letters that its platform's code page lacks.
        options = vision.FaceLandmarkerOptions(
            base_options=mediapipe.tasks.BaseOptions(model_asset_buffer=model.read_bytes()),
            running_mode=vision.RunningMode.IMAGE,
            num_faces=2,  # to tell whether there is a second
            output_face_blendshapes=True,
        )
        try:
            with _without_log():
                self._landmarker = vision.FaceLandmarker.create_from_options(options)
                self._detect(np.zeros((64, 64, 3), np.uint8))  # its parts start, and log, here
        except (ValueError, RuntimeError, OSError) as error:
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise CaptureError(f"{model} is no face landmarker model: {said}") from None

    def __enter__(self) -> Detector:
        return self._detect

    def __exit__(self, *_: object) -> None:
        self._landmarker.close()

    def _detect(self, picture: NDArray[np.uint8]) -> Result:
        image = self._mediapipe.Image(
            image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(picture)
        )
        result: Result = self._landmarker.detect(image)
        return result


def notes(captured: Captured) -> list[str]:
    """What the user should know of the pictures without a face or with several."""
    of = captured.frames + captured.lost
    said = []
    if captured.lost:
        said.append(
            f"no face in {captured.lost} of {of} pictures; a hole over {MAX_HOLE_S:g} s will cut "
            "the take there"
        )
    if captured.shared:
        said.append(
            f"more than one face in {captured.shared} of {of} pictures: the one that is largest at "
            "first was followed; crop the film to the speaker if that is another"
        )
    return said
