"""The whole path, log-mel columns to curves: parity, and a tick of N voices timed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from report import FLOAT32_TOLERANCE, HALF_TOLERANCE, Report, time_calls
from torch_graph import GraphInTorch, Values

from diffusiontalker import CURVES, Runtime, _core
from diffusiontalker.bundle import Bundle
from diffusiontalker.curves import LIPS, indices
from diffusiontalker.tensorrt import build as tensorrt_build
from diffusiontalker.tensorrt import calibration, engines, graphs

Arrays = dict[str, np.ndarray]
#: Takes a launch's inputs, states among them, and gives its outputs.
Launch = Callable[[Arrays], Arrays]
ALL = (*graphs.PRECISIONS, *graphs.EIGHT_BITS)


def bare(source: Bundle) -> Bundle:
    """Always voiced, without post-processing: what is left is what the graph computes."""
    manifest = {
        **source.manifest,
        "gate": {"threshold_minimum_db": -150.0, "threshold_maximum_db": -140.0, "attack_ms": 0.0},
        "postprocess": {name: {"minimum": -1000.0, "maximum": 1000.0} for name in CURVES},
    }
    return Bundle(source.path, manifest, source.tensors)


def busy(bundle: Bundle, streams: int, precision: str) -> Arrays:
    """The inputs of a launch in which every voice has all the columns it may, and a frame."""
    inputs = graphs.quiet(bundle, streams, precision)
    rng = np.random.default_rng(0)
    for name in ("mel", "noise"):
        inputs[name] = rng.standard_normal(inputs[name].shape, np.float32)
    inputs["columns"][:] = graphs.room(bundle)
    inputs["share"][:] = 0.5
    for name in ("frame", "sampled", "voiced", "follow"):
        inputs[name][:] = 1
    return inputs


def speech() -> np.ndarray:
    """The demo clip, or where it cannot be read, a tone that comes and goes."""
    try:
        return calibration.demo_speech()
    except engines.BackendError:
        t = np.arange(4 * 16000) / 16000
        loud = np.clip(np.sin(2 * np.pi * 1.7 * t), 0, None)
        return (0.3 * loud * np.sign(np.sin(2 * np.pi * 120 * t))).astype(np.float32)


def able_to_calibrate(report: Report) -> tuple[str, ...]:
    """The precisions that graphs can be written in here."""
    try:
        calibration.demo_speech()
    except engines.BackendError as error:
        report.say(f"- int8, fp8: not measured: {error}")
        return tuple(graphs.PRECISIONS)
    return ALL


def drive(
    bundle: Bundle, launch: Launch, audio: np.ndarray, frames: int, precision: str,
    streams: int = 1, others: bool = False,
) -> np.ndarray:  # fmt: skip
    """Curves of voice 0's frames; `others`: the other voices take part too."""
    inputs = graphs.quiet(bundle, streams, precision)
    mel, _ = _core.log_mel(np.concatenate([audio, np.zeros(16000, np.float32)]))
    got = []
    active = slice(0, streams if others else 1)
    for tick in graphs.ticks(bundle, frames):
        graphs.bring(inputs, active, tick, mel, None, bundle.default_identity)
        if tick.frame is not None:
            inputs["noise"][active] = _core.noise(1, tick.frame, 1) * bundle.noise_scale()
        out = launch(inputs)
        for name in [n for n in out if n.startswith("next_")]:
            inputs[name.removeprefix("next_")] = out[name]
        if tick.frame is not None:
            got.append(out["curves"][0, 0])
    return np.array(got)


def in_torch(graph: GraphInTorch, device: str) -> Launch:
    def launch(inputs: Arrays) -> Arrays:
        on_device = {n: torch.from_numpy(np.ascontiguousarray(a)).to(device)
                     for n, a in inputs.items()}  # fmt: skip
        return {n: v.cpu().numpy() for n, v in graph(on_device).items()}

    return launch


def parity(
    report: Report, bundle: Bundle, launches: dict[str, Launch], frames: int, where: str, gpu: bool
) -> None:
    """Of each precision's launch: against the CPU in float32 bounded, in integers without a
    bound; and a voice among others against the same voice alone."""
    plain = bare(bundle)
    audio = speech()[: int(frames / float(bundle.frame_rate) * 16000)]
    expected = {}
    for kind in ("float32", "int8"):
        rt = Runtime(plain, seed=1, idle=0, precision=kind)
        expected[kind] = np.concatenate([rt.step(audio), rt.flush()])[:frames]
    lips = indices(LIPS)
    for precision, launch in launches.items():
        got = drive(plain, launch, audio, frames, precision)
        difference = got - expected["float32"]
        error = float(np.abs(difference).max())
        if precision in ("float32", "float16"):
            limit = FLOAT32_TOLERANCE if precision == "float32" else HALF_TOLERANCE
            report.check(f"{where}, {precision}, {frames} frames, against the CPU", error, limit)
        else:
            lbe = float(np.linalg.norm(difference[:, lips], axis=1).mean())
            what = f"{where}, {precision}, {frames} frames, against the CPU in float32"
            report.tell(what, largest_difference=error, LBE=lbe)
        difference = got - expected["int8"]
        report.tell(
            f"{where}, {precision}, against the CPU's integers",
            largest_difference=float(np.abs(difference).max()),
            LBE=float(np.linalg.norm(difference[:, lips], axis=1).mean()),
        )
        if precision in graphs.EIGHT_BITS and not gpu:
            continue  # a CPU turns the weights into floats again at each launch
        few = min(frames, 12)
        alone, among = (drive(plain, launch, audio, few, precision, 4, o) for o in (False, True))
        report.check(
            f"{where}, {precision}, a voice among four against it alone",
            float(np.abs(alone - among).max()), 0.0,
        )  # fmt: skip


# ---- PyTorch -------------------------------------------------------------------------------------


class TickInTorch:
    """A tick of N voices in PyTorch: columns from pinned memory, curves back to it."""

    def __init__(self, graph: Any, inputs: Arrays, outputs: list[str], device: str) -> None:
        self._graph, self._outputs, self._device = graph, outputs, device
        self._gpu = device == "cuda"
        states = {n.removeprefix("next_") for n in outputs if n.startswith("next_")}
        self._host = {n: self._pinned(torch.from_numpy(a)) for n, a in inputs.items()
                      if n not in states}  # fmt: skip
        # States are zeros: gigabytes of them are not carried over.
        self._inputs: Values = {
            n: torch.zeros(a.shape, dtype=torch.from_numpy(a[:0]).dtype, device=device)
            for n, a in inputs.items()
        }
        self._back = ["curves", "identity_row", "identity_scores"]
        self._results: Values = {}
        self._captured: torch.cuda.CUDAGraph | None = None

    def _pinned(self, x: torch.Tensor) -> torch.Tensor:
        return x.pin_memory() if self._gpu else x

    def _once(self) -> None:
        for name, value in self._host.items():
            self._inputs[name].copy_(value, non_blocking=True)
        out = self._graph(self._inputs)
        for name in self._back:
            if name not in self._results:
                self._results[name] = self._pinned(torch.empty_like(out[name], device="cpu"))
            self._results[name].copy_(out[name], non_blocking=True)

    def capture(self) -> None:
        """As a CUDA graph. The states that it leaves are not read again, as if two buffers changed
        roles: what a launch reads and writes is the same."""
        torch.cuda.synchronize()
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            self._once()
        side.synchronize()
        self._captured = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._captured):
            self._once()

    def __call__(self) -> None:
        if self._captured is not None:
            self._captured.replay()
        else:
            self._once()
        if self._gpu:
            torch.cuda.synchronize()


def torch_rows(
    report: Report, bundle: Bundle, device: str, sizes: list[int], seconds: float, frames: int
) -> None:
    gpu = device == "cuda"
    report.section(f"Whole path: the exported graph in PyTorch {torch.__version__} on {device}")
    made = {p: GraphInTorch(graphs.talker_graph(bundle, p), device) for p in graphs.PRECISIONS}
    with torch.no_grad():
        launches = {p: in_torch(g, device) for p, g in made.items()}
        parity(report, bundle, launches, frames, "PyTorch", gpu)
        report.say()
        report.head()
        for streams in sizes:
            for precision, graph in made.items():
                inputs = busy(bundle, streams, precision)
                outputs = [p.name for p in graphs.talker_ports(bundle, precision)[1]]
                what = f"{precision}, PyTorch"

                def eager(graph: Any = graph, inputs: Arrays = inputs,
                          outputs: list[str] = outputs) -> TickInTorch:  # fmt: skip
                    return TickInTorch(graph, inputs, outputs, device)

                def captured(eager: Any = eager) -> TickInTorch:
                    tick: TickInTorch = eager()
                    tick.capture()
                    return tick

                if streams == sizes[0] or not gpu:
                    report.measure(f"{what}, eager", streams, eager, seconds)
                if gpu:
                    report.measure(f"{what}, CUDA graph", streams, captured, seconds)
                    torch.cuda.empty_cache()


def compile_rows(
    report: Report, bundle: Bundle, device: str, sizes: list[int], seconds: float
) -> None:
    """torch.compile with CUDA graphs; it may take minutes to compile, so it comes late."""
    report.section("Whole path: torch.compile, CUDA graphs")
    report.head()
    for streams in sizes:
        for precision in graphs.PRECISIONS:

            def prepare(precision: str = precision, streams: int = streams) -> TickInTorch:
                graph = GraphInTorch(graphs.talker_graph(bundle, precision), device)
                outputs = [p.name for p in graphs.talker_ports(bundle, precision)[1]]
                fast = torch.compile(graph, mode="reduce-overhead", dynamic=False)
                return TickInTorch(fast, busy(bundle, streams, precision), outputs, device)

            with torch.no_grad():
                report.measure(f"{precision}, torch.compile", streams, prepare, seconds)


# ---- ONNX Runtime --------------------------------------------------------------------------------


def onnx_runtime_rows(
    report: Report, bundle: Bundle, sizes: list[int], seconds: float, frames: int
) -> None:
    try:
        import onnxruntime as ort
    except ImportError as error:
        report.say(f"\nONNX Runtime was not measured: {error}.")
        return
    gpu = "CUDAExecutionProvider" in ort.get_available_providers()
    provider, place = ("CUDAExecutionProvider", "cuda") if gpu else ("CPUExecutionProvider", "cpu")
    report.section(f"Whole path: ONNX Runtime {ort.__version__}, {provider}")

    def session(precision: str) -> Any:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        model = graphs.talker_graph(bundle, precision).SerializeToString()
        return ort.InferenceSession(model, options, providers=[provider])

    def plain(made: Any) -> Launch:
        names = [o.name for o in made.get_outputs()]
        return lambda inputs: dict(zip(names, made.run(names, inputs), strict=True))

    sessions = {p: session(p) for p in able_to_calibrate(report)}
    if not gpu:  # a processor that stands beside a GPU is not what is asked for
        sizes = [n for n in sizes if n <= 4]
        frames = min(frames, 20) if torch.cuda.is_available() else frames
    launches = {p: plain(s) for p, s in sessions.items()}
    parity(report, bundle, launches, frames, "ONNX Runtime", gpu)
    report.say()
    report.head()
    for streams in sizes:
        for precision, made in sessions.items():
            if precision in graphs.EIGHT_BITS and not gpu:
                continue

            def prepare(
                made: Any = made, streams: int = streams, precision: str = precision
            ) -> Callable[[], object]:
                """States stay where the provider computes."""
                inputs = busy(bundle, streams, precision)
                binding = made.io_binding()
                outputs = [o.name for o in made.get_outputs()]
                states = [n.removeprefix("next_") for n in outputs if n.startswith("next_")]
                for name in states:
                    value = ort.OrtValue.ortvalue_from_numpy(inputs[name], place, 0)
                    binding.bind_ortvalue_input(name, value)
                for name in outputs:
                    binding.bind_output(name, place if name.startswith("next_") else "cpu")

                def run() -> None:
                    for name, value in inputs.items():
                        if name not in states:
                            binding.bind_cpu_input(name, value)
                    made.run_with_iobinding(binding)

                return run

            report.measure(f"{precision}, ONNX Runtime", streams, prepare, seconds)


# ---- TensorRT, and what stays on the CPU ---------------------------------------------------------


def tensorrt_rows(
    report: Report, bundle: Bundle, folder: Path, rtx: bool, sizes: list[int], seconds: float,
    frames: int, precisions: Sequence[str],
) -> None:  # fmt: skip
    """Raises BackendError where TensorRT cannot be had."""
    title = engines.probe()
    report.section(f"Whole path: {title}")
    os.environ["DT_TENSORRT_ENGINES"] = str(folder)
    able = [p for p in precisions if _builds(report, bundle, folder, rtx, p)]
    audio = 0.1 * np.random.default_rng(2).standard_normal(16000).astype(np.float32)
    expected = Runtime(bundle, seed=1, precision="float32")
    whole = np.concatenate([expected.step(audio), expected.flush()])[:frames]
    limits = {"float32": FLOAT32_TOLERANCE, "float16": HALF_TOLERANCE}
    for precision in able:
        os.environ["DT_TENSORRT_PRECISION"] = precision
        runtime = Runtime(bundle, seed=1, backend="tensorrt")
        got = np.concatenate([runtime.step(audio), runtime.flush()])
        error = float(np.abs(got[:frames] - whole).max())
        what = f"TensorRT, {precision}, the runtime against the CPU's in float32"
        if precision in limits:
            report.check(what, error, limits[precision])
        else:
            report.tell(what, largest_difference=error)
        rng = np.random.default_rng(0)
        for _ in range(3):
            runtime.reset()
            parts, at = [], 0
            while at < len(audio):
                size = int(rng.integers(0, 3000))
                parts.append(runtime.step(audio[at : at + size]))
                at += size
            again = np.concatenate([*parts, runtime.flush()])
            report.check(f"{precision}, other chunks", float(np.abs(again - got).max()), 0.0)
    report.say("\nA launch by itself, copies in; and a step of the runtime, log-mel, curves and "
               f"{os.cpu_count()} threads in:\n")  # fmt: skip
    report.head()
    config = bundle.core_config()
    model = _core.Model(config, bundle.core_tensors(), bundle.identity_features())
    for streams in sizes:
        for precision in able:
            os.environ["DT_TENSORRT_PRECISION"] = precision

            def launch(streams: int = streams, precision: str = precision) -> Callable[[], object]:
                plan = tensorrt_build.Plan(rtx=rtx, precisions=(precision,), streams=streams)
                tensorrt_build.build(bundle, plan, folder)
                options = engines.options(bundle, streams=streams)
                talker = _core.TensorRtTalker(model, options, streams)
                inputs = busy(bundle, streams, precision)
                return lambda: talker.talk(inputs["mel"], inputs["noise"][:, 0])

            def step(streams: int = streams) -> Callable[[], object]:
                threads = min(streams, os.cpu_count() or 1)
                return _stepper(Runtime(bundle, backend="tensorrt", streams=streams,
                                        threads=threads))  # fmt: skip

            if report.measure(f"{precision}, a launch", streams, launch, seconds):
                report.measure(f"{precision}, a step of the runtime", streams, step, seconds)


def _builds(report: Report, bundle: Bundle, folder: Path, rtx: bool, precision: str) -> bool:
    """Whether TensorRT builds the whole path so for this card; not every card has eight bits."""
    try:
        tensorrt_build.build(bundle, tensorrt_build.Plan(rtx=rtx, precisions=(precision,)), folder)
    except engines.BackendError as error:
        if precision not in graphs.EIGHT_BITS:
            raise
        report.say(f"- {precision}: not measured: {error}")
        return False
    return True


def _stepper(runtime: Runtime) -> Callable[[], object]:
    """Steps of a frame's time for all streams."""
    rng = np.random.default_rng(0)
    block = 0.1 * rng.standard_normal(int(16000 / float(runtime.frame_rate))).astype(np.float32)
    chunks = [block] * runtime.streams
    runtime.step([0.1 * rng.standard_normal(1600).astype(np.float32)] * runtime.streams)
    return lambda: runtime.step(chunks)


def cpu_rows(report: Report, bundle: Bundle, seconds: float) -> None:
    """The C++ runtime, and what of it stays on the CPU beside a GPU."""
    report.section(f"Whole path: the CPU ({_core.cpu_info()['kernel']}), one thread")
    report.head()
    for streams in (1, 64):
        for precision in ("int8", "float32"):
            runtime = Runtime(bundle, streams=streams, precision=precision)
            taken = time_calls(_stepper(runtime), seconds)
            report.row(f"{precision}, a step of the runtime", taken, streams)
    config = bundle.core_config()
    model = _core.Model(config, bundle.core_tensors(), bundle.identity_features())
    streams = 64
    voices = _core.Voices(model, [0] * streams, [-1] * streams)
    rng = np.random.default_rng(0)
    block = 0.1 * rng.standard_normal(int(16000 / float(bundle.frame_rate))).astype(np.float32)
    for _ in range(60):
        voices.step([block] * streams)
    a_frame = {n: 1e6 * s / (streams * voices.frames()) for n, s in voices.stage_seconds.items()}
    stays = a_frame["log-mel"] + a_frame["curves"]
    carried = int(1e6 / (stays * float(bundle.frame_rate)))
    report.say(
        "\nOf a frame, in us: " + ", ".join(f"{n} {us:.1f}" for n, us in a_frame.items())
        + f". Log-mel and curves stay on the CPU: {carried} voices a core."
    )  # fmt: skip
    report.add("what stays on the CPU", us_a_frame=a_frame, voices_a_core=carried)


def ahead_of_time(report: Report, bundle: Bundle, folder: Path) -> None:
    """What can be done for GPUs that are not there. Cards of 8.6 have no fp8."""
    report.section("Engines built ahead of time by TensorRT for RTX, not run")
    for precision in ALL:
        capabilities = ("8.9", "12.0") if precision == "fp8" else ("8.6", "8.9", "12.0")
        plan = tensorrt_build.Plan(
            rtx=True, capabilities=capabilities, precisions=(precision,), streams=64
        )
        for built in tensorrt_build.build(bundle, plan, folder / "ahead"):
            e = built.engine
            report.say(
                f"- {e.graph}, {e.precision}, up to {e.streams} voices, compute capability "
                f"{', '.join(e.capabilities)}: {e.bytes / 1e6:.1f} MB in {built.seconds:.1f} s"
            )
            report.add(e.graph, precision=e.precision, bytes=e.bytes, seconds=built.seconds)
