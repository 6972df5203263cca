"""VOCASET: scanned meshes (N, vertices, 3) -> 52 curves, by the user's own blendshapes.

The corpus has no curves. Each frame is solved for the weights of a set of shape deltas that the
user supplies for the corpus's topology (5023 vertices, FLAME's), over a whole take at once:

    min  sum_t 1/2 w_t' B'B w_t + (B'(v0 - v_t))' w_t,   0 <= w <= 1,   |w_t - w_t-1| <= 0.1
"""

from __future__ import annotations

import math
import pickle
import pickletools
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from ...curves import CURVES, remap, texts_in
from .audio import to_core_rate
from .recording import BrokenTake, Recording, measured

FRAME_RATE_HZ = 60.0
MAX_STEP = 0.1  # largest change of a weight from one frame to the next

VERTICES = "data_verts.npy"
AUDIO = "raw_audio_fixed.pkl"
TEMPLATES = "templates.pkl"
INDEX = "subj_seq_to_idx.pkl"

FloatArray = NDArray[np.float64]

# The pickles hold dictionaries of NumPy arrays, written by Python 2; nothing else is let in. What
# NumPy's own arrays do with a damaged state may end the whole program. So stand-ins take down what
# the pickle says, and arrays are made of it once it has been checked.
_PLAIN = (str, bytes, bool, int, float, complex, type(None))
_TYPE = re.compile(r"[<>|=]?[biufcSU]\d{1,4}")
_MOST_DIMENSIONS = 32


class _Type:
    """`numpy.dtype`, as a pickle names it."""

    def __init__(self, name: object = None, *_: object) -> None:
        self._name = name
        self._order: Literal["<", ">", "|", "="] = "="

    def __setstate__(self, state: object) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "|", "="):
            self._order = state[1]

    def made(self) -> np.dtype[Any]:
        if not isinstance(self._name, str) or not _TYPE.fullmatch(self._name):
            raise pickle.UnpicklingError(f"it holds {self._name!r}, which is not let in"[:120])
        dtype: np.dtype[Any] = np.dtype(self._name).newbyteorder(self._order)
        return dtype


class _Array:
    """`numpy.ndarray` and what makes one."""

    def __init__(self, *_: object) -> None:
        self._state: Any = None

    def __setstate__(self, state: object) -> None:
        self._state = state

    def made(self) -> NDArray[Any]:
        state, self._state = self._state, None  # its bytes are not needed twice
        if not (isinstance(state, tuple) and len(state) == 5 and isinstance(state[2], _Type)):
            raise pickle.UnpicklingError("an array without its state")
        _, shape, type_, fortran, data = state
        if not (
            isinstance(shape, tuple)
            and len(shape) <= _MOST_DIMENSIONS
            and all(type(n) is int and 0 <= n < 1 << 40 for n in shape)
        ):
            raise pickle.UnpicklingError(f"an array of the shape {shape!r}"[:120])
        dtype, data = type_.made(), _bytes(data)
        if dtype.itemsize * math.prod(shape) != len(data):
            raise pickle.UnpicklingError(
                f"an array of the shape {shape}, {dtype}, in {len(data)} bytes"
            )
        flat: NDArray[Any] = np.frombuffer(data, dtype) if len(data) else np.empty(0, dtype)
        return flat.reshape(shape, order="F" if fortran else "C")


class _Scalar:
    """`numpy.core.multiarray.scalar`."""

    def __init__(self, type_: object = None, data: object = None) -> None:
        self._type, self._data = type_, data

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("a number with a state")

    def made(self) -> Any:
        data = _bytes(self._data)
        if not isinstance(self._type, _Type) or self._type.made().itemsize != len(data) or not data:
            raise pickle.UnpicklingError("a number that is not as long as its type")
        return np.frombuffer(data, self._type.made())[0]


class _Encoded:
    """`_codecs.encode`, by which Python 3 writes bytes for Python 2."""

    def __new__(cls, text: object = "", encoding: object = "latin1") -> bytes:  # type: ignore[misc]
        if encoding != "latin1":
            raise pickle.UnpicklingError(f"it asks for the encoding {encoding!r}"[:120])
        return _bytes(text)

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("bytes with a state")


_ALLOWED: dict[tuple[str, str], type] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.multiarray", "scalar"): _Scalar,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "scalar"): _Scalar,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("collections", "OrderedDict"): dict,
    ("_codecs", "encode"): _Encoded,
    ("__builtin__", "bytes"): _Encoded,  # without an argument: no bytes
}


def _bytes(data: object) -> bytes:
    """What Python 2 called a string. Raises UnpicklingError for anything else."""
    if isinstance(data, str):
        return data.encode("latin1")
    if not isinstance(data, bytes):
        raise pickle.UnpicklingError(f"an array of {type(data).__name__}, which is not let in")
    return data


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not let in")
        return _ALLOWED[module, name]


def _made(value: Any, done: dict[int, Any]) -> Any:
    """The value with arrays in place of their stand-ins. What is there twice is made once."""
    if isinstance(value, _PLAIN):
        return value
    if id(value) in done:
        return done[id(value)]
    done[id(value)] = None  # of what holds itself
    if isinstance(value, (_Array, _Scalar, _Type)):
        made = value.made()
    elif isinstance(value, dict):
        if not all(isinstance(key, _PLAIN) for key in value):
            raise pickle.UnpicklingError("a dictionary whose keys are no strings or numbers")
        made = {key: _made(inner, done) for key, inner in value.items()}
    elif isinstance(value, (list, tuple)):
        made = type(value)(_made(inner, done) for inner in value)
    else:
        raise pickle.UnpicklingError(f"it holds a {type(value).__name__}, which is not let in")
    done[id(value)] = made
    return made


def unpickle(path: Path) -> Any:
    """A pickle of dictionaries, lists, numbers, strings and NumPy arrays; anything else is refused.

    Raises ValueError with the file and the reason.
    """
    try:
        with path.open("rb") as file:
            _refuse_wide_memo(file)
            file.seek(0)
            return _made(_Restricted(file, encoding="latin1").load(), {})
    except FileNotFoundError:
        raise
    except Exception as error:  # a broken pickle can raise nearly anything
        said = " ".join(str(error).split())
        raise ValueError(f"{path}: cannot be read as a pickle of arrays: {said}") from error


def _refuse_wide_memo(file: BinaryIO) -> None:
    """Raises UnpicklingError for a memo entry beyond what so many bytes can have named.

    The unpickler makes room for it first: a damaged number would take all memory.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes in a damaged text
        for code, value, at in pickletools.genops(file):
            if code.name in ("PUT", "BINPUT", "LONG_BINPUT") and (value or 0) > (at or 0):
                raise pickle.UnpicklingError(f"memo entry {value} at byte {at}")


# ------------------------------------------------------------------------------- the least squares


def mirrored_basis(frames: int) -> tuple[FloatArray, FloatArray]:
    """Eigenvectors (frames, frames) and eigenvalues of D'D, D the difference of neighbours.

    They are the cosines of the discrete cosine transform.
    """
    k = np.arange(frames)
    basis: FloatArray = np.cos(np.pi * np.outer(k + 0.5, k) / frames) * np.sqrt(2.0 / frames)
    basis[:, 0] /= np.sqrt(2.0)
    return basis, 4.0 * np.sin(np.pi * k / (2.0 * frames)) ** 2


def solve_weights(
    gram: FloatArray,
    target: FloatArray,
    *,
    max_step: float = MAX_STEP,
    tolerance: float = 1e-5,
    most_rounds: int = 4000,
) -> FloatArray:
    """Weights (frames, shapes) of the problem above; gram = B'B, target = (v - v0)'B by frames.

    Alternating direction method of multipliers (Boyd et al. 2011): the quadratic part is solved
    exactly in the eigenvectors of B'B and of the time difference, the limits are projections. The
    result keeps the limits exactly. Both sides are in units of the mean squared delta.
    """
    frames, shapes = target.shape
    scale = max(float(np.trace(gram)) / shapes, 1e-30)
    # A shape that the mesh cannot tell from another would leave the solution open.
    shape_values, shape_basis = np.linalg.eigh(gram / scale + 1e-6 * np.eye(shapes))
    time_basis, time_values = mirrored_basis(frames)
    linear = target / scale
    rho = 0.3
    denominator = shape_values[None, :] + rho * (1.0 + time_values[:, None])
    inside = np.zeros((frames, shapes))
    steps = np.zeros((frames - 1, shapes))
    inside_dual, steps_dual = np.zeros_like(inside), np.zeros_like(steps)
    for _ in range(most_rounds):
        wish = steps - steps_dual
        back = np.zeros((frames, shapes))  # D' wish
        back[:-1] -= wish
        back[1:] += wish
        right = linear + rho * (inside - inside_dual + back)
        weights = time_basis @ ((time_basis.T @ right @ shape_basis) / denominator) @ shape_basis.T
        change = np.diff(weights, axis=0)
        before = inside
        inside = np.clip(weights + inside_dual, 0.0, 1.0)
        steps = np.clip(change + steps_dual, -max_step, max_step)
        inside_dual += weights - inside
        steps_dual += change - steps
        gap = max(np.abs(weights - inside).max(), np.abs(change - steps).max(initial=0.0))
        if gap < tolerance and np.abs(inside - before).max() < tolerance:
            break
    return _within_limits(np.clip(weights, 0.0, 1.0), max_step)


def _within_limits(weights: FloatArray, max_step: float) -> FloatArray:
    """What rounding leaves over the step limit is taken off, forwards in time."""
    out: FloatArray = weights.copy()
    for t in range(1, len(out)):
        out[t] = np.clip(out[t], out[t - 1] - max_step, out[t - 1] + max_step)
    return out


# -------------------------------------------------------------------------------------- the corpus


@dataclass(frozen=True)
class Deltas:
    """Blendshapes of the corpus's mesh: what each curve adds to the neutral face, in its units."""

    names: tuple[str, ...]
    values: FloatArray  # (shapes, vertices, 3)


def read_deltas(path: Path) -> Deltas:
    """An npz with `names` (shapes,) of ARKit curves and `deltas` (shapes, vertices, 3).

    Raises FileNotFoundError, or ValueError that says what was expected.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"blendshape deltas {path} do not exist; VOCASET needs an npz with names (K,) and "
            "deltas (K, 5023, 3)"
        )
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = tuple(texts_in(arrays["names"]))
            values = np.asarray(arrays["deltas"], dtype=np.float64)
    except Exception as error:  # a damaged file can raise nearly anything
        raise ValueError(f"{path}: expected an npz with names and deltas: {error}") from error
    if values.ndim != 3 or values.shape[2] != 3 or len(values) != len(names):
        raise ValueError(f"{path}: expected deltas ({len(names)}, vertices, 3), got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"{path}: deltas hold NaN or infinite values")
    remap(np.zeros((1, len(names))), names)  # a name that stands twice is refused there
    if not {name.lower() for name in names} & {name.lower() for name in CURVES}:
        raise ValueError(f"{path}: names no ARKit curve, got {', '.join(names[:3])}")
    return Deltas(names, values)


class Vocaset:
    """The corpus's folder, opened; the vertices stay on disk."""

    def __init__(self, folder: Path, deltas: Deltas) -> None:
        """Raises FileNotFoundError or ValueError with what is missing or does not fit."""
        for name in (VERTICES, AUDIO, TEMPLATES, INDEX):
            if not (folder / name).is_file():
                raise FileNotFoundError(f"VOCASET in {folder}: {name} is missing")
        try:
            self.vertices = np.load(folder / VERTICES, mmap_mode="r", allow_pickle=False)
        except Exception as error:  # a damaged file can raise nearly anything
            raise ValueError(f"{folder / VERTICES} cannot be read: {error}") from error
        if self.vertices.ndim != 3 or self.vertices.shape[1:] != deltas.values.shape[1:]:
            raise ValueError(
                f"{folder / VERTICES}: expected (N, {deltas.values.shape[1]}, 3) as in the deltas, "
                f"got {self.vertices.shape}"
            )
        self.templates: Mapping[str, Any] = unpickle(folder / TEMPLATES)
        self.index: Mapping[str, Mapping[str, Mapping[int, int]]] = unpickle(folder / INDEX)
        self.sounds: Mapping[str, Mapping[str, Any]] = unpickle(folder / AUDIO)
        for name, table in ((TEMPLATES, self.templates), (INDEX, self.index), (AUDIO, self.sounds)):
            if not isinstance(table, Mapping):
                raise ValueError(f"{folder / name}: expected subjects, got {type(table).__name__}")
        self.names = deltas.names
        # Vertices that no shape moves say nothing.
        moved = np.abs(deltas.values).max(axis=(0, 2)) > 0.0
        self.moved = np.flatnonzero(moved)
        self.basis = deltas.values[:, self.moved].reshape(len(deltas.names), -1)
        self.gram = self.basis @ self.basis.T

    def takes(self) -> Iterator[tuple[str, str]]:
        """(subject, sequence) of every take in the index. Raises ValueError."""
        for subject, sequences in sorted(self.index.items(), key=lambda entry: str(entry[0])):
            if not isinstance(sequences, Mapping):
                raise ValueError(f"{INDEX}: expected sequences of {subject!r}")
            for sequence in sorted(sequences, key=str):
                yield subject, sequence

    def read(self, subject: str, sequence: str, *, licence: str = "") -> Recording:
        """One take, its meshes solved for curves. Raises BrokenTake with the reason."""
        name = f"{subject}/{sequence}"
        try:
            rows = sorted((int(f), int(row)) for f, row in self.index[subject][sequence].items())
            template = np.asarray(self.templates[subject], dtype=np.float64)
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            raise BrokenTake(f"{name}: no index or template: {error!r}") from error
        try:
            sound = self.sounds[subject][sequence]
            samples = np.asarray(sound["audio"])
            rate_hz = int(sound["sample_rate"])
        except (KeyError, TypeError, ValueError) as error:
            raise BrokenTake(f"{name}: no audio: {error!r}") from error
        if template.shape != self.vertices.shape[1:]:
            raise BrokenTake(f"{name}: template {template.shape}, mesh {self.vertices.shape[1:]}")
        places = [row for _, row in rows]
        if len(rows) < 2 or min(places) < 0 or max(places) >= len(self.vertices):
            raise BrokenTake(f"{name}: {len(rows)} frames, some of them beyond {VERTICES}")
        with np.errstate(invalid="ignore"):  # what a damaged mesh holds is refused below
            meshes = np.asarray(self.vertices[places][:, self.moved], np.float64)
            difference = (meshes - template[self.moved]).reshape(len(rows), -1)
        if not np.isfinite(difference).all():
            raise BrokenTake(f"{name}: the mesh holds NaN or infinite values")
        if np.issubdtype(samples.dtype, np.integer):
            samples = samples / np.float32(np.iinfo(samples.dtype).max)
        return measured(
            id=f"{subject}_{sequence}",
            file=name,
            speaker=str(subject),
            licence=licence,
            audio=to_core_rate(samples.astype(np.float32).reshape(-1), rate_hz, name),
            values=solve_weights(self.gram, difference @ self.basis.T).astype(np.float32),
            names=self.names,
            times_s=np.array([frame for frame, _ in rows]) / FRAME_RATE_HZ,
        )

    def reader(self, subject: str, sequence: str) -> Callable[..., Recording]:
        """`read` of one take, with the other corpora's keywords; the speaker is the subject."""

        def read(*, speaker: str = "", licence: str = "") -> Recording:
            return self.read(subject, sequence, licence=licence)

        return read
