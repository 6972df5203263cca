"""Faces in video as MediaPipe's face landmarker sees them (`dt-train capture`).

A picture gives landmarks, from which jaw and mouth are solved (collect/solver.py), the scores of
MediaPipe's blendshape network, named as ARKit's but for `_neutral` and the tongue, and the head's
matrix. Every picture is measured by itself (image mode): in video mode the landmarker smooths over
time, and the lips come 20 ms late (docs/training.md). The model file is the user's: none is
shipped, and nothing is downloaded here.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...curves import CURVES
from ..corpora import video
from ..corpora.recording import MAX_HOLE_S, BrokenTake
from .landmarks import COUNT
from .measured import Measured, angles

REMEDY = "pip install 'diffusiontalker[capture]'"
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
    """One point of a face, in widths (x, z) and heights of the picture; z grows away from it."""

    @property
    def x(self) -> float | None: ...
    @property
    def y(self) -> float | None: ...
    @property
    def z(self) -> float | None: ...


class Result(Protocol):
    """What the landmarker finds in one picture: scores, landmarks and the head's matrix a face."""

    @property
    def face_blendshapes(self) -> list[list[Category]]: ...
    @property
    def face_landmarks(self) -> Sequence[Sequence[Landmark]]: ...
    @property
    def facial_transformation_matrixes(self) -> Sequence[NDArray[np.floating]]: ...


#: RGB picture (height, width, 3) -> what is in it.
Detector = Callable[[NDArray[np.uint8]], Result]


@dataclass(frozen=True)
class Seen:
    """The face of one picture."""

    at_s: float
    points: NDArray[np.float32]  # (n, 3), pixels: x right, y down, z like x, away
    scores: NDArray[np.float32]  # (52,), ARKit order
    rotation: tuple[float, float, float]  # yaw, pitch, roll in degrees; NaN where not told


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


def scores_of(face: Iterable[Category]) -> NDArray[np.float32]:
    """Curve values (52,) in ARKit's order, by name.

    A score that MediaPipe does not give is 0, and `_neutral` is left out.
    """
    scores = {c.category_name: float(c.score or 0.0) for c in face}
    if not set(CURVES) & set(scores):
        raise CaptureError(
            "the model gives no blendshape scores: use face_landmarker.task with blendshapes"
        )
    return np.clip([scores.get(name, 0.0) for name in CURVES], 0.0, 1.0).astype(np.float32)


def faces_of(
    pictures: Iterable[tuple[float, NDArray[np.uint8]]],
    detect: Detector,
    on_frame: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Seen | None, int]]:
    """A picture -> its face, None where it was not found; and how many faces there are.

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
        yield _seen(result, chosen, at_s, picture), len(faces)


def _seen(result: Result, chosen: int, at_s: float, picture: NDArray[np.uint8]) -> Seen:
    height, width = picture.shape[:2]
    points = [(p.x or 0.0, p.y or 0.0, p.z or 0.0) for p in result.face_landmarks[chosen]]
    matrices = result.facial_transformation_matrixes
    return Seen(
        at_s,
        (np.array(points[:COUNT]) * [width, height, width]).astype(np.float32),
        scores_of(result.face_blendshapes[chosen]),
        angles(matrices[chosen]) if len(matrices) > chosen else (np.nan, np.nan, np.nan),
    )


def measure(
    film: Path,
    detect: Detector,
    on_frame: Callable[[], None] = lambda: None,
    pixel_aspect: Fraction | None = None,
) -> Measured:
    """What the landmarker sees in a film, in pixels of true shape.

    `pixel_aspect` (width over height) replaces what the film says. Raises BrokenTake for a film
    without sound or picture, or with a face in too few of its pictures.
    """
    video.read_sound(film)  # before the long part
    found = list(faces_of(video.frames(film, pixel_aspect), detect, on_frame))
    kept = [face for face, _ in found if face is not None]
    lost = len(found) - len(kept)
    if len(found) < 2:
        raise BrokenTake(f"{film.name}: too short, pictures: {len(found)}; a take needs a second")
    if len(kept) < 2 or lost > MOST_LOST * len(found):
        raise BrokenTake(
            f"{film.name}: a face in {len(kept)} of {len(found)} pictures, half of them are "
            "needed; film one face from the front, lit and large, and see that the film plays"
        )
    return Measured(
        times_s=np.array([face.at_s for face in kept]),
        points=np.stack([face.points for face in kept]),
        scores=np.stack([face.scores for face in kept]),
        rotations=np.array([face.rotation for face in kept], np.float32),
        lost=lost,
        shared=sum(faces > 1 for _, faces in found),
    )


def require(model: Path) -> Any:
    """The mediapipe module. Raises CaptureError where it or the model file is missing."""
    if not model.is_file():
        raise CaptureError(
            f"no model file {model}; give --model with MediaPipe's face_landmarker.task "
            "(Apache-2.0; MediaPipe's site has it under Face Landmarker, Models)"
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


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


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
            output_facial_transformation_matrixes=True,
        )
        try:
            with _without_log():
                self._landmarker = vision.FaceLandmarker.create_from_options(options)
                self._detect(np.zeros((64, 64, 3), np.uint8))  # its parts start, and log, here
        except OSError as error:  # its native library lacks one of the system's
            raise CaptureError(
                f"MediaPipe cannot start: {_first_line(error)}; on Debian it needs the packages "
                "libegl1 and libgles2"
            ) from None
        except (ValueError, RuntimeError) as error:
            said = _first_line(error)
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


def notes(film: Measured) -> list[str]:
    """What the user should know of the pictures without a face or with several."""
    of = len(film.times_s) + film.lost
    said = []
    if film.lost:
        said.append(
            f"no face in {film.lost} of {of} pictures; a hole over {MAX_HOLE_S:g} s will cut "
            "the take there"
        )
    if film.shared:
        said.append(
            f"more than one face in {film.shared} of {of} pictures: the one that is largest at "
            "first was followed; crop the film to the speaker if that is another"
        )
    return said
