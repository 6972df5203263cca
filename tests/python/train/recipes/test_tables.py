"""The paper's tables, made small: every row from a run, nothing done twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")


from paths import CONFIGS

from diffusiontalker import bundle as bundles
from diffusiontalker.train.cli.commands import main
from diffusiontalker.train.config import Config
from diffusiontalker.train.recipes import tables

TINY = CONFIGS / "tiny.toml"


def keys(number: int, config: Config) -> list[str]:
    return [row.key for row in tables.plan(number, config)]


def test_rows_are_those_of_the_paper_and_share_their_runs(tiny: Config) -> None:
    assert keys(1, tiny) == ["regression-0-1", "whole-0-32", "whole-0-8", "whole-2-8"]
    assert keys(2, tiny) == ["whole-2-8"]
    scratch = [f"scratch_{n}-0-{n}" for n in (256, 128, 64)]
    few = [f"scratch_{n}-0-{n}" for n in (16, 8)]
    distilled = ["whole-1-16", "whole-2-8", "whole-3-4", "whole-4-2", "whole-5-1"]
    assert keys(4, tiny) == [*scratch, "whole-0-32", *few, *distilled]
    without = [f"without_{name}-2-8" for name in ("distillation", "L_lip", "L_vel", "identity")]
    assert keys(5, tiny) == [*without, "whole-2-8"]


def test_each_row_leaves_out_what_it_says(tiny: Config) -> None:
    rows = {row.label: row for row in tables.plan(5, tiny)}
    assert rows["without L_lip"].config.losses.lips == 0
    bare = rows["without L_vel"].config
    assert bare.losses.velocity == 0
    assert all(stage.velocity == 0 for stage in bare.stages)
    assert not rows["without identity"].config.identity
    undistilled = rows["without distillation"].config
    assert undistilled.train_steps == 32
    assert [s.steps for s in undistilled.stages] == [8, 8, 8]
    assert [s.epochs for s in undistilled.stages] == [s.epochs for s in tiny.stages]
    assert rows["whole"].config == tiny
    scratch = {row.steps: row for row in tables.plan(4, tiny) if "scratch" in row.label}
    assert {steps: row.config.train_steps for steps, row in scratch.items()} == {
        256: 256, 128: 128, 64: 64, 32: 32, 16: 32, 8: 32,
    }  # fmt: skip
    regression = tables.plan(1, tiny)[0].config.stages
    assert [(s.steps, s.epochs, s.regression) for s in regression] == [(1, 5, True)]
    started = replace(tiny, stages=tuple(replace(stage, start=1.0) for stage in tiny.stages))
    rows = {row.label: row for number in (1, 5) for row in tables.plan(number, started)}
    assert rows["without start"].config == tiny
    assert rows["regression, same network"].config.stages == regression
    assert rows["without distillation"].config.stages[0].start == 1.0

    # A last stage of our own: it starts from a mean and learns along the sampler's course.
    late = replace(tiny.stages[-1], rollout=1.0, average=2)
    settled = replace(tiny, stages=(*tiny.stages, late), noise_scale={"jaw*": 0.0})
    rows = {row.label: row for row in tables.plan(5, settled)}
    assert rows["without rollout"].config.stages[-1] == replace(late, rollout=0.0)
    assert "without start" not in rows
    rows = {row.label: row for row in tables.plan(4, settled)}
    few = [(s.steps, s.rollout, s.average) for s in rows["1, distilled"].stages[-4:]]
    assert few == [(8, 1.0, 2), (4, 1.0, 1), (2, 1.0, 1), (1, 0.0, 1)]
    assert [s.epochs for s in tables.scaled(tiny, 0.1).stages] == [1, 1, 1]
    assert [s.epochs for s in tables.scaled(tiny, 2).stages] == [6, 2, 2]


def test_a_table_measures_what_it_shows() -> None:
    parts = {number: kind.parts for number, kind in tables.TABLES.items()}
    assert parts == {
        1: ["scores", "diversity", "time"],
        2: ["scores", "identity"],
        4: ["scores", "diversity", "time"],
        5: ["scores"],
    }


def test_published_figures_have_a_cell_a_column() -> None:
    for kind in tables.TABLES.values():
        assert len({len(row) for row in kind.published}) == 1


@pytest.mark.slow
def test_tables_come_from_runs_and_resume(
    tmp_path: Path, folders: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [f"--data={name}={folder}" for name, folder in folders.items()]
    rest = [str(TINY), *sources, "--out", str(tmp_path), "--epochs", "0.3"]
    assert main(["table1", *rest]) == 0
    text = (tmp_path / "table1.md").read_text()
    assert "`dt-train table1" in text
    assert "made by the test" in text
    assert "| regression, same network | 1 | 3 |" in text
    assert "| teacher, respaced to 8 steps | 8 | 1 |" in text
    assert "## measured" in text
    assert "## spoken" in text
    # The paper's figures stand in a table of their own, after ours.
    own, published = text.split("## Published, on another corpus")
    assert "0.0969" in published
    assert "0.0969" not in own

    teacher = bundles.read(tmp_path / "bundles" / "whole-0-8")
    assert teacher.manifest["diffusion"]["sample_steps"] == 8
    assert (tmp_path / "rows" / "whole-2-8.json").exists()
    numbers = json.loads((tmp_path / "rows" / "regression-0-1.json").read_text())["sources"]
    # Noise means nothing to a regression.
    assert numbers["spoken"]["seed_spread_lips"] in (0.0, None)

    # Table 2 trains nothing, and adds what only it shows to what the row holds.
    row = tmp_path / "rows" / "whole-2-8.json"
    before = sorted((tmp_path / "runs").iterdir())
    content = json.loads(row.read_text())
    assert "identity_f1" not in content["sources"]["spoken"]
    content["sources"]["spoken"]["lbe"] = 0.4321
    row.write_text(json.dumps(content))
    assert main(["table2", *rest]) == 0
    content = json.loads(row.read_text())
    assert content["parts"] == ["scores", "diversity", "time", "identity"]
    assert content["sources"]["spoken"]["lbe"] == 0.4321
    assert "itf_s" in content["sources"]["spoken"]
    # What a row holds is read, not measured again.
    content["sources"]["spoken"]["identity_f1"] = 0.4321
    row.write_text(json.dumps(content))
    assert main(["table2", *rest]) == 0
    assert "0.4321" in (tmp_path / "table2.md").read_text()
    assert sorted((tmp_path / "runs").iterdir()) == before

    # The ablation shares the whole run, and a row of other settings is refused.
    assert main(["table5", *rest]) == 0
    runs = {folder.name for folder in (tmp_path / "runs").iterdir()}
    assert runs == {
        "whole", "regression", "without_distillation", "without_L_lip", "without_L_vel",
        "without_identity",
    }  # fmt: skip
    deaf = bundles.read(tmp_path / "bundles" / "without_identity-2-8")
    channels = deaf.manifest["encoder"]["channels"]
    assert not deaf.tensors["decoder.gru.weight_ih_l0"][:, channels : 2 * channels].any()
    capsys.readouterr()
    assert main(["table2", *rest, "--clips", "1"]) == 2
    assert "belongs to another configuration or other options" in capsys.readouterr().err


@pytest.mark.slow
def test_steps_from_scratch_and_distilled_down_to_one(
    tmp_path: Path, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "FROM_SCRATCH", (256, 32, 8))
    sources = [f"--data={name}={folder}" for name, folder in folders.items()]
    rest = [str(TINY), *sources, "--out", str(tmp_path), "--epochs", "0.3", "--clips", "1"]
    assert main(["table4", *rest]) == 0
    text = (tmp_path / "table4.md").read_text()
    for label in ("| 256, from scratch | 256 |", "| 16, distilled | 16 |", "| 1, distilled | 1 |"):
        assert label in text
    one = bundles.read(tmp_path / "bundles" / "whole-5-1")
    assert one.manifest["diffusion"]["sample_steps"] == 1
    assert bundles.read(tmp_path / "bundles" / "scratch_256-0-256").manifest["diffusion"][
        "train_steps"
    ] == 256  # fmt: skip
    assert bundles.read(tmp_path / "bundles" / "scratch_8-0-8").manifest["diffusion"][
        "train_steps"
    ] == 32  # fmt: skip


def test_what_cannot_be_made_is_refused(
    tmp_path: Path, folders: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [f"--data={name}={folder}" for name, folder in folders.items()]
    rest = [*sources, "--out", str(tmp_path / "out")]
    assert main(["table1", str(TINY), *rest, "--epochs", "0"]) == 2
    text = TINY.read_text().replace("hold_out_per_speaker = 1", "").replace("hold_out = 1", "")
    (tmp_path / "none.toml").write_text(text)
    assert main(["table2", str(tmp_path / "none.toml"), *rest]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "a factor above 0" in first
    assert "no source holds recordings out" in second
