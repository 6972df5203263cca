"""ONNX graphs to TensorRT engines: the one place that imports TensorRT's Python packages.

TensorRT for RTX builds for a list of compute capabilities on a machine without a GPU. TensorRT
itself builds for the GPU that is there. Both get the same graphs, strongly typed: every precision
is the graph's own.
"""

from __future__ import annotations

import ctypes.util
import hashlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from onnx import ModelProto

from ..bundle import Bundle
from ..files import replaced
from . import engines, graphs

#: Most 10 ms columns that the encoder's engine takes at once.
ENCODER_COLUMNS = 64
_INSTALL = {
    "tensorrt": "pip install tensorrt (or pip install '.[tensorrt]' and --rtx)",
    "tensorrt_rtx": "pip install '.[tensorrt]'",
}


@dataclass(frozen=True)
class Plan:
    """Which engines to build."""

    rtx: bool = False  #: TensorRT for RTX in place of TensorRT
    capabilities: tuple[str, ...] = ()  #: such as "8.9"; none means the GPU of this machine
    streams: int = 1  #: most voices a launch
    precisions: tuple[str, ...] = ("float32",)  #: of the whole path also "int8" and "fp8"
    talker: bool = True  #: the whole path, which the runtime takes first
    frames: tuple[int, ...] = ()  #: frames a launch of the sampler alone, an engine each
    loop: bool = False  #: the sampler with GRU nodes, float32: the baseline to measure against
    encoder: bool = False  #: the audio encoder's engine too, which the runtime has no use for

    @property
    def library(self) -> str:
        return "tensorrt_rtx" if self.rtx else "tensorrt"


@dataclass(frozen=True)
class Built:
    """An engine, and whether it was there already."""

    engine: engines.Engine
    cached: bool
    seconds: float


#: Told the engine's name and how far it is, from 0 to 1.
Progress = Callable[[str, float], None]


def build(
    bundle: Bundle, plan: Plan, folder: Path | None = None, progress: Progress = lambda *_: None
) -> list[Built]:
    """Builds what the plan asks for and is not there yet.

    Raises BackendError: a package or a GPU is missing, or TensorRT refuses the graph. Raises
    ValueError for a number of frames or a precision that no graph is made for.
    """
    graphs.check_frames(plan.frames)
    trt = _load(plan)
    version = str(trt.__version__)
    capabilities = plan.capabilities or (_own_capability(),)
    _check_capabilities(trt, plan, capabilities)
    folder = folder or engines.engine_folder(bundle)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise engines.BackendError(
            f"{folder}: {error.strerror}; name another folder with --out and DT_TENSORRT_ENGINES"
        ) from None
    built = []
    for precision in plan.precisions:
        sampler = "sampler_loop" if plan.loop else "sampler"
        wanted = [("talker", 1)] if plan.talker else []
        if precision not in graphs.EIGHT_BITS:  # they are of the whole path alone
            wanted += [("encoder", ENCODER_COLUMNS)] if plan.encoder else []
            wanted += [(sampler, f) for f in plan.frames]
        for graph, frames in wanted:
            digest = engines.model_hash(bundle, graph)
            stem = engines.file_stem(
                graph, frames, plan.streams, precision, digest, plan.library, version, capabilities
            )
            sidecar = folder / f"{stem}.json"
            started = time.monotonic()
            try:
                built.append(Built(engines.read(sidecar), True, 0.0))
                continue
            except engines.BackendError:
                pass  # not there, or damaged: built anew
            name = f"{graph} {frames} {precision}"
            progress(name, 0.0)
            model, inputs = _graph(bundle, graph, frames, precision)
            blob = _build_engine(
                trt,
                model.SerializeToString(),
                precision,
                inputs,
                plan,
                capabilities,
                partial(progress, name),
            )
            engine = engines.Engine(
                path=sidecar.with_suffix(".engine"),
                graph=graph,
                frames=frames,
                streams=plan.streams,
                precision=precision,
                model=bundle.name,
                model_hash=digest,
                library=plan.library,
                library_version=version,
                capabilities=capabilities,
                bytes=len(blob),
                sha256=hashlib.sha256(blob).hexdigest(),
            )
            # The sidecar goes last: a cut between the two leaves no engine that counts as whole.
            with replaced(engine.path) as part:
                part.write_bytes(blob)
            with replaced(sidecar) as part:
                part.write_bytes((json.dumps(engine.sidecar(), indent=1) + "\n").encode())
            progress(name, 1.0)
            built.append(Built(engine, False, time.monotonic() - started))
    return built


def _graph(
    bundle: Bundle, graph: str, frames: int, precision: str
) -> tuple[ModelProto, list[graphs.Port]]:
    """A graph by its name in an engine's file, and its inputs."""
    if graph == "talker":
        return graphs.talker_graph(bundle, precision), graphs.talker_ports(bundle, precision)[0]
    if graph == "encoder":
        return graphs.encoder_graph(bundle, precision), graphs.encoder_ports(bundle)[0]
    inputs = graphs.sampler_ports(bundle, frames)[0]
    if graph == "sampler_loop":
        return graphs.loop_sampler_graph(bundle, frames), inputs
    return graphs.sampler_graph(bundle, frames, precision), inputs


def _load(plan: Plan) -> ModuleType:
    """TensorRT's module. Checked first: without a driver TensorRT itself crashes on building."""
    if not plan.rtx:
        if plan.capabilities:
            raise engines.BackendError(
                "--capability: only TensorRT for RTX builds for GPUs that are not there; add --rtx"
            )
        _own_capability()
    try:
        if not plan.rtx:
            import tensorrt as trt
        else:
            try:
                import tensorrt_rtx as trt
            except ImportError:
                import tensorrt_rtx_bindings as trt
    except (ImportError, OSError) as error:
        raise engines.BackendError(
            f"{'TensorRT for RTX' if plan.rtx else 'TensorRT'} is not installed ({error}); "
            f"{_INSTALL[plan.library]}"
        ) from None
    return trt  # type: ignore[no-any-return]


def _own_capability() -> str:
    """Compute capability of this machine's first GPU, by the driver alone."""
    name = "nvcuda" if sys.platform == "win32" else "cuda"
    found = ctypes.util.find_library(name) or ("nvcuda.dll" if name == "nvcuda" else "libcuda.so.1")
    hint = "; name the GPUs to build for with --rtx --capability, such as 8.6,8.9,12.0"
    try:
        driver = ctypes.CDLL(found)
    except OSError:
        raise engines.BackendError(f"no NVIDIA driver on this machine{hint}") from None
    count, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or count.value < 1:
        raise engines.BackendError(f"no NVIDIA GPU is visible{hint}")
    # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR of the first device.
    driver.cuDeviceGetAttribute(ctypes.byref(major), 75, 0)
    driver.cuDeviceGetAttribute(ctypes.byref(minor), 76, 0)
    return f"{major.value}.{minor.value}"


def _check_capabilities(trt: ModuleType, plan: Plan, capabilities: Sequence[str]) -> None:
    if not plan.rtx:
        return
    known = sorted(
        (f"{int(n[2:-1])}.{n[-1]}" for n in trt.ComputeCapability.__members__ if n[:2] == "SM"),
        key=float,
    )
    for capability in capabilities:
        if capability not in known:
            raise engines.BackendError(
                f"compute capability {capability}: TensorRT for RTX {trt.__version__} builds for "
                f"{', '.join(known)}"
            )


def _build_engine(
    trt: ModuleType,
    model: bytes,
    precision: str,
    inputs: Sequence[graphs.Port],
    plan: Plan,
    capabilities: Sequence[str],
    progress: Callable[[float], None],
) -> bytes:
    complaints: list[str] = []

    class Log(trt.ILogger):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, text: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                complaints.append(text)

    def refuse(what: str) -> engines.BackendError:
        why = f": {complaints[-1]}" if complaints else ""
        return engines.BackendError(f"TensorRT {trt.__version__} {what}{why}")

    log = Log()
    builder = trt.Builder(log)
    # 8.6 must be told that batches are explicit, and has no strong types; 10 has both flags;
    # 11 and TensorRT for RTX know nothing but strong types.
    known = trt.NetworkDefinitionCreationFlag.__members__
    flags = [known[name] for name in ("EXPLICIT_BATCH", "STRONGLY_TYPED") if name in known]
    network = builder.create_network(sum(1 << int(flag) for flag in flags))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(model):
        complaints.extend(str(parser.get_error(i)) for i in range(parser.num_errors))
        raise refuse("cannot read the graph")
    config = builder.create_builder_config()
    # Its ten bits would not hold the tolerance of float32.
    config.clear_flag(trt.BuilderFlag.TF32)
    if "STRONGLY_TYPED" not in known:  # 8.6 must be told what the graph says anyway
        allowed = {"float16": ["FP16"], "int8": ["FP16", "INT8"], "fp8": ["FP16", "FP8"]}
        for name in allowed.get(precision, []):
            if (flag := trt.BuilderFlag.__members__.get(name)) is not None:
                config.set_flag(flag)
    profile = builder.create_optimization_profile()
    limits = {"streams": (1, plan.streams, plan.streams), "columns": (1, 2, ENCODER_COLUMNS)}
    for port in inputs:
        if any(isinstance(size, str) for size in port.shape):
            profile.set_shape(
                port.name,
                *(
                    tuple(limits[s][i] if isinstance(s, str) else s for s in port.shape)
                    for i in range(3)
                ),
            )
    config.add_optimization_profile(profile)
    if plan.rtx:
        config.num_compute_capabilities = len(capabilities)
        for i, capability in enumerate(capabilities):
            sm = "SM" + capability.replace(".", "")
            config.set_compute_capability(trt.ComputeCapability.__members__[sm], i)
    # Held here: the builder calls it while it works. TensorRT 8.6 has no such interface.
    monitor = _monitor(trt, progress) if hasattr(trt, "IProgressMonitor") else None
    if monitor is not None:
        config.progress_monitor = monitor
    blob = builder.build_serialized_network(network, config)
    if blob is None:
        raise refuse("cannot build the engine")
    return bytes(blob)


def _monitor(trt: ModuleType, progress: Callable[[float], None]) -> Any:
    """Follows the outermost phase of a build."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._outermost: tuple[str, int] | None = None

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            if parent is None:
                self._outermost = (name, max(steps, 1))

        def step_complete(self, name: str, step: int) -> bool:
            if self._outermost is not None and name == self._outermost[0]:
                progress(min(1.0, (step + 1) / self._outermost[1]))
            return True

        def phase_finish(self, name: str) -> None:
            pass

    return Monitor()
