"""Training that goes on from a bundle: what it keeps, what it refuses, what it says of itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import random_bundle
import train_corpus
from random_bundle import alpha_bar

torch = pytest.importorskip("torch")

from paths import CONFIGS  # noqa: E402

from diffusiontalker import bundle as bundles  # noqa: E402
from diffusiontalker.bundle import Bundle  # noqa: E402
from diffusiontalker.curves import CURVES  # noqa: E402
from diffusiontalker.train import checkpoint  # noqa: E402
from diffusiontalker.train.cli.commands import main  # noqa: E402
from diffusiontalker.train.config import Config, ConfigError, ContextConfig, Stage, check  # noqa: E402
from diffusiontalker.train.measure.takes import fair_takes  # noqa: E402
from diffusiontalker.train.networks.bundled import load_talker  # noqa: E402
from diffusiontalker.train.networks.model import build  # noqa: E402
from diffusiontalker.train.recipes import run  # noqa: E402
from diffusiontalker.train.stages import start_from  # noqa: E402

DECODER = {"hidden": 64, "layers": 2, "step_dim": 16, "identity_hidden": 16}
STILL = Stage(8, epochs=1, batch=4, window_frames=90, learning_rate=0.0)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle of tiny.toml's shape with a context, which knows one of the corpus's voices."""
    return random_bundle.write(
        tmp_path_factory.mktemp("start"),
        decoder=DECODER,
        context=random_bundle.CONTEXT,
        identities={"names": ["eve", "bert"], "default": "eve"},
        postprocess={"tongueOut": {"gain": 0.0}},
        training={"sources": [{"name": "old", "held_out": ["old1"], "licence": "CC0"}]},
    )


@pytest.fixture
def going_on(tiny: Config, start: Bundle) -> Config:
    """`tiny` from there, in a stage that moves nothing; there are no Whisper weights."""
    encoder = replace(tiny.encoder, context=ContextConfig(**random_bundle.CONTEXT))
    return replace(tiny, encoder=encoder, start_from=str(start.path), stages=(STILL,))


def test_a_run_begins_with_the_bundle_s_weights(
    going_on: Config, start: Bundle, tmp_path: Path
) -> None:
    data = run.read_data(going_on)
    talker, speakers = run.train(going_on, data, tmp_path)
    assert speakers == ["anna", "bert", "measured"]
    assert not (tmp_path / "context").exists()
    known = load_talker(start).state_dict()
    for name, value in talker.state_dict().items():
        if name == "identity.embeddings":
            rows = known[name]
            expected = torch.stack([rows.mean(dim=0), rows[1], rows.mean(dim=0)])
            torch.testing.assert_close(value, expected)
        elif name != "identity.pooled_mean":  # which training goes on to follow
            torch.testing.assert_close(value, known[name], rtol=0, atol=0, msg=name)

    # The streams were heard by the bundle's context, so the pooled mean can be taken over them.
    before = talker.identity.pooled_mean.clone()
    run.finish(talker, speakers, going_on, data, tmp_path)
    assert not torch.equal(before, talker.identity.pooled_mean)


def test_a_run_can_take_the_ear_alone(going_on: Config, start: Bundle, tmp_path: Path) -> None:
    ear = replace(going_on, start_with="context")
    talker, speakers = run.train(ear, run.read_data(ear), tmp_path)
    known, fresh = load_talker(start).state_dict(), build(ear, speakers).state_dict()
    for name, value in talker.state_dict().items():
        if name.startswith(("encoder.", "decoder.")):
            here = known if name.startswith("encoder.context.") else fresh
            torch.testing.assert_close(value, here[name], rtol=0, atol=0, msg=name)


def test_a_mean_counts_what_the_run_started_from(
    going_on: Config, start: Bundle, tmp_path: Path
) -> None:
    moving = replace(STILL, epochs=2, learning_rate=1e-3, warmup_steps=2)
    config = replace(going_on, stages=(moving,), average=2)
    data = run.read_data(config)
    talker, _ = run.train(config, data, tmp_path)
    end = checkpoint.load(tmp_path / "0-student-8" / "final.pt")["talker"]
    known, mean = load_talker(start).state_dict(), talker.state_dict()
    assert not torch.equal(end["decoder.head.weight"], known["decoder.head.weight"])
    for name in (n for n in mean if n.startswith(("encoder.", "decoder."))):
        torch.testing.assert_close(mean[name], (end[name] + known[name]) / 2, msg=name)
    # A stage of other steps trains another sampler: its mean is of its own stages.
    other = replace(config, stages=(moving, replace(moving, steps=4)))
    last, _ = run.train(other, data, tmp_path)
    four = checkpoint.load(tmp_path / "1-student-4" / "final.pt")["talker"]
    assert all(torch.equal(value, four[name]) for name, value in last.state_dict().items())


def test_a_regression_becomes_a_sampler(going_on: Config, tmp_path: Path) -> None:
    single = random_bundle.write(
        tmp_path,
        decoder=DECODER,
        context=random_bundle.CONTEXT,
        diffusion={"train_steps": 32, "sample_steps": 1, "alpha_bar": alpha_bar(1)},
    )
    sampler = replace(going_on, start_from=str(single.path))
    bundle = start_from.read(sampler)
    assert bundle is not None
    assert bundle.manifest["diffusion"]["sample_steps"] == 1
    # Its one step is the first of the sampler's, so a stage can start from the mean of both.
    first = replace(STILL, epochs=2, learning_rate=1e-3, warmup_steps=2)
    twice = replace(sampler, stages=(first, replace(STILL, average=2)))
    talker, _ = run.train(twice, run.read_data(twice), tmp_path / "run")
    end = checkpoint.load(tmp_path / "run" / "0-student-8" / "final.pt")["talker"]
    known, mean = load_talker(bundle).state_dict(), talker.state_dict()
    assert not torch.equal(end["decoder.head.weight"], known["decoder.head.weight"])
    for name in (n for n in mean if n.startswith(("encoder.", "decoder."))):
        torch.testing.assert_close(mean[name], (end[name] + known[name]) / 2, msg=name)


def test_learning_goes_on_from_there(going_on: Config, tmp_path: Path) -> None:
    moving = replace(
        going_on, stages=(replace(STILL, epochs=6, learning_rate=1e-3, warmup_steps=2),)
    )
    run.train(moving, run.read_data(moving), tmp_path)
    lines = (tmp_path / "0-student-8" / "log.jsonl").read_text().splitlines()
    first, last = (float(line.split('"loss": ')[1].split(",")[0]) for line in (lines[0], lines[-1]))
    assert last < 0.8 * first


def test_a_curve_that_never_moved_takes_the_units_of_the_new_data(
    going_on: Config, start: Bundle
) -> None:
    tongue, jaw = CURVES.index("tongueOut"), CURVES.index("jawOpen")
    mean, std = (start.tensors[f"statistics.{name}"].copy() for name in ("mean", "std"))
    mean[tongue], std[tongue] = 0.0, 1.0
    tensors = {**start.tensors, "statistics.mean": mean, "statistics.std": std}
    talker = build(going_on, ["bert"])
    talker.mean.fill_(0.25)
    talker.std.fill_(0.5)
    start_from.begin(talker, replace(start, tensors=tensors), ["bert"])
    assert (float(talker.mean[tongue]), float(talker.std[tongue])) == (0.25, 0.5)
    assert float(talker.mean[jaw]) == pytest.approx(float(mean[jaw]))
    assert float(talker.std[jaw]) == pytest.approx(float(std[jaw]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frame_rate": (30, 1)}, r"frame_rate: expected the bundle's \[60, 1\], got \[30, 1\]"),
        ({"decoder.hidden": 32}, "decoder.hidden: expected the bundle's 64, got 32"),
        ({"encoder.lookahead_columns": 2}, "encoder.lookahead_columns: expected the bundle's 4"),
        ({"encoder.context.window": 9}, "encoder.context.window: expected the bundle's 5, got 9"),
        ({"train_steps": 64}, "train_steps: expected the bundle's 32, got 64"),
        ({"stages": (replace(STILL, steps=16),)}, "first stage: expected the bundle's 8, got 16"),
    ],
)
def test_a_bundle_of_another_shape_is_refused_by_name(
    going_on: Config, changes: dict[str, Any], message: str
) -> None:
    other = going_on
    for key, value in changes.items():
        *tables, last = key.split(".")
        parts = [other]
        for table in tables:
            parts.append(getattr(parts[-1], table))
        made = replace(parts.pop(), **{last: value})
        for table, part in zip(reversed(tables), reversed(parts), strict=True):
            made = replace(part, **{table: made})
        other = made
    with pytest.raises(ConfigError, match=message):
        start_from.read(other)


def test_what_no_bundle_can_start_is_refused(going_on: Config) -> None:
    check(going_on, "c.toml")
    with pytest.raises(ConfigError, match=r"c.toml: start_from: expected identity = true"):
        check(replace(going_on, identity=False), "c.toml")
    with pytest.raises(ConfigError, match=r"start_with: expected all or context, got 'mouth'"):
        check(replace(going_on, start_with="mouth"), "c.toml")
    frozen = replace(going_on.encoder.frozen, kind="hubert")
    encoder = replace(going_on.encoder, context=ContextConfig(layers=0), frozen=frozen)
    with pytest.raises(ConfigError, match=r"no bundle hears through encoder\.frozen"):
        check(replace(going_on, encoder=encoder), "c.toml")


def test_the_folder_is_relative_to_the_configuration(tiny: Config) -> None:
    relative = replace(tiny, folder="/somewhere/configs", start_from="../bundle")
    assert relative.bundle_path() == Path("/somewhere/bundle")
    assert replace(tiny, start_from="default").bundle_path() is None
    assert "start_from" not in tiny.describe()
    assert relative.describe()["start_from"] == "../bundle"


def test_the_new_bundle_tells_where_it_comes_from(
    going_on: Config, start: Bundle, tmp_path: Path
) -> None:
    data = run.read_data(going_on)
    made_of = run.provenance(going_on, data, tmp_path)
    assert made_of["starts_from"] == {
        "name": "random",
        "weights": start.sha256,
        "training": {"sources": [{"name": "old", "held_out": ["old1"], "licence": "CC0"}]},
    }
    assert "context" not in made_of

    # What the first bundle kept aside is fair to the second, the rest of that source is not.
    made = random_bundle.write(tmp_path / "made", training=made_of)
    takes = [replace(take, id=f"old{i}") for i, take in enumerate(data.train[0][:3])]
    assert [take.id for take in fair_takes(made, takes)] == ["old1"]


def test_your_own_takes_end_in_a_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """configs/finetune.toml as a user would run it, for one short epoch."""
    for seed in range(2):
        train_corpus.write_measured(tmp_path / "takes", f"take{seed}", seconds=12.0, seed=seed)
    text = (CONFIGS / "finetune.toml").read_text()
    text = text.replace("epochs = 8", "epochs = 1").replace("versions = 4", "versions = 1")
    for name, content in (
        ("finetune.toml", text.replace("window_frames = 480", "window_frames = 240")),
        ("default.toml", (CONFIGS / "default.toml").read_text()),
    ):
        (tmp_path / name).write_text(content)
    words = ["run", str(tmp_path / "finetune.toml"), "--data", f"takes={tmp_path / 'takes'}"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    made, default = bundles.read(tmp_path / "run" / "bundle"), bundles.read(None)
    assert made.identities == ("takes",)
    assert made.unknown_cosine == -1.0
    assert made.manifest["encoder"] == default.manifest["encoder"]
    assert made.manifest["training"]["starts_from"]["weights"] == default.sha256
    # One short epoch has moved the weights, and not far.
    name = "decoder.head.weight"
    moved = np.abs(made.tensors[name] - default.tensors[name]).max()
    assert 0.0 < moved < 0.05

    # `export` writes that bundle again, from the run's folder.
    again = tmp_path / "again"
    export_words = ["export", *words[1:], "--out", str(tmp_path / "run"), "--to", str(again)]
    assert main(export_words) == 0
    assert bundles.read(again).sha256 == made.sha256
    capsys.readouterr()
