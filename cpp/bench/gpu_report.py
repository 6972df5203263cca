"""What an NVIDIA GPU makes of the sampler: parity, latency, throughput, against PyTorch.

    python cpp/bench/gpu_report.py [BUNDLE] [--rtx] [--out report.md] [--seconds 2]

One run on one machine. It builds the engines it needs into a temporary folder, checks parity and
chunk invariance, and prints a table in Markdown with the device's name. What the machine lacks is
said in a sentence and left out: without a GPU the CPU's rows, the parity of the exported graphs
with the C++ runtime and the engines that can be built ahead of time remain; with PyTorch on the GPU
and no TensorRT, the exported graph runs in PyTorch and is labelled so.

Steps below the bundle's own are its weights on a coarser schedule: right for time, not for quality.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnx import ModelProto, TensorProto, numpy_helper

from diffusiontalker import Runtime, _core
from diffusiontalker import bundle as bundles
from diffusiontalker.bundle import Bundle
from diffusiontalker.tensorrt import build as tensorrt_build
from diffusiontalker.tensorrt import engines
from diffusiontalker.tensorrt import graphs as onnx_export
from diffusiontalker.train.networks.bundled import load_talker

FLOAT32_TOLERANCE, FLOAT16_TOLERANCE = 1e-4, 2e-3
BATCHES = (1, 4, 16, 64, 256, 1024, 4096, 16384)
FACE_RATE_HZ = 30  # for "streams a GPU"
RATE_HZ = 16000


# ---- the exported graph in PyTorch ---------------------------------------------------------------


class GraphInTorch:
    """Runs a sampler's ONNX graph with PyTorch's operators, node by node."""

    def __init__(self, model: ModelProto, device: str) -> None:
        self._nodes = model.graph.node
        self._inputs = [i.name for i in model.graph.input]
        self._constants: dict[str, torch.Tensor] = {}
        # Shapes and sizes are read by Python: they stay on the host, where reading costs no wait.
        for initializer in model.graph.initializer:
            value = torch.from_numpy(numpy_helper.to_array(initializer).copy())
            place = "cpu" if value.dtype == torch.int64 else device
            self._constants[initializer.name] = value.to(place)

    def __call__(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        values = {**self._constants, **dict(zip(self._inputs, inputs, strict=True))}
        for node in self._nodes:
            attributes = {a.name: a for a in node.attribute}
            x = [values[name] for name in node.input]
            results = self._apply(node.op_type, x, attributes)
            for name, result in zip(node.output, results, strict=True):
                values[name] = result
        return values["x0"], values["next_state"]

    @staticmethod
    def _apply(kind: str, x: list[torch.Tensor], attributes: dict[str, Any]) -> Any:
        simple: dict[str, Callable[..., torch.Tensor]] = {
            "MatMul": torch.matmul, "Add": torch.add, "Sub": torch.sub, "Mul": torch.mul,
            "Sigmoid": torch.sigmoid, "Tanh": torch.tanh, "Identity": lambda v: v,
        }  # fmt: skip
        if kind in simple:
            return [simple[kind](*x)]
        if kind == "Cast":
            half = attributes["to"].i == TensorProto.FLOAT16
            return [x[0].to(torch.float16 if half else torch.float32)]
        if kind == "Reshape":
            return [x[0].reshape(x[1].tolist())]
        if kind == "Transpose":
            return [x[0].permute(*attributes["perm"].ints)]
        if kind == "Concat":
            return [torch.cat(x, dim=attributes["axis"].i)]
        if kind == "Split":
            return torch.split(x[0], x[1].tolist(), dim=attributes["axis"].i)
        raise NotImplementedError(f"the graph has a {kind} node")


# ---- measuring -----------------------------------------------------------------------------------


class Report:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.failed = False

    def say(self, line: str = "") -> None:
        print(line, flush=True)
        self.lines.append(line)

    def check(self, what: str, error: float, tolerance: float) -> None:
        good = error <= tolerance
        self.failed |= not good
        verdict = "within" if good else "BEYOND"
        self.say(f"- {what}: largest difference {error:.2e}, {verdict} {tolerance:.0e}")


def time_calls(call: Callable[[], object], seconds: float) -> np.ndarray:
    """Seconds of each call, over about `seconds` after a warm-up; at least 20 calls."""
    for _ in range(5):
        call()
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < 20 or time.perf_counter() < end:
        begun = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begun)
    return np.array(taken)


def row(name: str, taken: np.ndarray, frames: float) -> str:
    per_frame = taken / frames
    p50, p99 = np.percentile(taken, [50, 99])
    return (
        f"| {name} | {np.mean(per_frame) / 1e-4:.2f} | {1e3 * p50:.3f} | {1e3 * p99:.3f} | "
        f"{len(taken)} |"
    )


HEADER = [
    "| what | ITF, 1e-4 s a frame | p50 ms a call | p99 ms a call | calls |",
    "|---|---|---|---|---|",
]


def with_steps(bundle: Bundle, steps: int, folder: Path) -> Bundle:
    """The same weights on a schedule of `steps` steps."""
    own = bundle.manifest["diffusion"]
    every = own["sample_steps"] // steps
    diffusion = {
        **own, "sample_steps": steps, "alpha_bar": own["alpha_bar"][every - 1 :: every]
    }  # fmt: skip
    return bundles.write(
        folder / f"steps{steps}", {**bundle.manifest, "diffusion": diffusion}, bundle.tensors
    )


def core_model(bundle: Bundle, precision: str = "int8") -> _core.Model:
    config = bundle.core_config()
    config.precision = precision
    return _core.Model(config, bundle.core_tensors(), bundle.identity_features())


def random_inputs(bundle: Bundle, streams: int, frames: int) -> list[np.ndarray]:
    """audio, identity, noise."""
    rng = np.random.default_rng(0)
    channels = int(bundle.manifest["encoder"]["channels"])
    return [
        rng.standard_normal((streams, frames, width), np.float32)
        for width in (channels, channels, 52)
    ]


def voice(seconds: float) -> np.ndarray:
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    loud = np.clip(np.sin(2 * np.pi * 1.7 * t), 0, None)
    return (0.3 * loud * np.sign(np.sin(2 * np.pi * 120 * t))).astype(np.float32)


# ---- sections ------------------------------------------------------------------------------------


def cpu_rows(report: Report, variants: dict[int, Bundle], seconds: float) -> None:
    report.say(f"\n## CPU backend ({_core.cpu_info()['kernel']}), one thread\n")
    for line in HEADER:
        report.say(line)
    for steps, variant in variants.items():
        sampler = _core.Sampler(core_model(variant))
        inputs = [a[0] for a in random_inputs(variant, 1, 1)]
        call = lambda s=sampler, i=inputs: s.sample(*i)  # noqa: E731
        report.say(row(f"{steps} steps, sampler", time_calls(call, seconds), 1))
    whole = next(iter(variants.values()))
    encoder = _core.Encoder(core_model(whole))
    mel = np.random.default_rng(0).standard_normal((5, 80), np.float32)  # 10 ms a column
    taken = time_calls(lambda: encoder.push(mel), seconds)
    report.say(row("audio encoder, 50 ms of sound", taken, 0.05 * float(whole.frame_rate)))
    carried = int(0.05 / np.mean(taken))
    report.say(f"\nOne core carries the audio encoders of {carried} streams: with every backend "
               "they run on the CPU.")  # fmt: skip
    runtime = Runtime(whole)
    audio = voice(4)
    begun = time.perf_counter()
    frames = len(runtime.step(audio)) + len(runtime.flush())
    took = (time.perf_counter() - begun) / frames / 1e-4
    report.say(f"\nWhole runtime, encoder in, audio at once: ITF {took:.2f}e-4 s a frame.")


def torch_rows(
    report: Report, variants: dict[int, Bundle], device: str, seconds: float, full: bool
) -> None:
    """The exported graph and PyTorch's own GRU, one stream a frame."""

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    report.say(f"\n## PyTorch {torch.__version__} on {device}, one stream, one frame a call\n")
    parity = []
    for line in HEADER:
        report.say(line)
    for steps, variant in variants.items():
        audio, identity, noise = random_inputs(variant, 1, 8)
        table = torch.from_numpy(onnx_export.step_table(variant)).to(device)
        decoder = variant.manifest["decoder"]
        zero = torch.zeros(steps, decoder["layers"], 1, decoder["hidden"], device=device)
        sampler = _core.Sampler(core_model(variant, "float32"))  # as the graphs compute
        expected = sampler.sample(audio[0], identity[0], noise[0])
        for precision in onnx_export.PRECISIONS:
            graph = GraphInTorch(onnx_export.sampler_graph(variant, 1, precision), device)
            x = [torch.from_numpy(a[:, :1]).to(device) for a in (audio, identity, noise)]
            state, got = zero, []
            for f in range(8):
                part = [torch.from_numpy(a[:, f : f + 1]).to(device)
                        for a in (audio, identity, noise)]  # fmt: skip
                x0, state = graph(*part, table, state)
                got.append(x0[0].cpu().numpy())
            std = variant.tensors["statistics.std"]
            error = float(np.abs((np.concatenate(got) - expected) * std).max())
            limit = FLOAT32_TOLERANCE if precision == "float32" else FLOAT16_TOLERANCE
            parity.append((f"exported {precision} graph in PyTorch, {steps} steps", error, limit))

            def run(graph: GraphInTorch = graph, inputs: Any = (*x, table, zero)) -> None:
                graph(*inputs)
                wait()

            label = f"{steps} steps, exported {precision} graph in PyTorch"
            report.say(row(f"{label}, eager", time_calls(run, seconds), 1))
            if device == "cuda":
                captured = torch.cuda.CUDAGraph()
                run()
                with torch.cuda.graph(captured):
                    graph(*x, table, zero)

                def replay(captured: torch.cuda.CUDAGraph = captured) -> None:
                    captured.replay()
                    wait()

                report.say(row(f"{label}, CUDA graph", time_calls(replay, seconds), 1))
            if full and precision == "float32":
                compiled = torch.compile(graph, mode="reduce-overhead")

                def fast(compiled: Any = compiled, inputs: Any = (*x, table, zero)) -> None:
                    compiled(*inputs)
                    wait()

                try:
                    report.say(row(f"{label}, torch.compile", time_calls(fast, seconds), 1))
                except Exception as error:
                    # The compiler wants tools of its own (Triton, a C compiler).
                    report.say(f"\ntorch.compile did not work: {str(error).splitlines()[0]}\n")

        talker = load_talker(variant).to(device)
        every = variant.manifest["diffusion"]["train_steps"] // steps
        rows = [torch.tensor([n * every - 1], device=device) for n in range(steps, 0, -1)]
        a, i, x_t = (torch.from_numpy(v[:, :1]).to(device) for v in (audio, identity, noise))
        states = [torch.zeros(decoder["layers"], 1, decoder["hidden"], device=device)] * steps

        def modules() -> None:
            for s in range(steps):  # noqa: B023
                talker.decoder(a, i[:, 0], rows[s], x_t, states[s])  # noqa: B023
            wait()

        name = "cuDNN's GRU" if device == "cuda" else "torch.nn.GRU"
        report.say(row(f"{steps} steps, {name}", time_calls(modules, seconds), 1))
    report.say("\nParity with the C++ CPU backend, in curves:\n")
    for entry in parity:
        report.check(*entry)


def build(bundle: Bundle, folder: Path, rtx: bool, **plan: Any) -> None:
    os.environ["DT_TENSORRT_ENGINES"] = str(folder)
    tensorrt_build.build(bundle, tensorrt_build.Plan(rtx=rtx, **plan), folder)


def tensorrt_rows(
    report: Report, variants: dict[int, Bundle], folder: Path, rtx: bool, seconds: float
) -> None:
    """Everything that wants the TensorRT backend; raises BackendError where it cannot be had."""
    title = engines.probe()
    report.say(f"\n## {title}\n")
    whole = next(iter(variants.values()))
    for steps, variant in variants.items():
        # Nothing here runs the encoder's engine: one shows that its graph is taken.
        build(variant, folder / str(steps), rtx, frames=(1, 4), precisions=onnx_export.PRECISIONS,
              encoder=variant is whole)  # fmt: skip

    report.say("Parity with the C++ CPU backend, curves of 4 s of voice, and the whole runtime:\n")
    audio = voice(4)
    reference = Runtime(whole, seed=1, precision="float32")
    expected = np.concatenate([reference.step(audio), reference.flush()])
    steps = next(iter(variants))
    os.environ["DT_TENSORRT_ENGINES"] = str(folder / str(steps))
    for precision, limit in (("float32", FLOAT32_TOLERANCE), ("float16", FLOAT16_TOLERANCE)):
        os.environ["DT_TENSORRT_PRECISION"] = precision
        runtime = Runtime(whole, seed=1, backend="tensorrt", precision="float32")
        got = np.concatenate([runtime.step(audio), runtime.flush()])
        error = float(np.abs(got - expected).max())
        report.check(f"{precision}, CPU against TensorRT", error, limit)
        took = runtime.stats.compute_seconds / len(got) / 1e-4
        report.say(f"- {precision}, whole runtime, encoder in float32: ITF {took:.2f}e-4 s a frame")
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

    report.say("\nOne stream:\n")
    for line in HEADER:
        report.say(line)
    for steps, variant in variants.items():
        os.environ["DT_TENSORRT_ENGINES"] = str(folder / str(steps))
        for precision in onnx_export.PRECISIONS:
            os.environ["DT_TENSORRT_PRECISION"] = precision
            for frames in (1, 4):
                options = engines.options(variant, frames=(1, frames))
                sampler = _core.TensorRtSampler(core_model(variant), options, 1)
                inputs = random_inputs(variant, 1, frames)
                taken = time_calls(lambda s=sampler, i=inputs: s.sample(*i), seconds)
                report.say(row(f"{steps} steps, {precision}, {frames} frame(s)", taken, frames))
        loop = tensorrt_build.Plan(rtx=rtx, frames=(1,), loop=True, encoder=False)
        built = [b.engine for b in tensorrt_build.build(variant, loop, folder / str(steps))]
        options = engines.core_options([e for e in built if e.graph == "sampler_loop"])
        sampler = _core.TensorRtSampler(core_model(variant), options, 1)
        inputs = random_inputs(variant, 1, 1)
        taken = time_calls(lambda s=sampler, i=inputs: s.sample(*i), seconds)
        report.say(row(f"{steps} steps, float32, GRU nodes, 1 frame", taken, 1))
    report.say(f"\n{sampler.describe()}")

    report.say(f"\nStreams a GPU at {FACE_RATE_HZ} fps, float32, one frame a launch, copies in, "
               "audio encoders not:\n")  # fmt: skip
    report.say("| streams a launch | p50 ms | p99 ms | streams that p99 would carry |")
    report.say("|---|---|---|---|")
    os.environ["DT_TENSORRT_PRECISION"] = "float32"
    build(whole, folder / "many", rtx, frames=(1,), streams=BATCHES[-1], encoder=False)
    options, model = engines.options(whole), core_model(whole)
    for streams in BATCHES:
        sampler = _core.TensorRtSampler(model, options, streams)
        inputs = random_inputs(whole, streams, 1)
        taken = time_calls(lambda s=sampler, i=inputs: s.sample(*i), seconds)
        p50, p99 = np.percentile(taken, [50, 99])
        carried = int(streams * (1 / FACE_RATE_HZ) / p99)
        report.say(f"| {streams} | {1e3 * p50:.3f} | {1e3 * p99:.3f} | {carried} |")
        if streams == 4:
            alone = _core.TensorRtSampler(model, options, 4)
            sampler.reset()
            both = [sampler.sample(*inputs), alone.sample(*inputs, [True, False, False, False])]
            alone_error = float(np.abs(both[0][0] - both[1][0]).max())
    report.say()
    report.check("a voice among four against the same voice alone", alone_error, 0.0)


def ahead_of_time(report: Report, bundle: Bundle, folder: Path) -> None:
    """What can be done for a GPU that is not there."""
    plan = tensorrt_build.Plan(rtx=True, capabilities=("8.6", "8.9", "12.0"), frames=(1,))
    report.say("\nEngines built ahead of time by TensorRT for RTX, not run:\n")
    for built in tensorrt_build.build(bundle, plan, folder / "ahead"):
        e = built.engine
        report.say(f"- {e.graph}, {e.frames} frame(s), compute capability "
                   f"{', '.join(e.capabilities)}: {e.bytes / 1e6:.1f} MB "
                   f"in {built.seconds:.1f} s")  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description="TensorRT against PyTorch and the CPU, measured.")
    parser.add_argument("bundle", nargs="?", help="bundle folder (default: the embedded model)")
    parser.add_argument("--rtx", action="store_true", help="TensorRT for RTX in place of TensorRT")
    parser.add_argument("--out", help="write the report there as well")
    parser.add_argument("--seconds", type=float, default=2.0, help="time a row (default 2)")
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    # As in the engines: everything called float32 is.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False

    bundle = bundles.read(arguments.bundle)
    report = Report()
    gpu = torch.cuda.is_available()
    device = torch.cuda.get_device_name() if gpu else "no GPU"
    today = datetime.date.today().isoformat()
    report.say(f"# {device}, {today}, {platform.machine()}, model {bundle.name!r}, TF32 off")
    if not gpu:
        report.say("\nPyTorch finds no GPU here: its rows run on the CPU, to show that the script "
                   "and the exported graphs work. They are no result.")  # fmt: skip
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        own = int(bundle.manifest["diffusion"]["sample_steps"])
        counts = [s for s in (8, 4, 2, 1) if s <= own and own % s == 0]
        variants = {s: with_steps(bundle, s, folder) for s in counts}
        cpu_rows(report, variants, arguments.seconds)
        shown = variants if gpu else {counts[0]: variants[counts[0]]}
        torch_rows(report, shown, "cuda" if gpu else "cpu", arguments.seconds, full=gpu)
        try:
            tensorrt_rows(report, variants, folder, arguments.rtx, arguments.seconds)
        except (engines.BackendError, RuntimeError) as error:
            report.say(f"\nTensorRT was not measured: {error}.")
            try:
                ahead_of_time(report, variants[counts[0]], folder)
            except engines.BackendError as missing:
                report.say(f"\nNor were engines built ahead of time: {missing}.")
    if arguments.out:
        Path(arguments.out).write_text("\n".join(report.lines) + "\n", encoding="utf-8")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
