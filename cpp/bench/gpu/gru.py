"""The sampler in one kernel of Triton's, beside the exported graph: without TensorRT."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from report import HALF_TOLERANCE, Report
from sampler import NAMES, core_model, random_inputs
from torch_graph import GraphInTorch

from diffusiontalker import _core
from diffusiontalker.bundle import Bundle
from diffusiontalker.tensorrt import graphs
from diffusiontalker.tensorrt.sampler import ddim, first_layer

VOICES_A_PROGRAM, COLUMNS, DEPTH = 16, 32, 32


class KernelSampler:
    """The embedded model's kind of sampler: two layers, float16 weights."""

    def __init__(self, bundle: Bundle, device: str, voices: int) -> None:
        from gru_kernel import WIDTH, sample_frame

        m, t = bundle.manifest, bundle.tensors
        self._steps, self._hidden = m["diffusion"]["sample_steps"], m["decoder"]["hidden"]
        if m["decoder"]["layers"] != 2 or self._hidden % DEPTH:
            raise ValueError("the kernel is for two layers whose width is a multiple of 32")
        self._kernel, self._width, self._voices = sample_frame, WIDTH, voices
        audio, identity, step, x = first_layer(bundle)

        def put(value: np.ndarray, kind: torch.dtype = torch.float32) -> torch.Tensor:
            return torch.from_numpy(np.ascontiguousarray(value, np.float32)).to(device, kind)

        def padded(value: np.ndarray, axis: int) -> np.ndarray:
            widths = [(0, 0)] * value.ndim
            widths[axis] = (0, WIDTH - value.shape[axis])
            return np.pad(value, widths)

        half = torch.float16
        self._audio, self._identity = put(audio, half), put(identity, half)
        self._bias = put(t["decoder.gru.bias_ih_l0"])
        recurrent = [t[f"decoder.gru.weight_hh_l{layer}"].T for layer in (0, 1)]
        self._weights = [
            put(graphs.step_table(bundle) @ step),
            put(padded(x, 0), half),
            put(t["decoder.gru.weight_ih_l1"].T, half),
            put(t["decoder.gru.bias_ih_l1"]),
            put(np.stack(recurrent), half),
            put(np.stack([t[f"decoder.gru.bias_hh_l{layer}"] for layer in (0, 1)])),
            put(padded(t["decoder.head.weight"].T, 1), half),
            put(padded(t["decoder.head.bias"], 0)),
            put(np.array(ddim(bundle))),
        ]
        self.state = torch.zeros(voices, self._steps, 2, self._hidden, device=device)
        self.after, self._x0 = (
            torch.zeros_like(self.state),
            torch.empty(voices, WIDTH, device=device),
        )
        self._noise = torch.zeros(voices, WIDTH, device=device)

    def __call__(
        self, audio: torch.Tensor, identity: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        """(voices, channels) twice and (voices, 52) -> x0 (voices, 52). Reads `state`, writes
        `after`."""
        of_frame = (audio.half() @ self._audio + identity.half() @ self._identity).float()
        of_frame += self._bias
        self._noise[:, : noise.shape[1]] = noise
        of_steps, *weights = self._weights
        grid = (-(-self._voices // VOICES_A_PROGRAM),)
        self._kernel[grid](
            of_frame, of_steps, self._noise, *weights, self.state, self.after, self._x0,
            self._voices, self._steps,
            H=self._hidden, V=VOICES_A_PROGRAM, C=COLUMNS, K=DEPTH, W=self._width,
        )  # fmt: skip
        return self._x0[:, : noise.shape[1]]


def rows(
    report: Report, bundle: Bundle, device: str, sizes: list[int], seconds: float, frames: int = 8
) -> None:
    gpu = device == "cuda"
    if not gpu:
        os.environ["TRITON_INTERPRET"] = "1"  # before Triton is imported
    try:
        import triton
    except ImportError as error:
        report.say(f"\nTriton was not measured: {error}.")
        return
    how = "" if gpu else " by its interpreter"
    report.section(f"Sampler alone, float16: Triton {triton.__version__}{how}")
    if not gpu:
        frames = 1  # the interpreter takes seconds for each
    error = parity(bundle, device, 3, frames)
    report.check(f"Triton's kernel, {frames} frame(s), against the CPU", error, HALF_TOLERANCE)
    if not gpu:
        return
    report.say()
    report.head()
    for streams in sizes:
        inputs = [torch.from_numpy(a[:, 0].copy()).to(device)
                  for a in random_inputs(bundle, streams, 1)]  # fmt: skip

        def kernel(streams: int = streams, inputs: Any = inputs) -> Callable[[], object]:
            made = KernelSampler(bundle, device, streams)
            return _called(lambda: made(*inputs), gpu)

        def graph(inputs: Any = inputs, streams: int = streams) -> Callable[[], object]:
            made = GraphInTorch(graphs.sampler_graph(bundle, 1, "float16"), device)
            table = torch.from_numpy(graphs.step_table(bundle)).to(device)
            m = bundle.manifest
            shape = (m["diffusion"]["sample_steps"], m["decoder"]["layers"], streams)
            state = torch.zeros(*shape, m["decoder"]["hidden"], device=device)
            named = {n: v[:, None] for n, v in zip(NAMES, inputs, strict=True)}
            return _called(lambda: made({**named, "step_table": table, "state": state}), gpu)

        report.measure("Triton's kernel", streams, kernel, seconds)
        report.measure("exported graph in PyTorch", streams, graph, seconds)


def parity(bundle: Bundle, device: str, voices: int, frames: int) -> float:
    """The largest difference in the curves from the CPU in float32, of all voices."""
    made = KernelSampler(bundle, device, voices)
    arrays = random_inputs(bundle, voices, frames)
    alone = [_core.Sampler(core_model(bundle, "float32")) for _ in range(voices)]
    worst = 0.0
    for frame in range(frames):
        now = [a[:, frame].copy() for a in arrays]
        got = made(*(torch.from_numpy(a).to(device) for a in now)).cpu().numpy()
        made.state, made.after = made.after, made.state
        for voice, one in enumerate(alone):
            expected = one.sample(*(a[voice : voice + 1] for a in now))[0]
            error = np.abs((got[voice] - expected) * bundle.tensors["statistics.std"]).max()
            worst = max(worst, float(error))
    return worst


def _called(work: Callable[[], object], gpu: bool) -> Callable[[], object]:
    """As a CUDA graph where there is a GPU."""
    if not gpu:
        return work
    work()
    torch.cuda.synchronize()
    captured = torch.cuda.CUDAGraph()
    with torch.cuda.graph(captured):
        work()
    return lambda: (captured.replay(), torch.cuda.synchronize())
