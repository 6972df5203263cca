"""`dt-stream doctor`: what is installed, what is missing, and what to do about it."""

from __future__ import annotations

import ctypes.util
import platform
import socket
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import msgpack
import zmq

from ... import BundleError, Runtime, _core
from ... import bundle as bundles
from ...sound import SoundError, containers
from ...tensorrt import engines
from .. import StreamError
from ..outputs.endpoint import DEFAULT_ENDPOINT
from ..sources import microphone


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    state: str  #: "ok", "note" (works without it) or "bad" (dt-stream cannot work)
    subject: str
    text: str


def show(bundle: str | None) -> int:
    """Prints a line a finding; returns the exit code."""
    findings = examine(bundle)
    width = max(len(f.subject) for f in findings)
    for f in findings:
        print(f"{f.state:4s}  {f.subject:{width}s}  {f.text}")
    return 1 if any(f.state == "bad" for f in findings) else 0


def examine(bundle: str | Path | None) -> list[Finding]:
    """Looks at everything that dt-stream uses; never raises for what it finds."""
    return [
        _package(),
        _kernel(),
        *_model(bundle),
        *_sound_input(),
        _more_files(),
        _page(),
        _films(),
        Finding(
            "ok", "ZeroMQ",
            f"libzmq {zmq.zmq_version()}, pyzmq {zmq.pyzmq_version()}, "
            f"msgpack {'.'.join(map(str, msgpack.version))}",
        ),
        _port(),
        *_gpu(bundle),
    ]  # fmt: skip


def _more_files() -> Finding:
    try:
        version = containers.load().__version__
    except SoundError as error:
        return Finding("note", "sound files", f"no M4A, MP4, WEBM, WMA, AMR: {error}")
    return Finding("ok", "sound files", f"M4A, MP4, WEBM and others too, by PyAV {version}")


def _page() -> Finding:
    from ...preview import link

    missing = link.missing()
    if missing:
        return Finding(
            "note", "page", f"no --preview: {', '.join(missing)} missing; {link.INSTALL}"
        )
    return Finding("ok", "page", f"--preview, by NiceGUI {metadata.version('nicegui')}")


def _films() -> Finding:
    from ... import film

    try:
        film.ready()
    except film.FilmError as error:
        return Finding("note", "films", f"no --film: {error}")
    return Finding("ok", "films", "--film writes MP4, drawn on the CPU")


def _package() -> Finding:
    try:
        version = metadata.version("diffusiontalker")
    except metadata.PackageNotFoundError:
        version = "(not installed, run from its sources)"
    return Finding(
        "ok", "package",
        f"diffusiontalker {version}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}",
    )  # fmt: skip


def _kernel() -> Finding:
    info = _core.cpu_info()
    return Finding(
        "ok", "CPU backend",
        f"{info['kernel']} kernel (this machine can run: {', '.join(info['available'])})",
    )  # fmt: skip


def _model(bundle: str | Path | None) -> list[Finding]:
    try:
        runtime = Runtime(bundle)
    except (BundleError, ValueError) as error:
        return [Finding("bad", "model", f"{error}; reinstall the package or name another --bundle")]
    names = runtime.identities
    listed = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return [
        Finding(
            "ok", "model",
            f"{runtime.bundle.name!r} at {runtime.bundle.path}: {float(runtime.frame_rate):g} fps, "
            f"look-ahead {runtime.lookahead_ms:.1f} ms",
        ),
        Finding("ok", "identities", listed),
    ]  # fmt: skip


def _sound_input() -> list[Finding]:
    try:
        sounddevice = microphone.load_portaudio()
        devices = microphone.list_devices()
    except StreamError as error:
        return [Finding("note", "microphone", f"{error}; --wav and --demo work without")]
    version = sounddevice.get_portaudio_version()[1].split(",")[0]
    library = Finding("ok", "PortAudio", f"{version}, sounddevice {sounddevice.__version__}")
    if not devices:
        return [library, Finding("note", "microphone", "no input device; --wav and --demo work")]
    default = next((d for d in devices if d.default), devices[0])
    return [
        library,
        Finding(
            "ok", "microphone",
            f"{len(devices)} inputs, the default is {default.index} {default.name!r} "
            "(all: dt-stream devices)",
        ),
    ]  # fmt: skip


def _port() -> Finding:
    host, _, port = DEFAULT_ENDPOINT.removeprefix("tcp://").rpartition(":")
    with socket.socket() as probe:
        # As ZeroMQ binds: a port whose last connections are still winding down counts as free.
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError:
            return Finding(
                "note", "port", f"{DEFAULT_ENDPOINT} is in use; choose another with --bind"
            )
    return Finding("ok", "port", f"{DEFAULT_ENDPOINT} is free")


def _gpu(bundle: str | Path | None) -> list[Finding]:
    driver = ctypes.util.find_library("nvcuda" if sys.platform == "win32" else "cuda")
    found = f"driver library {driver}" if driver else "no driver on this machine"
    return [
        Finding("note", "CUDA", f"{found}; only the TensorRT backend uses it"),
        *_tensorrt(bundle),
    ]


_GRAPHS = {"talker": "the whole path", "sampler": "the sampler alone"}


def _tensorrt(bundle: str | Path | None) -> list[Finding]:
    """The backend, its GPU and library, and the bundle's engines."""
    if not engines.plugin_path():
        return [
            Finding(
                "note", "TensorRT",
                "TensorRT backend: not built; build with TENSORRT_ROOT (docs/tensorrt.md)",
            )
        ]  # fmt: skip
    try:
        findings = [Finding("ok", "TensorRT", engines.probe())]
    except engines.BackendError as error:
        findings = [Finding("note", "TensorRT", str(error))]
    try:
        found = engines.find(bundles.read(bundle))
    except ValueError as error:
        return [*findings, Finding("note", "engines", str(error))]
    return [
        *findings,
        *(
            Finding(
                "ok", "engine",
                f"{_GRAPHS.get(e.graph, e.graph)}, {e.frames} frame(s), up to {e.streams} "
                f"voice(s), {e.precision}, compute capability {', '.join(e.capabilities)}: "
                f"{e.path}",
            )
            for e in found
        ),
    ]  # fmt: skip
