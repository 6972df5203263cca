"""What an NVIDIA GPU makes of the network: parity, latency, voices, against PyTorch and the CPU.

    python cpp/bench/gpu_report.py [BUNDLE] [--rtx] [--out report.md] [--seconds 1] [--minutes 6]

One run on one machine: the whole path (log-mel columns to curves) for up to 50,000 voices a launch,
and the sampler alone, by the CPU, PyTorch (eager, CUDA graphs, torch.compile, cuDNN's GRU), a
kernel in Triton, ONNX Runtime and TensorRT. It checks parity and prints tables in Markdown with the
device's name; with --out they are written, and the rows as JSON beside them. What the machine lacks
is said in a sentence and left out: without a GPU small sizes run on the CPU, which shows that the
script works and is no result.

Rows that fit no more into --minutes say so; the most telling ones come first.

Steps below the bundle's own are its weights on a coarser schedule: right for time, not for quality.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent / "gpu"))
import gru
import sampler
import whole
from report import Report

from diffusiontalker import bundle as bundles
from diffusiontalker.tensorrt import engines

VOICES = [1, 64, 1024, 4096, 10000, 20000, 50000]
FRAMES = 200  # of the parity


def chosen(parts: dict[str, Callable[[], object]], names: str | None) -> list[Callable[[], object]]:
    """The parts that `--only` names. Exits with a sentence where one is unknown."""
    wanted = names.split(",") if names else list(parts)
    for name in wanted:
        if name not in parts:
            sys.exit(f"--only {name}: expected some of {', '.join(parts)}")
    return [parts[name] for name in wanted]


def main() -> int:
    parser = argparse.ArgumentParser(description="TensorRT against PyTorch and the CPU, measured.")
    parser.add_argument("bundle", nargs="?", help="bundle folder (default: the embedded model)")
    parser.add_argument("--rtx", action="store_true", help="TensorRT for RTX in place of TensorRT")
    parser.add_argument("--out", help="write the report there as well, and JSON beside it")
    parser.add_argument("--seconds", type=float, default=1.0, help="time a row (default 1)")
    parser.add_argument("--minutes", type=float, default=30.0,
                        help="no row begins after this time (default 30)")  # fmt: skip
    parser.add_argument("--voices", help="voices a launch (default: 1 to 50,000; 1 and 4 without a "
                        "GPU), with commas")  # fmt: skip
    parser.add_argument("--only", help="parts, with commas: cpu, torch, sampler, triton, "
                        "onnxruntime, tensorrt, sampler-cpu, compile (default: all, in this "
                        "order)")  # fmt: skip
    parser.add_argument("--precisions", help="those of TensorRT's whole path, with commas "
                        "(default: all)")  # fmt: skip
    parser.add_argument("--frames", type=int, help="frames of the parity (default: 200; 20 without "
                        "a GPU)")  # fmt: skip
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    # As in the engines: everything called float32 is.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False

    bundle = bundles.read(arguments.bundle)
    report = Report(time.monotonic() + 60 * arguments.minutes)
    gpu = torch.cuda.is_available()
    device, place = (torch.cuda.get_device_name(), "cuda") if gpu else ("no GPU", "cpu")
    today = datetime.date.today().isoformat()
    report.about = {
        "device": device, "date": today, "machine": platform.machine(), "model": bundle.name,
        "python": platform.python_version(), "torch": torch.__version__,
        "cuda": torch.version.cuda or "",
    }  # fmt: skip
    report.say(f"# {device}, {today}, {platform.machine()}, model {bundle.name!r}, TF32 off")
    if not gpu:
        report.say("\nPyTorch finds no GPU here: its rows run on the CPU, to show that the script "
                   "and the exported graphs work. They are no result.")  # fmt: skip
    sizes = VOICES if gpu else [1, 4]
    if arguments.voices:
        sizes = [int(n) for n in arguments.voices.split(",")]
    few = [n for n in sizes if n <= 4096]
    precisions = arguments.precisions.split(",") if arguments.precisions else whole.ALL
    frames = arguments.frames or (FRAMES if gpu else 20)
    seconds = arguments.seconds
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        own = int(bundle.manifest["diffusion"]["sample_steps"])
        counts = [s for s in (8, 4, 2, 1) if s <= own and own % s == 0]
        variants = {s: sampler.with_steps(bundle, s, folder) for s in counts}
        shown = variants if gpu else {counts[0]: variants[counts[0]]}

        def tensorrt() -> None:
            try:
                rtx = arguments.rtx
                whole.tensorrt_rows(report, bundle, folder, rtx, sizes, seconds, frames, precisions)
                sampler.tensorrt_rows(report, variants, folder, rtx, seconds)
            except (engines.BackendError, RuntimeError) as error:
                report.say(f"\nTensorRT was not measured: {error}.")
                if gpu:
                    return
                try:
                    whole.ahead_of_time(report, bundle, folder)
                except engines.BackendError as missing:
                    report.say(f"\nNor were engines built ahead of time: {missing}.")

        parts: dict[str, Callable[[], object]] = {
            "cpu": lambda: whole.cpu_rows(report, bundle, seconds),
            "torch": lambda: whole.torch_rows(report, bundle, place, sizes, seconds, frames),
            "sampler": lambda: sampler.torch_rows(report, shown, place, seconds),
            "triton": lambda: gru.rows(report, bundle, place, sizes, seconds),
            "onnxruntime": lambda: whole.onnx_runtime_rows(report, bundle, few, seconds, frames),
            "tensorrt": tensorrt,
            "sampler-cpu": lambda: sampler.cpu_rows(report, variants, seconds),
        }
        if gpu:
            parts["compile"] = lambda: whole.compile_rows(report, bundle, place, [1, 4096], seconds)
        with torch.no_grad():
            for part in chosen(parts, arguments.only):
                if report.timed_out():
                    report.say("\nThe time is up: what would follow was not measured.")
                    break
                try:
                    part()
                except Exception as error:
                    # A machine that is lent for minutes: what else there is goes on.
                    report.failed = True
                    report.say(f"\nThis part broke off: {type(error).__name__}: {error}")
                    traceback.print_exc()
                if arguments.out:  # after each part: what was measured stays if the next one hangs
                    report.write(Path(arguments.out))
    if arguments.out:
        report.write(Path(arguments.out))
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
