"""Training in two processes, in other precisions, and the logs of a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from paths import CONFIGS

from diffusiontalker.train import checkpoint
from diffusiontalker.train.config import Config
from diffusiontalker.train.measure.plots import read_log
from diffusiontalker.train.recipes import run
from diffusiontalker.train.stages.parallel import Ranks, join
from diffusiontalker.train.stages.windows import Draws

TINY = CONFIGS / "tiny.toml"


@pytest.fixture(scope="module")
def teacher_only(tiny: Config) -> Config:
    return replace(tiny, stages=tiny.stages[:1])


def test_rows_are_shared_out_whole_and_once() -> None:
    for count in (4, 7, 16):
        for world in (1, 2, 3):
            rows = [Ranks(rank, world).rows(count) for rank in range(world)]
            assert [i for part in rows for i in range(count)[part]] == list(range(count))
    with pytest.raises(ValueError, match="batch of 2 windows cannot be shared by 3"):
        Ranks(0, 3).rows(2)


def test_a_share_of_a_batch_meets_the_draws_of_the_whole() -> None:
    def draws(rows: slice) -> Draws:
        return Draws(torch.Generator().manual_seed(3), 5, rows, torch.device("cpu"))

    like = torch.zeros(0, 4, 52)
    for many in (1, 2):
        together, first, rest = (draws(rows) for rows in (slice(0, 5), slice(0, 2), slice(2, 5)))
        steps = together.steps(many, 32).view(many, 5)
        noise = together.noise(many, like).view(many, 5, 4, 52)
        assert torch.equal(first.steps(many, 32).view(many, 2), steps[:, :2])
        assert torch.equal(rest.steps(many, 32).view(many, 3), steps[:, 2:])
        assert torch.equal(first.noise(many, like).view(many, 2, 4, 52), noise[:, :2])
        assert torch.equal(rest.noise(many, like).view(many, 3, 4, 52), noise[:, 2:])


@pytest.mark.slow
def test_two_processes_learn_as_one(tmp_path: Path, folders: dict[str, Path]) -> None:
    """gloo on this machine: the losses and weights of one process, within rounding."""
    # An uneven batch, several draws and windows without speech: the means must still agree.
    text = TINY.read_text().replace("batch = 4", "batch = 5\ndraws = 2")
    text = text[: text.index("[[stages]]\nsteps = 8")].replace("epochs = 3", "epochs = 2")
    config = tmp_path / "two.toml"
    config.write_text(text)
    sources = [f"--data={name}={folder}" for name, folder in folders.items()]
    command = ["-m", "diffusiontalker.train.cli", "run", str(config), *sources, "--no-evaluate"]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for name, words in (("one", command), ("two", [*launcher, *command])):
        done = subprocess.run(
            [sys.executable, *words, "--out", str(tmp_path / name)],
            capture_output=True,
            text=True,
            timeout=300,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
    # Only the first process reports.
    assert done.stdout.count("takes to train on") == 1
    for stage in ("0-teacher", "1-student-16"):
        one, two = (read_log(tmp_path / name / stage / "log.jsonl") for name in ("one", "two"))
        assert len(one) == len(two) > 0
        for a, b in zip(one, two, strict=True):
            assert a["step"] == b["step"]
            for key in a:
                if key not in ("epoch", "step", "seconds"):
                    assert b[key] == pytest.approx(a[key], rel=1e-3, abs=2e-5), (stage, key)
        weights = [
            checkpoint.load(tmp_path / name / stage / "final.pt")["talker"]
            for name in ("one", "two")
        ]
        for key, value in weights[0].items():
            torch.testing.assert_close(weights[1][key], value, rtol=0, atol=5e-4, msg=key)
    assert (tmp_path / "two" / "bundle" / "manifest.json").exists()


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_other_precisions_learn_nearly_the_same(
    tmp_path: Path, teacher_only: Config, precision: str
) -> None:
    data = run.read_data(teacher_only)
    losses, weights = [], []
    for name in ("fp32", precision):
        config = replace(teacher_only, precision=name)
        talker, _ = run.train(config, data, tmp_path / name, shared=tmp_path)
        assert all(p.dtype == torch.float32 for p in talker.parameters())
        weights.append(torch.cat([p.detach().flatten() for p in talker.parameters()]))
        losses.append([e["loss"] for e in read_log(tmp_path / name / "0-teacher" / "log.jsonl")])
    # The log rounds: losses may look the same.
    assert not torch.equal(*weights)
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.05)


class Cut(Exception):
    """Stands for a power cut."""


def test_a_cut_run_goes_on_to_the_same_weights(tmp_path: Path, teacher_only: Config) -> None:
    """Bit for bit, in fp16 too, whose loss scale is part of the state."""
    config = replace(teacher_only, precision="fp16")
    data = run.read_data(config)
    whole, _ = run.train(config, data, tmp_path / "whole", shared=tmp_path)
    seen = 0

    def cut(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == 7:
            raise Cut

    with pytest.raises(Cut):
        run.train(config, data, tmp_path / "cut", run.Progress(on_step=cut), shared=tmp_path)
    again, _ = run.train(config, data, tmp_path / "cut", shared=tmp_path)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_steps_are_logged_for_tensorboard(tmp_path: Path, teacher_only: Config) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = replace(teacher_only, stages=(replace(teacher_only.stages[0], epochs=1),))
    run.train(config, run.read_data(config), tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard" / "0-teacher"))
    events.Reload()
    assert "loss" in events.Tags()["scalars"]
    values = [event.value for event in events.Scalars("loss")]
    line = json.loads((tmp_path / "0-teacher" / "log.jsonl").read_text().splitlines()[-1])
    assert len(values) == line["step"]
    assert np.mean(values) == pytest.approx(line["loss"], rel=1e-3)


def test_a_missing_gpu_is_said() -> None:
    if torch.cuda.is_available():
        assert join("cuda").device.type == "cuda"
    else:
        with pytest.raises(ValueError, match="expected a CUDA GPU, found none"):
            join("cuda")
    assert join("cpu").writes
