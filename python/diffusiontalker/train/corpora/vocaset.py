"""VOCASET: scanned meshes (N, vertices, 3) -> 52 curves, by the user's own blendshapes.

The corpus has no curves. Each frame is solved for the weights of a set of shape deltas that the
user supplies for the corpus's topology (5023 vertices, FLAME's), over a whole take at once:

    min  sum_t 1/2 w_t' B'B w_t + (B'(v0 - v_t))' w_t,   0 <= w <= 1,   |w_t - w_t-1| <= 0.1
"""

from __future__ import annotations

import pickle
import pickletools
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...curves import CURVES, remap
from .audio import to_core_rate
from .recording import BrokenTake, Recording, measured

FRAME_RATE_HZ = 60.0
MAX_STEP = 0.1  # largest change of a weight from one frame to the next

VERTICES = "data_verts.npy"
AUDIO = "raw_audio_fixed.pkl"
TEMPLATES = "templates.pkl"
INDEX = "subj_seq_to_idx.pkl"

FloatArray = NDArray[np.float64]

# The pickles hold dictionaries of NumPy arrays, written by Python 2; nothing else is let in.
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("collections", "OrderedDict"),
    ("_codecs", "encode"),
}


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not let in")
        if module == "numpy.core.multiarray":  # its name before NumPy 2
            import numpy._core.multiarray as multiarray

            return getattr(multiarray, name)
        return super().find_class(module, name)


def unpickle(path: Path) -> Any:
    """A pickle of dictionaries, numbers, strings and NumPy arrays; anything else is refused.

    Raises ValueError with the file and the reason.
    """
    try:
        with path.open("rb") as file:
            _refuse_wide_memo(file)
            file.seek(0)
            return _Restricted(file, encoding="latin1").load()
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
            names = tuple(str(name) for name in arrays["names"])
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
