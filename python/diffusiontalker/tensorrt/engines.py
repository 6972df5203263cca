"""TensorRT engines on disk, and the choice of a backend: which engine fits, or what is missing.

An engine is a file with a sidecar of the same name that ends in .json and says what it is: model,
library, version, compute capabilities, shapes. Engines lie in `engines/` in the bundle's folder,
where `dt-train export --tensorrt` puts them; DT_TENSORRT_ENGINES names another folder. Nothing here
imports TensorRT. The table of environment variables is in docs/tensorrt.md.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .. import _core
from ..bundle import Bundle

FORMAT = "diffusiontalker-engine"
FORMAT_VERSION = 1
BACKENDS = ("auto", "cpu", "tensorrt")
_TITLES = {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT for RTX"}

_told: set[str] = set()


class BackendError(ValueError):
    """A backend that cannot be used here; the message says what is missing and how to get it."""


@dataclass(frozen=True)
class Engine:
    """What a sidecar says of its engine."""

    path: Path
    graph: str  #: "talker" (the whole path), "sampler" or "encoder"
    frames: int  #: frames a launch; for the encoder, the most columns
    streams: int  #: most voices a launch
    precision: str  #: "float32", "float16", "int8" or "fp8"
    model: str  #: name of the bundle
    model_hash: str
    library: str  #: "tensorrt" or "tensorrt_rtx"
    library_version: str
    capabilities: tuple[str, ...]  #: compute capabilities that it runs on, such as "8.9"
    bytes: int
    sha256: str

    def sidecar(self) -> dict[str, Any]:
        """The sidecar's contents."""
        fields = asdict(self)
        del fields["path"]
        return {"format": FORMAT, "format_version": FORMAT_VERSION, **fields,
                "capabilities": list(self.capabilities)}  # fmt: skip


def model_hash(bundle: Bundle, graph: str = "sampler") -> str:
    """Digest of all that a graph is made from: weights, shapes and noise schedule; of the whole
    path, frame rate and identities too."""
    m = bundle.manifest
    sampling = {key: m["diffusion"][key] for key in ("train_steps", "sample_steps", "alpha_bar")}
    parts = [bundle.sha256, m["encoder"], m["decoder"], sampling]
    if graph == "talker":
        parts += [m["frame_rate"], m["identities"]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def engine_folder(bundle: Bundle) -> Path:
    """Where the bundle's engines are looked for."""
    return Path(os.environ.get("DT_TENSORRT_ENGINES") or bundle.path / "engines")


def file_stem(
    graph: str,
    frames: int,
    streams: int,
    precision: str,
    digest: str,
    library: str,
    version: str,
    capabilities: Iterable[str],
) -> str:
    """Name of an engine without its ending. Everything that makes it another engine is in it."""
    sms = "-".join("sm" + c.replace(".", "") for c in capabilities)
    return f"{graph}-{frames}x{streams}-{precision}-{digest[:12]}-{library}-{version}-{sms}"


def read(sidecar: Path, *, check_contents: bool = True) -> Engine:
    """Reads a sidecar and checks it against its engine's file. Raises BackendError."""
    path = sidecar.with_suffix(".engine")
    remedy = "; run dt-train export --tensorrt again"
    try:
        m = json.loads(sidecar.read_text(encoding="utf-8"))
        if m["format"] != FORMAT or m["format_version"] != FORMAT_VERSION:
            raise BackendError(
                f"engine {sidecar}: expected {FORMAT} version {FORMAT_VERSION}, got "
                f"{m['format']!r} version {m['format_version']!r}{remedy}"
            )
        engine = Engine(
            path=path,
            graph=str(m["graph"]),
            frames=int(m["frames"]),
            streams=int(m["streams"]),
            precision=str(m["precision"]),
            model=str(m["model"]),
            model_hash=str(m["model_hash"]),
            library=str(m["library"]),
            library_version=str(m["library_version"]),
            capabilities=tuple(str(c) for c in m["capabilities"]),
            bytes=int(m["bytes"]),
            sha256=str(m["sha256"]),
        )
    except OSError as error:
        raise BackendError(f"engine {sidecar}: {error.strerror}{remedy}") from None
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, BackendError):
            raise
        raise BackendError(f"engine {sidecar}: no usable sidecar: {error!r}{remedy}") from None
    size = path.stat().st_size if path.is_file() else 0
    if size != engine.bytes:
        raise BackendError(
            f"engine {path}: expected {engine.bytes} bytes, got {size}: cut short or lost{remedy}"
        )
    if check_contents and hashlib.sha256(path.read_bytes()).hexdigest() != engine.sha256:
        raise BackendError(f"engine {path}: its contents are not those of its sidecar{remedy}")
    return engine


def find(
    bundle: Bundle, folder: Path | None = None, *, streams: int = 1, graph: str | None = None
) -> list[Engine]:
    """This bundle's engines for `streams` voices a launch, those for the fewest voices first.

    Of the whole path, or where there is none of it, of the sampler; or of `graph` alone. Raises
    BackendError where there are none.
    """
    folder = folder or engine_folder(bundle)
    precision = os.environ.get("DT_TENSORRT_PRECISION") or "float32"
    others: list[str] = []
    for kind in (graph,) if graph else ("talker", "sampler"):
        digest = model_hash(bundle, kind)
        fitting: list[Engine] = []
        for sidecar in sorted(folder.glob(f"{kind}-*.json")):
            engine = read(sidecar)
            if engine.model_hash != digest:
                others.append(f"of another model ({engine.model}, {engine.model_hash[:12]})")
            elif engine.precision != precision:
                others.append(f"in {engine.precision}")
            elif kind == "talker" and engine.streams < streams:
                others.append(f"for at most {engine.streams} voices a launch")
            else:
                fitting.append(engine)
        if any(e.frames == 1 for e in fitting):
            return sorted(fitting, key=lambda e: (e.streams, str(e.path)))
    found = f"; there are engines {', '.join(sorted(set(others)))}" if others else ""
    more = f" --streams {streams}" if streams > 1 else ""
    digest = model_hash(bundle, graph or "talker")
    raise BackendError(
        f"no TensorRT engine of {bundle.name!r} ({digest[:12]}, {precision}) in "
        f"{folder}{found}; run dt-train export {bundle.path} --tensorrt{more}"
    )


def plugin_path() -> str:
    """File of the TensorRT backend, "" where the package was built without it."""
    if named := os.environ.get("DT_TENSORRT_PLUGIN"):
        return named
    name = "dt_tensorrt.dll" if sys.platform == "win32" else "libdt_tensorrt.so"
    path = Path(_core.__file__).with_name(name)
    return str(path) if path.is_file() else ""


def library() -> str:
    """The library that the backend was built for: "tensorrt" or "tensorrt_rtx".

    Raises BackendError where there is no backend.
    """
    try:
        return _core.tensorrt_library(plugin_path())
    except RuntimeError as error:
        raise BackendError(str(error)) from None


def library_path() -> str:
    """The file of that library in an installed wheel, "" to leave it to the system's search."""
    if named := os.environ.get("DT_TENSORRT_LIBRARY"):
        return named
    if not plugin_path():
        return ""
    package = library()
    stem = {"tensorrt_rtx": "tensorrt_rtx", "tensorrt": "nvinfer"}[package]
    spec = importlib.util.find_spec(f"{package}_libs")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for pattern in (f"lib{stem}.so.*", f"{stem}_*.dll"):
            if files := sorted(Path(folder).glob(pattern)):
                return str(files[0])
    return ""


def probe() -> str:
    """The GPU and the library that the backend would use. Raises BackendError with a remedy."""
    try:
        return _core.probe_tensorrt(plugin_path(), library_path())
    except RuntimeError as error:
        raise BackendError(str(error)) from None


def options(
    bundle: Bundle, *, frames: Sequence[int] = (1,), streams: int = 1, graph: str | None = None
) -> dict[str, Any]:
    """What `_core` wants for the TensorRT backend. Raises BackendError with a remedy.

    Args:
        streams: voices a launch.
        graph: see `find`.
        frames: engines to use, by their frames a launch. One frame a launch keeps streaming exact
            to the bit: every frame comes out of the same engine, however the audio is cut.
    """
    # What is missing is asked for in the order in which a user would get it.
    probe()
    own = library()
    every = find(bundle, streams=streams, graph=graph)
    found = [e for e in every if e.frames in frames]
    fitting = [e for e in found if e.library == own]
    if not any(e.frames == 1 for e in fitting):
        option = " --rtx" if own == "tensorrt_rtx" else ""
        raise BackendError(
            f"the engines of {bundle.name!r} in {engine_folder(bundle)} are for "
            f"{_TITLES.get(found[0].library, found[0].library)}, and the backend was built for "
            f"{_TITLES[own]}; run dt-train export {bundle.path} --tensorrt{option}"
        )
    return core_options(fitting)


def core_options(chosen: Sequence[Engine]) -> dict[str, Any]:
    """`_core`'s options for these engines; it takes those that fit the GPU and the library."""
    return {
        "plugin": plugin_path(),
        "library": library_path(),
        "engines": [
            {
                "path": str(e.path),
                "graph": "talker" if e.graph == "talker" else "sampler",
                "precision": e.precision,
                "frames": e.frames,
                "library_version": e.library_version,
                "capabilities": [int(c.replace(".", "")) for c in e.capabilities],
            }
            for e in chosen
        ],
    }


def choose(backend: str, bundle: Bundle, streams: int = 1) -> tuple[str, dict[str, Any], str]:
    """(name, options for `_core`, why the CPU was taken) for what a caller asked for.

    `streams` is the number of voices a launch.

    "auto" takes TensorRT where it can be used and the CPU elsewhere, and says so once a process
    through the logger "diffusiontalker". Raises BackendError.
    """
    if backend not in BACKENDS:
        raise BackendError(f"backend: expected {', '.join(BACKENDS)}, got {backend!r}")
    if backend == "cpu":
        return "cpu", {}, ""
    try:
        return "tensorrt", options(bundle, streams=streams), ""
    except BackendError as error:
        if backend == "tensorrt":
            raise
        return "cpu", {}, str(error)


def tell_once(reason: str) -> None:
    """Says that "auto" took the CPU; the same reason is not repeated in this process."""
    import logging

    if reason not in _told:
        _told.add(reason)
        logging.getLogger("diffusiontalker").warning("backend auto: using the CPU: %s", reason)
