"""The C library (cpp/capi/dt.h) by ctypes: the one that `poe cpp` has built, or DT_C_LIBRARY."""

from __future__ import annotations

import ctypes as c
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from paths import ROOT

FloatArray = NDArray[np.float32]
OK, INVALID, BAD_BUNDLE, NEWER = 0, 1, 4, 5


class Error(c.Structure):
    _fields_ = [("code", c.c_int32), ("text", c.c_char * 1024)]


class Options(c.Structure):
    _fields_ = [
        ("struct_size", c.c_uint32),
        ("sample_rate_hz", c.c_int32),
        ("seed", c.c_uint64),
        ("identity", c.c_char_p),
        ("idle", c.c_double),
        ("head", c.c_int32),
        ("streams", c.c_int32),
        ("threads", c.c_int32),
        ("reserved", c.c_int32),
        ("seeds", c.POINTER(c.c_uint64)),
        ("identities", c.POINTER(c.c_char_p)),
        ("precision", c.c_char_p),
        ("kernels", c.c_char_p),
    ]


class Info(c.Structure):
    _fields_ = [
        ("struct_size", c.c_uint32),
        ("sample_rate_hz", c.c_int32),
        ("width", c.c_int32),
        ("streams", c.c_int32),
        ("frame_rate_num", c.c_int32),
        ("frame_rate_den", c.c_int32),
        ("lookahead_samples", c.c_int32),
        ("threads", c.c_int32),
        ("lookahead_ms", c.c_double),
        ("kernels", c.c_char_p),
        ("precision", c.c_char_p),
    ]


class Entry(c.Structure):
    _fields_ = [("name", c.c_char_p), ("value", c.c_double)]


class Settings(c.Structure):
    _fields_ = [
        ("struct_size", c.c_uint32),
        ("given", c.c_uint32),
        ("gain", c.POINTER(Entry)),
        ("gains", c.c_size_t),
        ("offset", c.POINTER(Entry)),
        ("offsets", c.c_size_t),
        ("strength_lower", c.c_double),
        ("strength_upper", c.c_double),
        ("smooth_ms", c.c_double),
    ]


class Refused(Exception):
    def __init__(self, error: Error) -> None:
        super().__init__(error.text.decode())
        self.code = error.code


def built(name: str) -> Path:
    """A file of the build. Without it the test is skipped, and in CI it fails."""
    given = os.environ.get("DT_C_LIBRARY")
    folder = Path(given).parent if given else ROOT / "build" / "dev"
    path = folder / name
    if not path.exists():
        words = f"{path} is not built: `poe cpp`, or set DT_C_LIBRARY"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(words)
    return path


def load() -> c.CDLL:
    return c.CDLL(str(built("libdiffusiontalker.so")))


class Face:
    """A runtime of one voice by the C library."""

    def __init__(self, library: c.CDLL, path: Path, **options: object) -> None:
        self._library = library
        self._bundle, self._runtime = c.c_void_p(), c.c_void_p()
        self._call("dt_bundle_open", str(path).encode(), c.byref(self._bundle))
        given = Options()
        library.dt_options_init(c.byref(given))
        for name, value in options.items():
            setattr(given, name, value)
        self._call("dt_create", self._bundle, c.byref(given), c.byref(self._runtime))
        self.info = Info(struct_size=c.sizeof(Info))
        self._call("dt_runtime_get_info", self._runtime, c.byref(self.info))

    def _call(self, name: str, *arguments: object) -> None:
        error = Error()
        if getattr(self._library, name)(*arguments, c.byref(error)) != OK:
            self.close()
            raise Refused(error)

    def names(self) -> tuple[str, ...]:
        name = self._library.dt_value_name
        name.restype = c.c_char_p
        return tuple(name(self._runtime, i).decode() for i in range(self.info.width))

    def step(self, samples: FloatArray) -> FloatArray:
        due, written = c.c_size_t(), c.c_size_t()
        count = c.c_size_t(samples.size)
        self._call("dt_frames_due", self._runtime, 0, count, c.byref(due))
        frames = np.empty((due.value, self.info.width), np.float32)
        self._call(
            "dt_step", self._runtime, _pointer(samples), count, _pointer(frames), due,
            c.byref(written),
        )  # fmt: skip
        assert written.value == due.value
        return frames

    def flush(self) -> FloatArray:
        owed = c.c_size_t()
        self._call("dt_frames_owed", self._runtime, 0, c.byref(owed))
        frames = np.empty((owed.value, self.info.width), np.float32)
        self._call("dt_flush", self._runtime, _pointer(frames), owed, None)
        return frames

    def run(self, samples: FloatArray, sizes: Sequence[int] = ()) -> FloatArray:
        frames, at = [], 0
        for size in (*sizes, samples.size):
            frames.append(self.step(samples[at : at + size]))
            at += size
        return np.concatenate([*frames, self.flush()])

    def reset(self) -> None:
        self._call("dt_reset", self._runtime, -1)

    def set(self, gain: Mapping[str, float], offset: Mapping[str, float], **numbers: float) -> None:
        given = Settings(struct_size=c.sizeof(Settings), given=31, **numbers)
        gains, offsets = _entries(gain), _entries(offset)
        given.gain, given.gains = gains, len(gain)
        given.offset, given.offsets = offsets, len(offset)
        self._call("dt_set", self._runtime, -1, c.byref(given))

    def close(self) -> None:
        self._library.dt_destroy(c.byref(self._runtime))
        self._library.dt_bundle_close(c.byref(self._bundle))
        assert not self._runtime.value
        assert not self._bundle.value


def _pointer(array: FloatArray) -> c.c_void_p:
    return c.c_void_p(array.ctypes.data)


def _entries(numbers: Mapping[str, float]) -> c.Array[Entry]:
    entries = [Entry(name.encode(), value) for name, value in numbers.items()]
    return (Entry * max(len(entries), 1))(*entries)
