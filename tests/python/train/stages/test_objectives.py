"""What the stages minimise, and the samplers that come of it: few steps, regression, ablations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import random_bundle
import torch
from paths import CONFIGS
from windows_made import draws, window

from diffusiontalker import Runtime
from diffusiontalker import bundle as bundles
from diffusiontalker.curves import CURVES
from diffusiontalker.train import checkpoint, corpora
from diffusiontalker.train.clock import columns_for, token_count
from diffusiontalker.train.config import (
    Config,
    ConfigError,
    ContextConfig,
    LossWeights,
    Stage,
    check,
)
from diffusiontalker.train.data.streams import Batch
from diffusiontalker.train.measure import players, plots
from diffusiontalker.train.networks import diffusion
from diffusiontalker.train.networks.bundled import load_talker, save_talker
from diffusiontalker.train.networks.model import build
from diffusiontalker.train.recipes import run
from diffusiontalker.train.stages.distil import student_objective
from diffusiontalker.train.stages.teacher import (
    regression_objective,
    teacher_objective,
    with_sampling,
)
from diffusiontalker.train.stages.windows import Draws, to_window

TINY = CONFIGS / "tiny.toml"


# ---------------------------------------------------------------------------------- few steps


@pytest.mark.parametrize("steps", [4, 2, 1])
def test_a_student_of_few_steps_has_an_objective(tiny: Config, steps: int) -> None:
    """At 1 step the target is the second of the teacher's two predictions, and its weight 1."""
    teacher, student = build(tiny, ["a", "b"]), build(replace(tiny, seed=9), ["a", "b"])
    stage = Stage(steps=steps, epochs=1, train_encoder=False)
    w = window()
    terms = student_objective(teacher, stage, tiny)(student, w, draws())
    assert set(terms) == {"expression", "lips", "velocity", "distillation"}
    assert all(torch.isfinite(value) for value in terms.values())
    sum(terms.values()).backward()
    assert float(student.decoder.head.weight.grad.abs().sum()) > 0
    assert all(p.grad is None for p in teacher.parameters())
    if steps > 1:
        return
    own = draws()
    own.steps(1, 1)
    eps = own.noise(1, w.x0)
    abar = diffusion.alpha_bars(32, 2)
    z = diffusion.diffuse(w.x0, eps, abar[2].float())
    with torch.no_grad():
        who = teacher.identity()[w.speaker]
        first, _ = teacher.decoder(w.features, who, torch.full((6,), 31), z)
        z_m = diffusion.ddim_step(z, first, abar[2].float(), abar[1].float())
        second, _ = teacher.decoder(w.features, who, torch.full((6,), 15), z_m)
        mine, _ = student.decoder(
            w.features, student.identity()[w.speaker], torch.full((6,), 31), z
        )
    expected = 0.1 * (second - mine).square().mean()
    torch.testing.assert_close(terms["distillation"].detach(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("train_steps", [256, 128, 64, 32])
def test_long_schedules_start_from_noise(train_steps: int) -> None:
    abar = diffusion.alpha_bars(train_steps)
    assert len(abar) == train_steps + 1
    assert float(abar[-1]) < 1e-4
    assert bool((abar[1:] < abar[:-1]).all())


@pytest.mark.parametrize("steps", [1, 2, 4, 32])
def test_runtime_and_reference_agree_for_any_number_of_steps(
    tmp_path: Path, folders: dict[str, Path], steps: int
) -> None:
    schedule = {"train_steps": 32, "sample_steps": steps}
    bundle = random_bundle.write(
        tmp_path,
        diffusion={**schedule, "alpha_bar": random_bundle.alpha_bar(steps)},
        postprocess={},
        gate={"threshold_minimum_db": -200.0, "threshold_maximum_db": -190.0},
    )
    take = corpora.load(folders["spoken"]).train[0]
    (expected,) = players.torch_player(bundle)([take], 7, "bob")
    runtime = Runtime(bundle, seed=7, identity="bob", idle=0, precision="float32")
    got = np.concatenate([runtime.step(take.audio), runtime.flush()])
    assert got.std() > 0.01
    # The gate opens within 40 ms at the very start, whatever its threshold.
    np.testing.assert_allclose(got[6:], expected[6:], atol=2e-3)


def test_a_step_stays_on_the_talkers_device(tiny: Config) -> None:
    """On "meta", which has shapes and no values: what stays on the CPU is an error, as on a GPU."""
    shape = ContextConfig(**random_bundle.CONTEXT)
    config = replace(tiny, encoder=replace(tiny.encoder, context=shape))
    talker, meta = build(config, ["a", "b"]).to("meta"), torch.device("meta")
    frames = 30
    columns = columns_for(frames, config.rate, config.encoder.lookahead_columns)
    batch = Batch(
        mel=np.zeros((6, columns, 80), np.float32),
        curves=np.zeros((6, frames, 52), np.float32),
        voiced=np.ones((6, frames), bool),
        speaker=np.zeros(6, np.int64),
        tokens=np.zeros((6, token_count(columns), shape.width), np.float32),
    )
    stage = Stage(steps=8, epochs=1)
    for objective in (
        teacher_objective(stage, config),
        student_objective(talker, stage, config),
        regression_objective(replace(stage, steps=1), config),
    ):
        seen = to_window(talker, batch, train_encoder=True)
        own = Draws(torch.Generator().manual_seed(1), 6, slice(0, 6), meta)
        terms = objective(talker, seen, own)
        sum(terms.values()).backward()
        assert {value.device for value in terms.values()} == {meta}
    assert talker.encoder(torch.zeros(2, columns, 80, device=meta)).device == meta


def test_a_context_that_trains_hears_the_window_itself(tiny: Config) -> None:
    """Its tokens come from the window's sound, and every loss of every objective moves it."""
    shape = ContextConfig(**random_bundle.CONTEXT)
    config = replace(tiny, encoder=replace(tiny.encoder, context=shape))
    talker = build(config, ["a", "b"])
    frames = 30
    columns = columns_for(frames, config.rate, config.encoder.lookahead_columns)
    rng = np.random.default_rng(0)
    mel = rng.standard_normal((6, columns, 80)).astype(np.float32)
    tokens = talker.encoder.context(torch.from_numpy(mel)).detach().numpy()
    batch = Batch(
        mel=mel,
        curves=np.zeros((6, frames, 52), np.float32),
        voiced=np.ones((6, frames), bool),
        speaker=np.zeros(6, np.int64),
        tokens=tokens,
    )
    cached = to_window(talker, batch, train_encoder=True)
    live = to_window(talker, replace(batch, tokens=tokens + 1), True, train_context=True)
    torch.testing.assert_close(live.features, cached.features)
    assert live.tokens is None
    stage = Stage(steps=8, epochs=1, train_context=True)
    for objective in (teacher_objective(stage, config), student_objective(talker, stage, config)):
        talker.zero_grad()
        seen = to_window(talker, batch, train_encoder=True, train_context=True)
        terms = objective(talker, seen, draws())
        sum(terms.values()).backward()
        assert all(p.grad.abs().max() > 0 for p in talker.encoder.context.parameters())


# ------------------------------------------------------------------------- where sampling leads


def test_the_start_is_the_sampler_s_first_prediction(tiny: Config) -> None:
    talker = build(tiny, ["a", "b"])
    stage = Stage(steps=8, epochs=1, start=0.5)
    w = window()
    config = replace(tiny, noise_scale={"*": 0.0})
    plain = teacher_objective(stage, config)(talker, w, draws())
    terms = run.objective_of(talker, 0, replace(config, stages=(stage,)))(talker, w, draws())
    assert all(torch.equal(terms[key], value) for key, value in plain.items())

    # Without noise there is one start: zeros, at the sampler's noisiest step.
    row = torch.full((6,), int(diffusion.table_row(8, 8, 32)))
    identity = talker.identity()[w.speaker]
    guess, _ = talker.decoder(w.features, identity, row, torch.zeros_like(w.x0))
    losses = [
        diffusion.expression_loss(guess, w.x0),
        diffusion.lip_loss(guess, w.x0),
        config.losses.velocity * diffusion.velocity_loss(guess, w.x0),
    ]
    torch.testing.assert_close(terms["start"], 0.5 * sum(losses))

    # With noise it is that of the draws, times the factors.
    noisy = with_sampling(teacher_objective(stage, tiny), stage, replace(tiny, noise_scale={}))
    half = with_sampling(
        teacher_objective(stage, tiny), stage, replace(tiny, noise_scale={"*": 0.5})
    )
    starts = [made(talker, w, draws())["start"].item() for made in (noisy, half)]
    assert len({*starts, terms["start"].item()}) == 3


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_rollout_is_a_later_prediction_of_the_sampler(tiny: Config, seed: int) -> None:
    talker = build(tiny, ["a", "b"])
    stage = Stage(steps=8, epochs=1, rollout=0.5)
    w = window()
    config = replace(tiny, noise_scale={"*": 0.0})
    plain, told = teacher_objective(stage, config), draws(seed=seed)
    plain(talker, w, told)
    told.noise(1, w.x0)
    until = told.step(7)
    terms = with_sampling(plain, stage, config)(talker, w, draws(seed=seed))

    seen: list[torch.Tensor] = []

    def network(x: torch.Tensor, n: int) -> torch.Tensor:
        row = torch.full((6,), int(diffusion.table_row(n, 8, 32)))
        seen.append(talker.decoder(w.features, talker.identity()[w.speaker], row, x)[0])
        return seen[-1]

    diffusion.sample(network, torch.zeros_like(w.x0), diffusion.alpha_bars(32, 8))
    guess = seen[8 - until]
    losses = [
        diffusion.expression_loss(guess, w.x0),
        diffusion.lip_loss(guess, w.x0),
        config.losses.velocity * diffusion.velocity_loss(guess, w.x0),
    ]
    assert 1 <= until <= 7
    torch.testing.assert_close(terms["rollout"], 0.5 * sum(losses))


def test_a_rollout_asks_nothing_of_curves_that_seeds_are_to_vary(tiny: Config) -> None:
    talker = build(tiny, ["a", "b"])
    stage = Stage(steps=8, epochs=1, rollout=1.0)
    config = replace(tiny, noise_scale={"jaw*": 0.0, "mouth*": 0.5})
    terms = with_sampling(teacher_objective(stage, config), stage, config)(
        talker, window(), draws()
    )
    terms["rollout"].backward()
    asked = talker.decoder.head.bias.grad != 0
    assert [name for name, one in zip(CURVES, asked.tolist(), strict=True) if one] == [
        name for name in CURVES if name.startswith("jaw")
    ]


def test_a_step_for_all_windows_reaches_every_step() -> None:
    drawn = {draws(seed=seed).step(3) for seed in range(40)}
    assert drawn == {1, 2, 3}


@pytest.mark.parametrize("key", ["start", "rollout"])
def test_what_the_sampler_starts_from_decides_the_weights(tiny: Config, key: str) -> None:
    noisy = replace(tiny, noise_scale={"jaw*": 0.0})
    assert noisy.describe() == tiny.describe()
    stages = (*tiny.stages[:-1], replace(tiny.stages[-1], **{key: 1.0}))
    tiny, noisy = replace(tiny, stages=stages), replace(noisy, stages=stages)
    assert noisy.describe() != tiny.describe()
    assert noisy.describe(len(stages) - 1) == tiny.describe(len(stages) - 1)


# ------------------------------------------------------------------------ from scratch, regression


def test_from_scratch_in_few_steps_draws_only_rows_of_its_schedule(tiny: Config) -> None:
    talker = build(tiny, ["a", "b"])
    stage = Stage(steps=8, epochs=1)
    terms = teacher_objective(stage, tiny)(talker, window(), draws())
    sum(terms.values()).backward()
    rows = talker.decoder.steps.weight.grad.abs().sum(dim=1).nonzero()[:, 0].tolist()
    assert rows
    assert all(row % 4 == 3 for row in rows)


def test_a_regression_hears_no_noise_and_runs_as_a_bundle(
    tmp_path: Path, tiny: Config, folders: dict[str, Path]
) -> None:
    config = replace(tiny, stages=(Stage(steps=1, epochs=1, regression=True),), dtype="float32")
    check(config, "test")
    talker = build(config, ["anna", "bert"])
    objective = regression_objective(config.stages[0], config)
    one = objective(talker, window(), draws(seed=1))
    two = objective(talker, window(), draws(seed=2))
    assert all(torch.equal(one[key], two[key]) for key in one)
    bundle = save_talker(talker, config, ["anna", "bert"], {}, tmp_path)
    take = corpora.load(folders["spoken"]).train[0]
    first, second = (
        Runtime(bundle, seed=seed, identity="anna", idle=0).step(take.audio) for seed in (1, 2)
    )
    assert np.array_equal(first, second)
    features, _, counts = players.batch_features(talker, [take])
    with torch.no_grad():
        zeros = torch.zeros(1, counts[0], 52)
        x0, _ = talker.decoder(features, talker.identity()[:1], torch.tensor([31]), zeros)
    (reference,) = players.torch_player(bundle)([take], 1, "anna")
    np.testing.assert_allclose(reference, x0[0].clamp(0, 1).numpy(), atol=1e-5)


def test_a_talker_is_saved_in_whole_numbers(tmp_path: Path, tiny: Config) -> None:
    """What torch reads back of them is what the runtime multiplies by."""
    speakers = ["anna", "bert"]
    talker = build(tiny, speakers)
    bundle = save_talker(talker, replace(tiny, dtype="int8"), speakers, {}, tmp_path / "int8")
    assert bundle.manifest["weights"]["dtype"] == "int8"
    read = load_talker(bundle)
    matrix = "decoder.head.weight"
    stored, scale = (bundle.core_tensors()[name] for name in (matrix, f"{matrix}.scale"))
    np.testing.assert_array_equal(read.state_dict()[matrix].numpy(), stored * scale)
    exact = ("bias", "embeddings", "mean", "std")
    for name, value in talker.state_dict().items():
        if name.endswith(exact):
            assert torch.equal(read.state_dict()[name], value), name
    again = save_talker(read, replace(tiny, dtype="int8"), speakers, {}, tmp_path / "again")
    assert again.sha256 == bundle.sha256


def test_a_regression_can_go_on_from_a_student(tmp_path: Path, tiny: Config) -> None:
    """It starts from the student's weights; no mean is taken of the two kinds."""
    student = Stage(8, epochs=1, batch=4, window_frames=90)
    still = replace(student, steps=1, learning_rate=0.0, regression=True)
    config = replace(tiny, stages=(student, still), average=2)
    check(config, "test")
    talker, speakers = run.train(config, run.read_data(config), tmp_path)
    before = checkpoint.load(tmp_path / "0-teacher" / "final.pt")["talker"]
    assert all(torch.equal(value, before[name]) for name, value in talker.named_parameters())
    bundle = save_talker(talker, config, speakers, {}, tmp_path / "bundle")
    assert bundle.manifest["diffusion"]["sample_steps"] == 1
    assert not bundle.noise_scale().any()


@pytest.mark.parametrize(
    ("stages", "changes", "message"),
    [
        ((Stage(5, 1),), {}, "divide train_steps = 32, got 5"),
        ((Stage(16, 1), Stage(4, 1)), {}, "keeps or halves"),
        ((Stage(1, 1), Stage(0, 1)), {}, "keeps or halves"),
        ((Stage(8, 1, regression=True),), {}, "a regression has steps = 1"),
        ((Stage(16, 1), Stage(8, 1, regression=True)), {}, "a regression has steps = 1"),
        ((Stage(1, 1, regression=True), Stage(1, 1)), {}, "no stage of another kind"),
        ((Stage(1, 1, regression=True, start=1.0),), {}, "start: .* 0 for a regression, got 1"),
        ((Stage(8, 1, start=-1.0),), {}, "start: expected 0 or more"),
        ((Stage(1, 1, regression=True, rollout=1.0),), {}, "rollout: .* 0 for a regression"),
        ((Stage(8, 1, rollout=1.0),), {"noise_scale": {"jaw*": 0.5}}, "noise_scale of 0 for some"),
        ((Stage(1, 1, rollout=1.0),), {"noise_scale": {"jaw*": 0.0}}, "more than one step"),
        ((Stage(8, 1, average=0),), {}, "stages.average: expected 1, .* got 0"),
        ((Stage(16, 1), Stage(8, 1, average=2)), {}, "keeps the steps of the one before"),
        ((Stage(8, 1, average=2),), {}, "keeps the steps of the one before it, got 2"),
        ((Stage(16, 1),), {"train_steps": 16}, "at least 21, got 16"),
        ((Stage(32, 1, train_context=True),), {}, "no encoder.context to train"),
        ((Stage(32, 1),), {"precision": "fp8"}, "expected fp32, bf16 or fp16, got fp8"),
        ((Stage(32, 1),), {"device": "tpu"}, "expected auto, cpu or cuda, got tpu"),
    ],
)
def test_stages_that_cannot_be_are_refused(
    tiny: Config, stages: tuple[Stage, ...], changes: dict, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        check(replace(tiny, stages=stages, **changes), "c.toml")


# ----------------------------------------------------------------------------------- ablations


def test_without_identity_the_decoder_cannot_tell_speakers_apart(
    tmp_path: Path, tiny: Config
) -> None:
    config = replace(tiny, identity=False, stages=(replace(tiny.stages[0], epochs=1),))
    data = run.read_data(config)
    talker, speakers = run.train(config, data, tmp_path / "run")
    bundle = save_talker(talker, config, speakers, {}, tmp_path / "bundle")
    take = data.train[1][0]
    anna, bert = (
        Runtime(bundle, identity=name, idle=0).step(take.audio) for name in ("anna", "bert")
    )
    assert anna.std() > 1e-3
    assert np.array_equal(anna, bert)

    with_identity = replace(config, identity=True)
    talker, _ = run.train(with_identity, data, tmp_path / "other", shared=tmp_path / "run")
    assert not (tmp_path / "other" / "cache").exists()
    bundle = save_talker(talker, with_identity, speakers, {}, tmp_path / "bundle2")
    anna, bert = (
        Runtime(bundle, identity=name, idle=0).step(take.audio) for name in ("anna", "bert")
    )
    assert not np.array_equal(anna, bert)


def test_losses_switch_off(tiny: Config) -> None:
    talker = build(tiny, ["a", "b"])
    bare = replace(tiny, losses=LossWeights(lips=0.0, velocity=0.0))
    stage = Stage(steps=32, epochs=1)
    terms = teacher_objective(stage, bare)(talker, window(), draws())
    assert terms["lips"].item() == 0.0
    assert terms["velocity"].item() == 0.0
    assert terms["expression"].item() > 0.0
    student = replace(
        tiny,
        losses=LossWeights(distillation=0.0),
        stages=(stage, Stage(steps=16, epochs=1)),
    )
    terms = run.objective_of(talker, 1, student)(talker, window(), draws())
    assert "distillation" not in terms


def test_a_finished_run_goes_on_with_more_stages(tmp_path: Path, tiny: Config) -> None:
    """32 -> 16 done, then 8 added: what is done is not redone, and other settings are refused."""
    short = replace(tiny, stages=tuple(replace(s, epochs=1) for s in tiny.stages[:2]))
    data = run.read_data(short)
    run.train(short, data, tmp_path)
    teacher = (tmp_path / "0-teacher" / "final.pt").stat().st_mtime_ns
    last = Stage(steps=8, epochs=1, batch=4, window_frames=90)
    longer = replace(short, stages=(*short.stages, last))
    run.train(longer, data, tmp_path)
    assert (tmp_path / "0-teacher" / "final.pt").stat().st_mtime_ns == teacher
    assert (tmp_path / "2-student-8" / "final.pt").exists()
    assert (tmp_path / "loss.png").exists() == plots.available()
    other = replace(short, stages=(replace(short.stages[0], epochs=2), short.stages[1]))
    with pytest.raises(ValueError, match="another configuration"):
        run.train(other, data, tmp_path)


def test_a_run_can_end_on_the_mean_of_its_last_stages(tmp_path: Path, tiny: Config) -> None:
    stages = [Stage(steps, epochs=1, batch=4, window_frames=90) for steps in (16, 8, 8)]
    config = replace(tiny, stages=tuple(stages), average=3)
    data = run.read_data(config)
    talker, _ = run.train(config, data, tmp_path)
    ends = [
        checkpoint.load(tmp_path / name / "final.pt")["talker"]
        for name in ("1-student-8", "2-student-8")  # a teacher of other steps does not count
    ]
    for name, value in talker.state_dict().items():
        torch.testing.assert_close(value, (ends[0][name] + ends[1][name]) / 2)
    weight = "decoder.head.weight"
    assert not torch.equal(talker.state_dict()[weight], ends[1][weight])
    last, _ = run.train(replace(config, average=1), data, tmp_path)  # the same stages serve
    assert all(torch.equal(v, ends[1][k]) for k, v in last.state_dict().items())
    with pytest.raises(ConfigError, match="average: expected at least 1 stage, got 0"):
        check(replace(config, average=0), "c.toml")


def test_a_stage_can_start_from_the_mean_of_those_before_it(tmp_path: Path, tiny: Config) -> None:
    stages = [Stage(8, epochs=1, batch=4, window_frames=90) for _ in range(2)]
    still = replace(stages[0], average=2, learning_rate=0.0)
    config = replace(tiny, stages=(*stages, still))
    data = run.read_data(config)
    talker, _ = run.train(config, data, tmp_path)
    first, second, _ = (
        checkpoint.load(folder / "final.pt")["talker"] for folder in sorted(tmp_path.glob("?-*"))
    )
    for name, value in talker.named_parameters():
        torch.testing.assert_close(value.detach(), (first[name] + second[name]) / 2)


def test_bundles_of_one_step_are_read_back(tmp_path: Path) -> None:
    schedule = {"train_steps": 256, "sample_steps": 1, "alpha_bar": [4e-5]}
    assert random_bundle.write(tmp_path, diffusion=schedule).manifest["diffusion"] == schedule
    assert bundles.read(tmp_path).tensors["decoder.steps.weight"].shape[0] == 256
