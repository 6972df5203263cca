"""Training of a sampler whose lips have no noise; axes in the loss, dropout, strangers."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import random_bundle  # noqa: E402
from windows_made import draws, window  # noqa: E402

from diffusiontalker import bundle as bundles  # noqa: E402
from diffusiontalker.curves import CURVES  # noqa: E402
from diffusiontalker.train import lip_axes  # noqa: E402
from diffusiontalker.train.config import Config, ConfigError, Stage, check  # noqa: E402
from diffusiontalker.train.data import noises, streams  # noqa: E402
from diffusiontalker.train.networks import bundled, diffusion  # noqa: E402
from diffusiontalker.train.networks.model import build  # noqa: E402
from diffusiontalker.train.recipes import run, spread  # noqa: E402
from diffusiontalker.train.stages import fit, start_from  # noqa: E402
from diffusiontalker.train.stages.settled import settled_objective  # noqa: E402
from diffusiontalker.train.stages.teacher import supervised_terms  # noqa: E402

STAGE = Stage(steps=8, epochs=1, settled=True)
LIPS_SETTLED = {"jaw*": 0.0, "mouth*": 0.0}


def test_settled_curves_are_read_where_the_sampler_reads_them(tiny: Config) -> None:
    """The second x_t is a DDIM jump from the first prediction; but in every second row the curves
    with noise are the truth under noise."""
    config = replace(tiny, noise_scale=LIPS_SETTLED)
    talker, w = build(config, ["a", "b"]), window()
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    kept = talker.decoder.forward

    def listening(audio, identity, row, x, state=None):  # type: ignore[no-untyped-def]
        x0, state = kept(audio, identity, row, x, state)
        seen.append((x.detach(), x0.detach()))
        return x0, state

    talker.decoder.forward = listening
    settled_objective(STAGE, config)(talker, w, draws())
    (start, first), (later, _) = seen
    told = draws()
    eps = told.noise(1, w.x0)
    n = told.steps(1, 7)
    abar = diffusion.alpha_bars(32, 8).float()
    at = abar[n][:, None, None]
    lips = [i for i, name in enumerate(CURVES) if name.startswith(("jaw", "mouth"))]
    others = [i for i in range(52) if i not in lips]
    assert bool((start[..., lips] == 0).all())
    torch.testing.assert_close(start[..., others], eps[..., others])
    jumped = diffusion.ddim_step(start, first, abar[8], at)
    torch.testing.assert_close(later[..., lips], jumped[..., lips])
    torch.testing.assert_close(later[::2], jumped[::2])
    truth = diffusion.diffuse(w.x0, eps, at)
    torch.testing.assert_close(later[1::2][..., others], truth[1::2][..., others])


def test_a_row_asks_for_lips_or_for_the_rest(tiny: Config) -> None:
    config = replace(tiny, noise_scale=LIPS_SETTLED)
    talker, w = build(config, ["a", "b"]), window()
    kept, made = talker.decoder.forward, []

    def listening(*given):  # type: ignore[no-untyped-def]
        x0, state = kept(*given)
        x0.retain_grad()
        made.append(x0)
        return x0, state

    talker.decoder.forward = listening
    terms = settled_objective(STAGE, config)(talker, w, draws())
    torch.stack(
        [value for name, value in terms.items() if name.startswith("later")]
    ).sum().backward()
    asked = made[1].grad.abs().sum(dim=1) > 0  # (rows, 52)
    lips = torch.tensor([name.startswith(("jaw", "mouth")) for name in CURVES])
    for row, one in enumerate(asked):
        assert bool((one == (lips if row % 2 == 0 else ~lips)).all())


def test_both_predictions_are_asked_for_half_each(tiny: Config) -> None:
    config = replace(tiny, noise_scale=LIPS_SETTLED)
    terms = settled_objective(STAGE, config)(build(config, ["a", "b"]), window(), draws())
    parts = ("expression", "lips", "velocity")
    assert set(terms) == {f"{when}_{part}" for when in ("first", "later") for part in parts}
    assert all(torch.isfinite(value) and value > 0 for value in terms.values())


def test_a_movement_counts_alike_whichever_curves_make_it() -> None:
    std = torch.rand(52, generator=torch.Generator().manual_seed(1)) + 0.1
    truth = torch.zeros(1, 10, 52)
    matrix = torch.from_numpy(lip_axes.matrix())
    x0 = torch.randn(1, 10, 52, generator=torch.Generator().manual_seed(2))
    axes = (x0 * std) @ matrix / torch.tensor(lip_axes.SPREAD)
    found = diffusion.axes_loss(x0, truth, std)
    torch.testing.assert_close(found, axes.square().mean())
    moved = diffusion.axes_loss(x0, truth, std, 2.0) - found
    torch.testing.assert_close(moved, 2.0 * (axes[:, 1:] - axes[:, :-1]).square().mean())
    # Curves that undo one another on the head cost nothing: jaw open, lips shut by as much.
    x0 = torch.zeros(1, 10, 52)
    null = np.linalg.svd(lip_axes.matrix().T)[2][-1]  # (52,), moves no axis
    x0[:] = torch.from_numpy(null.astype(np.float32)) / std
    assert float(diffusion.axes_loss(x0, truth, std)) < 1e-9


UNITS = SimpleNamespace(mean=torch.zeros(52), std=torch.ones(52))


def test_axes_are_a_term_where_the_configuration_weights_them(tiny: Config) -> None:
    x0, truth = torch.ones(2, 5, 52), torch.zeros(2, 5, 52)
    seen = torch.ones(2, 5, 52, dtype=torch.bool)
    assert "axes" not in supervised_terms(x0, truth, seen, STAGE, tiny, UNITS)
    weighted = replace(tiny, losses=replace(tiny.losses, axes=0.5))
    term = supervised_terms(x0, truth, seen, STAGE, weighted, UNITS)["axes"]
    torch.testing.assert_close(term, 0.5 * diffusion.axes_loss(x0, truth, UNITS.std, 0.5))


def test_a_window_goes_without_the_same_channels_from_first_to_last_frame() -> None:
    kept = draws().kept(0.25, torch.zeros(6, 30, 400))
    assert kept.shape == (6, 1, 400)
    assert kept.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert float((kept == 0).float().mean()) == pytest.approx(0.25, abs=0.03)
    assert bool((kept[0] != kept[1]).any())


def test_weight_decay_shrinks_matrices_alone() -> None:
    layer = torch.nn.Linear(3, 2)
    before = [p.detach().clone() for p in layer.parameters()]
    optimiser = fit.optimiser_of(
        list(layer.parameters()), replace(STAGE, learning_rate=0.1, weight_decay=0.5)
    )
    for parameter in layer.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    torch.testing.assert_close(layer.weight.detach(), before[0] * 0.95)
    torch.testing.assert_close(layer.bias.detach(), before[1])
    assert type(fit.optimiser_of([layer.bias], STAGE)) is torch.optim.Adam


def test_own_units_leave_every_face_as_it_was(tmp_path: Path, tiny: Config) -> None:
    start = random_bundle.write(
        tmp_path,
        decoder={"hidden": 64, "layers": 2, "step_dim": 16, "identity_hidden": 16},
        identities={"names": ["bert"], "default": "bert"},
    )
    known = bundled.load_talker(start)
    talker = bundled.load_talker(start)
    mean, std = torch.linspace(-0.1, 0.4, 52), torch.linspace(0.01, 0.5, 52)
    talker.mean.copy_(mean)
    talker.std.copy_(std)
    start_from.begin(talker, start, ["bert"], own_units=True)
    torch.testing.assert_close(talker.mean, mean)
    torch.testing.assert_close(talker.std, std)
    hidden = torch.randn(4, 64, generator=torch.Generator().manual_seed(0))
    faces = [t.decoder.head(hidden) * t.std + t.mean for t in (known, talker)]
    torch.testing.assert_close(faces[0], faces[1], rtol=1e-4, atol=1e-5)
    assert bundles.read(start.path).sha256 == start.sha256


def test_nothing_is_learnt_of_strangers(tiny: Config) -> None:
    everyone = run.read_data(tiny)
    name = everyone.speakers[0]
    apart = run.read_data(replace(tiny, strangers=(name,)))
    assert name not in apart.speakers
    held_out = [take.id for takes in apart.held_out for take in takes if take.speaker == name]
    takes = [*everyone.train, *everyone.held_out]
    assert sorted(held_out) == sorted(t.id for ts in takes for t in ts if t.speaker == name)
    assert replace(tiny, strangers=(name,)).describe() != tiny.describe()


def test_a_swell_is_plain_noise_whose_level_rises_and_falls() -> None:
    loudest = []
    for seed in range(8):
        sound = noises.swell(12 * noises.RATE_HZ, np.random.default_rng(seed))
        power = np.square(sound.reshape(-1, 1600)).mean(axis=1)
        assert power.min() < 0.05 * power.max()
        loudest.append(int(power.argmax()))
    assert len(set(loudest)) > 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dropout": 1.0}, "stages.dropout from 0 to under 1"),
        ({"weight_decay": -1.0}, "stages.weight_decay of at least 0"),
        ({"steps": 1}, "stages.settled: expected more than one step"),
    ],
)
def test_stages_that_cannot_be_are_refused(
    tiny: Config, changes: dict[str, float], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        check(replace(tiny, stages=(replace(STAGE, **changes),)), "x.toml")


def test_units_are_the_bundle_s_or_the_data_s(tiny: Config) -> None:
    with pytest.raises(ConfigError, match="start_units: expected bundle or data, got 'mine'"):
        check(replace(tiny, start_units="mine"), "x.toml")


def test_everyone_lends_a_share_of_his_windows(tiny: Config) -> None:
    data = run.read_data(tiny)
    config = replace(tiny, anyone="anyone", anyone_share=0.4)
    assert run.identities_of(config, data) == [*data.speakers, "anyone"]
    assert run.identities_of(tiny, data) == data.speakers
    assert run.lent_windows(tiny, data) is None
    lent = run.lent_windows(config, data)
    assert lent.tolist() == pytest.approx([0.4] * len(data.speakers) + [0.0])
    with pytest.raises(ValueError, match="is the name of a speaker"):
        run.identities_of(replace(tiny, anyone=data.speakers[0]), data)


def test_a_star_in_speaker_stands_for_what_the_file_says(tiny: Config) -> None:
    plain = run.read_data(tiny)
    sources = tuple(replace(source, speaker="old_*") for source in tiny.sources)
    named = run.read_data(replace(tiny, sources=sources))
    for before, after in zip(tiny.sources, sources, strict=True):
        assert after.speaker == "old_*" != before.speaker
    files = {t.id for ts in (*plain.train, *plain.held_out) for t in ts}
    assert {t.id for ts in (*named.train, *named.held_out) for t in ts} == files
    assert all(name.startswith("old_") and "*" not in name for name in named.speakers)


def test_anyone_learns_from_windows_that_are_lent(tiny: Config, tmp_path: Path) -> None:
    stage = Stage(steps=8, epochs=1, batch=4, window_frames=90)
    alone = replace(tiny.losses, contrast=0.0)  # which moves every row
    config = replace(tiny, anyone="anyone", anyone_share=1.0, stages=(stage,), losses=alone)
    talker, speakers = run.train(config, run.read_data(config), tmp_path)
    plain = build(config, speakers)
    moved = (talker.identity.embeddings - plain.identity.embeddings).detach().abs().sum(dim=1)
    assert speakers[-1] == "anyone"
    assert float(moved[-1]) > 0


def test_a_gain_gives_back_a_share_of_the_missing_spread() -> None:
    jaw, pucker, blink = (CURVES.index(n) for n in ("jawOpen", "mouthPucker", "eyeBlinkLeft"))
    rng = np.random.default_rng(0)
    true = rng.uniform(0.0, 0.5, (400, 52)).astype(np.float32)
    true[:, pucker] *= 0.01  # hardly moves: what there is may be noise
    predicted = true * np.float32(0.8)
    factor = spread.gains([predicted], [true], 0.6)
    assert factor[jaw] == pytest.approx(1.15)
    assert factor[pucker] == factor[blink] == 1.0
    assert spread.gains([0.1 * true], [true], 1.0)[jaw] == pytest.approx(spread.LARGEST)
    assert spread.gains([1.5 * true], [true], 1.0)[jaw] == 1.0  # nothing is made smaller


def test_a_wider_talker_says_the_same_about_its_mean(tiny: Config) -> None:
    data = run.read_data(tiny)
    takes = [take for ts in data.train for take in ts]
    talker = build(tiny, data.speakers)
    talker.std.fill_(0.05)
    talker.mean.fill_(0.3)
    assert spread.matched(talker, tiny, data.speakers, takes) is talker
    wider = spread.matched(talker, replace(tiny, match_spread=1.0), data.speakers, takes)
    assert bool((wider.std >= talker.std).all())
    assert float(wider.std.max()) > 0.05
    torch.testing.assert_close(talker.std, torch.full((52,), 0.05))
    torch.testing.assert_close(wider.mean, talker.mean)


def test_lips_meet_between_takes_and_are_back_in_time() -> None:
    curves = np.full((180, 52), 0.4, np.float32)
    shut = streams.shut_between(curves, [(1.0, 2.0), (2.5, 2.6)], Fraction(60))
    jaw, smile = CURVES.index("jawOpen"), CURVES.index("mouthSmileLeft")
    assert shut[90, jaw] == 0.0
    assert shut[59, jaw] == shut[121, jaw] == shut[153, jaw] == np.float32(0.4)
    assert bool((shut[:, smile] == curves[:, smile]).all())
    assert float(np.abs(np.diff(shut[:, jaw])).max()) < 0.1


def test_what_nobody_saw_costs_nothing_and_teaches_nothing(tiny: Config) -> None:
    weighted = replace(tiny, losses=replace(tiny.losses, axes=0.5))
    generator = torch.Generator().manual_seed(3)
    truth = torch.zeros(2, 5, 52)
    seen = torch.ones(2, 5, 52, dtype=torch.bool)
    seen[1, :, ::2] = False
    x0 = torch.randn(2, 5, 52, generator=generator).requires_grad_(True)
    torch.stack(
        [*supervised_terms(x0, truth, seen, STAGE, weighted, UNITS).values()]
    ).sum().backward()
    assert x0.grad is not None
    assert (x0.grad[~seen] == 0).all()
    assert (x0.grad[0] != 0).all()
    other = torch.where(seen, x0.detach(), 7.0)
    for name, value in supervised_terms(x0, truth, seen, STAGE, weighted, UNITS).items():
        told = supervised_terms(other, truth, seen, STAGE, weighted, UNITS)[name]
        torch.testing.assert_close(told, value.detach())


def test_lips_that_stand_apart_cost_where_the_true_ones_meet(tiny: Config) -> None:
    jaw = CURVES.index("jawOpen")
    mean, std = torch.full((52,), 0.1), torch.full((52,), 0.2)
    shut = (torch.zeros(1, 4, 52) - mean) / std
    apart = shut.clone()
    apart[..., jaw] += 0.1 / 0.2
    lips = SimpleNamespace(mean=mean, std=std)
    gap = 0.1 * lip_axes.TABLE["jawOpen"][0] / lip_axes.SPREAD[0]
    found = diffusion.closing_loss(apart, shut, mean, std)
    torch.testing.assert_close(found, torch.tensor(gap**2))
    assert float(diffusion.closing_loss(shut, apart, mean, std)) == 0.0  # more shut than the truth
    wide = shut.clone()
    wide[..., jaw] += 0.5 / 0.2
    assert float(diffusion.closing_loss(wide + 1.0, wide, mean, std)) == 0.0  # the truth is open
    seen = torch.ones(1, 4, 52, dtype=torch.bool)
    asked = replace(STAGE, closing=2.0)
    terms = supervised_terms(apart, shut, seen, asked, tiny, lips)
    torch.testing.assert_close(terms["closing"], 2.0 * found)
    assert "closing" not in supervised_terms(apart, shut, seen, STAGE, tiny, lips)
