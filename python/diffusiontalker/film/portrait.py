"""A head in front of a camera: curves in, a picture out. No display and no graphics card."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..curves import HEAD, curve_of
from .errors import FilmError
from .native import renderer

if TYPE_CHECKING:
    from .._picture import Canvas, Shapes
    from ..head import Head, Part

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]

#: Width and height that a picture may have, pixels.
SIDES = (64, 4096)

# A long lens, as for portraits: near ones swell the nose.
_VIEW_DEGREES = 20.0
# What moves is the face; it fills so much of the picture's height, and its middle lies so far down.
_FACE_HEIGHT, _FACE_AT = 0.46, 0.50
# No wider than this share of the picture's width, where that is the narrow side.
_FACE_WIDTH = 0.60
# The crown stays so far below the picture's upper edge, and moving less than so much of
# the most does not count.
_ABOVE, _MOVES = 0.035, 0.2
# What goes on below the face by so much of its height is a neck.
_NECK = 0.15
_TONES = 4096

# Linear light in the middle, at the edges: a grey wall with a lamp on it.
_WALL = ((0.105, 0.118, 0.140), (0.022, 0.026, 0.034))


@dataclass(frozen=True)
class _Surface:
    gloss: float
    sharp: float
    wrap: float
    two_sided: bool = True


# By words that stand in a part's name; what is none of them is skin.
_SURFACES: tuple[tuple[tuple[str, ...], _Surface], ...] = (
    (("cornea", "occlusion", "tear", "wet"), _Surface(1.6, 260.0, 0.0)),
    (("lash", "brow", "hair"), _Surface(0.04, 12.0, 0.0)),
    (("eye", "sclera", "iris", "pupil"), _Surface(1.2, 240.0, 0.35)),
    (("teeth", "tooth"), _Surface(0.35, 60.0, 0.3)),
    (("tongue", "gum", "mouth"), _Surface(0.22, 30.0, 0.6)),
    (("lip",), _Surface(0.16, 22.0, 0.9)),
    (("cloth", "shirt", "shoulder", "collar", "body"), _Surface(0.02, 4.0, 0.1)),
)


class Portrait:
    """Draws one head at one size.

    The picture is framed by the neutral head, so that it stands still where the head does. One
    thread at a time may call it.
    """

    def __init__(self, head: Head, names: Sequence[str], size: tuple[int, int]) -> None:
        """`names` are the curves' of `picture`, in any spelling; `size` is width and height.

        Raises FilmError.
        """
        width, height = checked_size(size)
        self.size = width, height
        self._points = np.ascontiguousarray(head.points, np.float32)
        self._colours = np.ascontiguousarray(head.colours, np.float32)
        self._triangles = np.ascontiguousarray(head.triangles, np.uint32)
        self._surface = np.concatenate(
            [np.full(len(part.triangles), i, np.uint8) for i, part in enumerate(head.parts)]
        )
        self._surfaces = np.array([_row(part) for part in head.parts], np.float32)
        self._joints, self._shapes, curves, face = _prepared(_Same(head))
        self._columns = _columns_of(curves, names)
        self._turns = [names.index(name) if name in names else None for name in HEAD]
        self._count = len(names)
        low, high = face
        self._eye, self._focal = _camera(self._points, low, high, (width, height))
        # The head turns about the middle of the neck's top; the neck goes along, shoulders do not.
        back = float(self._points[:, 2].min())
        self._pivot = np.array([(low[0] + high[0]) / 2, low[1], (back + high[2]) / 2], np.float32)
        foot = float(self._points[:, 1].min())
        share = np.clip((self._points[:, 1] - foot) / max(low[1] - foot, 1e-6), 0, 1)
        stands = _goes_on_below(self._points, low, high)
        share = share * share * (3 - 2 * share) if stands else np.ones_like(share)
        self._turning = share.astype(np.float32)[:, None]
        self._canvas: Canvas = renderer().Canvas(wall((width, height)), tones())

    def posed(self, curves: npt.ArrayLike) -> FloatArray:
        """(V, 3) points of the head under one frame of curves, metres, in its own axes."""
        values = np.asarray(curves, np.float32)
        if values.shape != (self._count,):
            raise FilmError(f"curves: expected {self._count} values, got shape {values.shape}")
        if not np.isfinite(values).all():
            raise FilmError("curves: expected finite values")
        weights = np.where(self._columns < 0, np.float32(0), values[self._columns])
        points = self._shapes.posed(weights)
        turn = [0.0 if i is None else float(values[i]) for i in self._turns]
        if any(turn):
            # How far each point would go, times the share that it goes.
            gone = np.einsum(
                "vi,ji->vj", points - self._pivot, _rotation(*turn) - np.eye(3, dtype=np.float32)
            )
            points += np.multiply(gone, self._turning, out=gone)
        return points

    def picture(self, curves: npt.ArrayLike) -> ByteArray:
        """(height, width, 3) sRGB of one frame of curves. Raises FilmError."""
        width, height = self.size
        return self._canvas.draw(
            self.posed(curves) - self._eye,
            self._colours,
            self._joints,
            self._triangles,
            self._surface,
            self._surfaces,
            self._focal,
            width / 2,
            height / 2,
        )

    def on_picture(self, points: FloatArray) -> FloatArray:
        """(n, 2) pixels, x to the right and y down, of points in the head's axes."""
        seen = points - self._eye
        width, height = self.size
        found = np.stack((seen[:, 0], -seen[:, 1]), axis=1) * (self._focal / -seen[:, 2:])
        made: FloatArray = (found + np.array((width / 2, height / 2))).astype(np.float32)
        return made


def picture(
    head: Head, curves: npt.ArrayLike, names: Sequence[str], size: tuple[int, int] = (720, 720)
) -> ByteArray:
    """(height, width, 3) uint8, sRGB: `head` with one frame of curves, (len(names),).

    For more than a few, keep a `Portrait`. Raises FilmError.
    """
    return Portrait(head, names, size).picture(curves)


def size_of(option: str, given: str) -> tuple[int, int]:
    """Width and height in pixels of WIDTHxHEIGHT. Raises FilmError, which names the option."""
    found = re.fullmatch(r"(\d{1,5})[xX](\d{1,5})", given)
    if not found:
        raise FilmError(f"{option} {given}: expected WIDTHxHEIGHT, as in 1280x720")
    return int(found[1]), int(found[2])


def checked_size(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height as they may be. Raises FilmError."""
    width, height = size
    if not all(SIDES[0] <= side <= SIDES[1] for side in size):
        raise FilmError(f"size {width}x{height}: expected sides of {SIDES[0]} to {SIDES[1]} pixels")
    return width, height


def joints(head: Head) -> npt.NDArray[np.int32]:
    """(V,) for each point the first that lies where it lies in every shape.

    Exporters part points where a texture has a seam; such points share a normal. Lips that touch
    do not: they move apart.
    """
    mixed = np.zeros(len(head.points), np.float64)
    draw = np.random.default_rng(52)
    for moved in (head.points, *head.shapes.values()):
        mixed += np.round(np.asarray(moved, np.float64) * 1e6) @ draw.uniform(0.5, 1.5, 3)
    # Sums of the same numbers in the same order are equal.
    _, first, inverse = np.unique(mixed, return_index=True, return_inverse=True)
    return first[inverse.reshape(-1)].astype(np.int32)


@lru_cache(maxsize=8)
def wall(size: tuple[int, int]) -> FloatArray:
    """(height, width, 3), linear light: the background, with no steps to be seen in it."""
    width, height = size
    x = (np.arange(width) + 0.5) / width * 2 - 1
    y = (np.arange(height) + 0.5) / height * 2 - 1
    x, y = x * width / max(size), (y + 0.1) * height / max(size)
    away = np.clip(np.sqrt(x[None] ** 2 + y[:, None] ** 2) / 1.05, 0, 1)
    share = (away * away * (3 - 2 * away))[..., None]
    middle, edge = (np.array(colour) for colour in _WALL)
    light = middle + share * (edge - middle)
    grain = np.random.default_rng(1).uniform(-0.5, 0.5, (height, width, 1))
    # A grain of one step of the eight bits, where the curve of tones is.
    made: FloatArray = (light * (1 + 0.02 * grain)).astype(np.float32)
    made.flags.writeable = False
    return made


@lru_cache(maxsize=1)
def tones() -> ByteArray:
    """The bytes of linear light from 0 to the canvas's brightest; highlights have a shoulder."""
    light = np.linspace(0, renderer().Canvas.BRIGHTEST, _TONES)
    knee = 0.6
    over = np.maximum(light - knee, 0) / (1 - knee)
    shown = np.where(light < knee, light, knee + (1 - knee) * (1 - np.exp(-over)))
    curved = np.where(shown < 0.0031308, 12.92 * shown, 1.055 * shown ** (1 / 2.4) - 0.055)
    made: ByteArray = np.round(255 * np.clip(curved, 0, 1)).astype(np.uint8)
    return made


def _row(part: Part) -> tuple[float, ...]:
    name = part.name.lower()
    skin = _Surface(gloss=0.16 * max(0.0, 1.3 - part.roughness), sharp=9.0, wrap=1.0)
    kind = next((s for words, s in _SURFACES if any(w in name for w in words)), skin)
    return kind.gloss, kind.sharp, kind.wrap, float(part.transparent), float(kind.two_sided)


class _Same:
    """A head as a key: equal to itself alone."""

    def __init__(self, head: Head) -> None:
        self.head = head

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.head is other.head

    def __hash__(self) -> int:
        return id(self.head)


@lru_cache(maxsize=2)
def _prepared(
    same: _Same,
) -> tuple[npt.NDArray[np.int32], Shapes, tuple[str, ...], tuple[FloatArray, FloatArray]]:
    """Joints, shapes, the shapes' curves and the face's box: once a head, for all that draw it."""
    head = same.head
    curves = tuple(head.shapes)
    shapes = np.zeros((len(curves), *head.points.shape), np.float32)
    for i, curve in enumerate(curves):
        shapes[i] = head.shapes[curve]
    points = np.ascontiguousarray(head.points, np.float32)
    return joints(head), renderer().Shapes(points, shapes), curves, _face_box(points, shapes)


def _columns_of(curves: Sequence[str], names: Sequence[str]) -> npt.NDArray[np.intp]:
    """(n,) where each of a head's curves is among `names`; -1 where it is not."""
    by_curve: dict[str, int] = {}
    for i, name in enumerate(names):
        known = curve_of(name)
        by_curve.setdefault(name if known is None else known[0], i)
    columns = np.array([by_curve.get(curve, -1) for curve in curves], np.intp)
    if (columns < 0).all():
        raise FilmError("the head has none of the curves: nothing would move")
    return columns


def _face_box(points: FloatArray, shapes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The least and greatest coordinates of what moves."""
    most = np.abs(shapes).max(axis=(0, 2))
    face = points[most >= _MOVES * most.max()]
    return face.min(axis=0), face.max(axis=0)


def _goes_on_below(points: FloatArray, low: FloatArray, high: FloatArray) -> bool:
    """Whether there is a neck below the face."""
    return bool(low[1] - points[:, 1].min() > _NECK * (high[1] - low[1]))


def _camera(
    points: FloatArray, low: FloatArray, high: FloatArray, size: tuple[int, int]
) -> tuple[FloatArray, float]:
    """Where the camera stands, and its focal length in pixels, for a face between `low` and `high`.

    Head and shoulders are in the picture, and the face is in its middle.
    """
    width, height = size
    focal = min(size) / (2 * np.tan(np.radians(_VIEW_DEGREES) / 2))
    # Metres a pixel, at the face.
    scale = max(
        (high[1] - low[1]) / (_FACE_HEIGHT * height), (high[0] - low[0]) / (_FACE_WIDTH * width)
    )
    upper = (low[1] + high[1]) / 2 + _FACE_AT * height * scale
    lower = upper - height * scale
    # No cut through the neck is shown, where the model ends there.
    if _goes_on_below(points, low, high):
        upper += max(0.0, float(points[:, 1].min()) + 0.01 * height * scale - lower)
    crown = float(points[:, 1].max()) + _ABOVE * height * scale
    if crown > upper:
        lower = upper - height * scale
        scale = max(scale, (crown - lower) / height)
        upper = crown
    middle = upper - height * scale / 2
    front = float(high[2]) - 0.3 * float(high[2] - points[:, 2].min())
    eye = np.array([(low[0] + high[0]) / 2, middle, front + focal * scale], np.float32)
    return eye, float(focal)


def _rotation(yaw: float, pitch: float, roll: float) -> FloatArray:
    """(3, 3) of a head that turns by radians: yaw to its own left, pitch up, roll to its right.

    The order of the turns is that of games: roll first, then pitch, then yaw.
    """
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    made: FloatArray = (about_y @ about_x @ about_z).astype(np.float32)
    return made
