"""The Trainer: what a checkpoint holds, and that a trainer made of it goes on to the same bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from diffusiontalker.train import checkpoint  # noqa: E402
from diffusiontalker.train.config import Config, ContextConfig  # noqa: E402
from diffusiontalker.train.networks.context import Context  # noqa: E402
from diffusiontalker.train.networks.model import build  # noqa: E402
from diffusiontalker.train.stages import fit, listen  # noqa: E402
from diffusiontalker.train.stages.trainer import (  # noqa: E402
    Losses,
    Means,
    Trainer,
    learning_rate,
)


class Line:
    """A line through four points, three epochs of two steps; every step draws its point."""

    name, epochs = "line", 3

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.module = nn.Linear(1, 1)

    def begin(self, epoch: int) -> int:
        return 2

    def rate(self, at: Trainer, steps: int) -> float:
        return learning_rate(0.1, 2, at.steps, (at.epoch + at.position / steps) / self.epochs)

    def losses(self, at: Trainer) -> Losses:
        x = float(np.random.default_rng([at.epoch, at.position]).integers(4))
        error = (self.module(torch.tensor([[x]])) - 2 * x).square().sum()
        return Losses(error, {"error": error}, {"x": x} if at.position else {})

    def line(self, at: Trainer, seconds: float, means: dict[str, float]) -> dict[str, float]:
        return {"epoch": at.epoch, "step": at.steps, **means}


def trainer_of(line: Line, steps_an_epoch: int | None) -> Trainer:
    optimiser = torch.optim.Adam(line.module.parameters())
    return Trainer({"line": line.module}, optimiser, steps_an_epoch=steps_an_epoch)


class Cut(Exception):
    """Stands for a power cut."""


@pytest.mark.parametrize("steps_an_epoch", [None, 2])
@pytest.mark.parametrize("cut_at", [1, 2, 3, 6])
def test_a_restored_trainer_goes_on_to_the_same_bits(
    tmp_path: Path, steps_an_epoch: int | None, cut_at: int
) -> None:
    whole, cut, again = Line(), Line(), Line()
    other = tmp_path / "whole"
    other.mkdir()
    trainer_of(whole, steps_an_epoch).train(whole, other, "it", save_every_s=1e9)
    assert len((other / "log.jsonl").read_text().splitlines()) == Line.epochs
    assert not (other / "checkpoint.pt").exists()
    seen: list[int] = []

    def stop(*_: object) -> None:
        seen.append(1)
        if len(seen) == cut_at + 1:
            raise Cut

    trainer = trainer_of(cut, steps_an_epoch)
    if cut_at < 6:
        with pytest.raises(Cut):
            trainer.train(cut, tmp_path, "it", save_every_s=0.0, on_step=stop)
    else:
        trainer.train(cut, tmp_path, "it", save_every_s=0.0)
    saved = checkpoint.load(tmp_path / "checkpoint.pt")
    place = ["step"] if steps_an_epoch else ["epoch", "position", "step"]
    assert list(saved) == ["config", "line", "optimiser", *place]
    assert (saved["config"], saved["step"]) == ("it", cut_at)
    resumed = trainer_of(again, steps_an_epoch)
    resumed.restore(saved)
    resumed.train(again, tmp_path, "it", save_every_s=1e9)
    for name, value in whole.module.state_dict().items():
        assert torch.equal(value, again.module.state_dict()[name])


def test_checkpoints_hold_what_they_held_before_there_was_a_trainer(tiny: Config) -> None:
    """Runs in progress go on: these are the names that they were saved by."""
    talker = build(tiny, ["anna", "bert"])
    trainer = fit.trainer_of(talker, tiny, 0)
    assert list(trainer.state()) == ["talker", "optimiser", "scaler", "epoch", "position", "step"]
    older = trainer.state() | {"epoch": 2, "position": 3, "step": 11}
    del older["scaler"]  # of before there was one
    trainer.restore(older)
    assert (trainer.epoch, trainer.position, trainer.steps) == (2, 3, 11)

    shape = ContextConfig(layers=1, width=24, heads=3, hidden=48, window=5)
    segments = listen.Segments(np.zeros((9, 160), np.int16), np.zeros((9, 1, 24), np.float16))
    task = listen.ContextTask(Context(shape), nn.Linear(24, 24), segments, tiny)
    trainer = listen.trainer_of(task)
    state = trainer.state()
    assert list(state) == ["both", "optimiser", "step"]
    assert {name.split(".")[0] for name in state["both"]} == {"0", "1"}  # context, reader
    trainer.restore({**state, "step": 5})  # two steps of four an epoch
    assert (trainer.epoch, trainer.position, trainer.steps) == (2, 1, 5)


def test_means_are_over_all_steps_so_far() -> None:
    means = Means()
    assert means.add({"loss": 1.0}) == {"loss": 1.0}
    assert means.add({"loss": 2.0, "hits": 1.0}) == {"loss": 1.5, "hits": 0.5}


def test_the_rate_warms_up_and_falls_to_a_fiftieth() -> None:
    assert learning_rate(1.0, 10, 0, 0.0) == pytest.approx(0.1)
    assert learning_rate(1.0, 10, 9, 0.0) == 1.0
    assert learning_rate(1.0, 0, 0, 0.5) == pytest.approx(0.51)
    assert learning_rate(1.0, 10, 99, 1.0) == pytest.approx(0.02)
