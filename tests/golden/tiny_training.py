"""A tiny training run, whose weights must stay what they are: every kind of stage, once.

python tests/golden/tiny_training.py      writes training.json anew, for a change that is meant
"""

from __future__ import annotations

import json
import platform
import re
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

GOLDEN = Path(__file__).with_name("training.json")
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "python"))

import train_corpus  # noqa: E402

from diffusiontalker import _core  # noqa: E402
from diffusiontalker.train import checkpoint  # noqa: E402
from diffusiontalker.train.config import Config, Stage, load  # noqa: E402
from diffusiontalker.train.recipes import run  # noqa: E402

Weights = dict[str, torch.Tensor]

ONE = Stage(32, epochs=1, batch=4, window_frames=90, warmup_steps=3)
STAGES = (
    ONE,
    replace(ONE, steps=16, draws=2, start=0.3, rollout=0.2),
    replace(ONE, steps=16, train_encoder=False),
    replace(ONE, steps=16, average=2),
    replace(ONE, steps=1, regression=True),
)


def machine() -> str:
    """What decides the bits: torch and the instructions it takes, our kernel, the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line for line in lines if line.startswith("model name")).split(":")[1].strip()
    except (OSError, StopIteration):
        model = platform.processor()
    capability = torch.backends.cpu.get_cpu_capability()
    return f"torch {torch.__version__}, {capability}, {_core.cpu_info()['kernel']}, {model}"


def config_of(folder: Path) -> Config:
    """configs/tiny.toml with `STAGES`, on a corpus that is made in `folder`."""
    folders = train_corpus.write_corpus(folder / "takes")
    paths = {name: str(path) for name, path in folders.items()}
    config = load(ROOT / "configs" / "tiny.toml", paths)
    return replace(config, stages=STAGES, noise_scale={"jaw*": 0.0})


def train(folder: Path) -> dict[str, Weights]:
    """Stage's folder -> the weights that it ended on."""
    config = config_of(folder)
    run.train(config, run.read_data(config), folder / "run")
    names = [config.stage_folder(index) for index in range(len(STAGES))]
    return {n: checkpoint.load(folder / "run" / n / "final.pt")["talker"] for n in names}


def statistics(weights: Weights) -> dict[str, list[float]]:
    """Tensor -> mean and root of the mean square."""
    return {
        name: [round(float(value.mean()), 7), round(float(value.square().mean().sqrt()), 7)]
        for name, value in weights.items()
    }


def golden() -> dict[str, Any]:
    """What training.json holds."""
    content: dict[str, Any] = json.loads(GOLDEN.read_text())
    return content


def renew() -> None:
    """Write training.json; digests of other machines stay where this one gives the same values."""
    with tempfile.TemporaryDirectory() as folder:
        ended = train(Path(folder))
    digests = {stage: checkpoint.weights_digest(weights) for stage, weights in ended.items()}
    last = statistics([*ended.values()][-1])
    known = golden()["digests"] if GOLDEN.exists() and golden()["statistics"] == last else {}
    content = {"digests": {**known, machine(): digests}, "statistics": last}
    text = json.dumps(content, indent=1)
    pairs = re.sub(r"\[\s+([-\d.e]+),\s+([-\d.e]+)\s+\]", r"[\1, \2]", text)
    GOLDEN.write_text(pairs + "\n")


if __name__ == "__main__":
    renew()
