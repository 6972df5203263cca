"""The sampler alone: all steps of a frame, as rows of the paper's table are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from report import FLOAT32_TOLERANCE, HALF_TOLERANCE, Report, time_calls
from torch_graph import GraphInTorch

from diffusiontalker import _core
from diffusiontalker import bundle as bundles
from diffusiontalker.bundle import Bundle
from diffusiontalker.tensorrt import build as tensorrt_build
from diffusiontalker.tensorrt import engines, graphs

NAMES = ("audio", "identity", "noise")


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


def cpu_rows(report: Report, variants: dict[int, Bundle], seconds: float) -> None:
    report.section(f"Sampler alone: the CPU ({_core.cpu_info()['kernel']}), one thread")
    report.head()
    for steps, variant in variants.items():
        sampler = _core.Sampler(core_model(variant))
        inputs = [a[0] for a in random_inputs(variant, 1, 1)]
        call = lambda s=sampler, i=inputs: s.sample(*i)  # noqa: E731
        report.row(f"{steps} steps", time_calls(call, seconds))


def torch_rows(report: Report, variants: dict[int, Bundle], device: str, seconds: float) -> None:
    """The exported graph, and PyTorch's own GRU: one stream, one frame a call."""

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    report.section(f"Sampler alone: PyTorch {torch.__version__} on {device}, one frame a call")
    parity = []
    report.head()
    for steps, variant in variants.items():
        arrays = random_inputs(variant, 1, 8)
        audio, identity, noise = arrays
        decoder = variant.manifest["decoder"]
        zero = torch.zeros(steps, decoder["layers"], 1, decoder["hidden"], device=device)
        fixed = {"step_table": torch.from_numpy(graphs.step_table(variant)).to(device)}
        sampler = _core.Sampler(core_model(variant, "float32"))  # as the graphs compute
        expected = sampler.sample(audio[0], identity[0], noise[0])

        def frame(f: int, arrays: list[np.ndarray] = arrays) -> dict[str, torch.Tensor]:
            return {n: torch.from_numpy(a[:, f : f + 1].copy()).to(device)
                    for n, a in zip(NAMES, arrays, strict=True)}  # fmt: skip

        for precision in graphs.PRECISIONS:
            graph = GraphInTorch(graphs.sampler_graph(variant, 1, precision), device)
            state, got = zero, []
            for f in range(8):
                out = graph({**frame(f), **fixed, "state": state})
                got.append(out["x0"][0].cpu().numpy())
                state = out["next_state"]
            std = variant.tensors["statistics.std"]
            error = float(np.abs((np.concatenate(got) - expected) * std).max())
            limit = FLOAT32_TOLERANCE if precision == "float32" else HALF_TOLERANCE
            parity.append((f"sampler's {precision} graph in PyTorch, {steps} steps", error, limit))
            inputs = {**frame(0), **fixed, "state": zero}

            def run(graph: GraphInTorch = graph, inputs: Any = inputs) -> None:
                graph(inputs)
                wait()

            label = f"{steps} steps, exported {precision} graph"
            report.measure(f"{label}, eager", 1, lambda run=run: run, seconds)
            if device == "cuda":

                def prepare(graph: GraphInTorch = graph, inputs: Any = inputs) -> Any:
                    graph(inputs)
                    captured = torch.cuda.CUDAGraph()
                    with torch.cuda.graph(captured):
                        graph(inputs)
                    return lambda: (captured.replay(), wait())

                report.measure(f"{label}, CUDA graph", 1, prepare, seconds)

        modules_row(report, variant, steps, device, seconds)
    report.say("\nParity with the C++ CPU runtime, in curves:\n")
    for entry in parity:
        report.check(*entry)


def modules_row(report: Report, variant: Bundle, steps: int, device: str, seconds: float) -> None:
    """PyTorch's modules as they train: on a GPU the GRU is cuDNN's."""
    from diffusiontalker.train.networks.bundled import load_talker

    talker = load_talker(variant).to(device)
    decoder = variant.manifest["decoder"]
    every = variant.manifest["diffusion"]["train_steps"] // steps
    rows = [torch.tensor([n * every - 1], device=device) for n in range(steps, 0, -1)]
    a, i, x_t = (torch.from_numpy(v[:, :1].copy()).to(device)
                 for v in random_inputs(variant, 1, 1))  # fmt: skip
    states = [torch.zeros(decoder["layers"], 1, decoder["hidden"], device=device)] * steps

    def modules() -> None:
        for s in range(steps):
            talker.decoder(a, i[:, 0], rows[s], x_t, states[s])
        if device == "cuda":
            torch.cuda.synchronize()

    name = "cuDNN's GRU" if device == "cuda" else "torch.nn.GRU"
    report.measure(f"{steps} steps, {name}", 1, lambda: modules, seconds)


def tensorrt_rows(
    report: Report, variants: dict[int, Bundle], folder: Path, rtx: bool, seconds: float
) -> None:
    """Raises BackendError where TensorRT cannot be had."""
    report.section(f"Sampler alone: {engines.probe()}")
    report.head()
    sampler: Any = None
    for steps, variant in variants.items():
        own = folder / str(steps)
        os.environ["DT_TENSORRT_ENGINES"] = str(own)
        plan = tensorrt_build.Plan(
            rtx=rtx, talker=False, frames=(1, 4), precisions=graphs.PRECISIONS
        )
        tensorrt_build.build(variant, plan, own)
        for precision in graphs.PRECISIONS:
            os.environ["DT_TENSORRT_PRECISION"] = precision
            for frames in (1, 4):
                options = engines.options(variant, frames=(1, frames), graph="sampler")
                sampler = _core.TensorRtSampler(core_model(variant), options, 1)
                inputs = random_inputs(variant, 1, frames)
                taken = time_calls(lambda s=sampler, i=inputs: s.sample(*i), seconds)
                report.row(f"{steps} steps, {precision}, {frames} frame(s)", taken, 1, frames)
        loop = tensorrt_build.Plan(rtx=rtx, talker=False, frames=(1,), loop=True)
        built = [b.engine for b in tensorrt_build.build(variant, loop, own)]
        options = engines.core_options([e for e in built if e.graph == "sampler_loop"])
        sampler = _core.TensorRtSampler(core_model(variant), options, 1)
        inputs = random_inputs(variant, 1, 1)
        taken = time_calls(lambda s=sampler, i=inputs: s.sample(*i), seconds)
        report.row(f"{steps} steps, float32, GRU nodes", taken)
    report.say(f"\n{sampler.describe()}")
