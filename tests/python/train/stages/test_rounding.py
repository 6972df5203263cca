"""A context in 4 bits: whole numbers whose errors cancel, the same for the same takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import random_bundle  # noqa: E402
from paths import CONFIGS  # noqa: E402

from diffusiontalker import Runtime  # noqa: E402
from diffusiontalker import bundle as bundles  # noqa: E402
from diffusiontalker.train.cli.commands import main  # noqa: E402
from diffusiontalker.train.config import (  # noqa: E402
    Config,
    ConfigError,
    ContextConfig,
    EncoderConfig,
    Export,
    check,
)
from diffusiontalker.train.data import streams  # noqa: E402
from diffusiontalker.train.networks.context import Context  # noqa: E402
from diffusiontalker.train.networks.model import build  # noqa: E402
from diffusiontalker.train.recipes import run  # noqa: E402
from diffusiontalker.train.stages import rounding  # noqa: E402

SMALL = ContextConfig(layers=2, width=24, heads=3, hidden=48, window=5)
NAMES = ["conv2", *(f"layers.{i}.{name}" for i in range(2) for name in rounding.MATRICES)]


def alike(columns: int, seed: int = 0) -> torch.Tensor:
    """Second moments of inputs that go along with one another, as those of a network do."""
    generator = torch.Generator().manual_seed(seed)
    few = torch.randn(columns // 4, columns, generator=generator, dtype=torch.float64)
    x = torch.randn(400, columns // 4, generator=generator, dtype=torch.float64) @ few
    x += 0.3 * torch.randn(400, columns, generator=generator, dtype=torch.float64)
    return x.T @ x / len(x)


def error_of(weights: torch.Tensor, other: torch.Tensor, moments: torch.Tensor) -> float:
    w, off = weights.double(), (other - weights).double()
    return float(((off @ moments) * off).sum() / ((w @ moments) * w).sum())


def plainly(weights: torch.Tensor, bits: int) -> torch.Tensor:
    """Each row to the nearest multiples of its largest magnitude's share."""
    scales = weights.abs().amax(dim=1, keepdim=True) / (2 ** (bits - 1) - 1)
    return rounding.nearest(weights, scales, bits) * scales


def heard(count: int = 6) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(121, 80, generator=generator).cumsum(dim=0) / 5 for _ in range(count)]


def made() -> Context:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        small = Context(SMALL)
    return small.eval().requires_grad_(False)


@pytest.mark.parametrize("columns", [24, 300])  # of one block and of several
def test_errors_cancel(columns: int) -> None:
    weights = torch.randn(40, columns, generator=torch.Generator().manual_seed(2))
    moments = alike(columns)
    matrix = rounding.rounded(weights, moments, 4)
    assert matrix.values.shape == (40, columns)
    assert matrix.values.dtype == np.int8
    assert (matrix.values.min(), matrix.values.max()) == (-8, 7)
    assert matrix.scales.shape == (40, 1)
    assert (matrix.scales > 0).all()
    assert error_of(weights, matrix.weights(), moments) == pytest.approx(matrix.error, rel=1e-4)
    assert matrix.error < 0.5 * error_of(weights, plainly(weights, 4), moments)
    assert rounding.rounded(weights, moments, 8).error < 0.02 * matrix.error


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    weights, moments = torch.randn(8, 40, generator=torch.Generator().manual_seed(4)), alike(40)
    whole = rounding.rounded(weights, moments, 4)
    monkeypatch.setattr(rounding, "BLOCK", 7)
    np.testing.assert_array_equal(rounding.rounded(weights, moments, 4).values, whole.values)


def test_what_is_rounded_is_rounded_to_the_same_again() -> None:
    weights, moments = torch.randn(20, 40, generator=torch.Generator().manual_seed(6)), alike(40)
    once = rounding.rounded(weights, moments, 4)
    again = rounding.rounded(once.weights(), alike(40, seed=7), 4)
    np.testing.assert_array_equal(again.values, once.values)
    np.testing.assert_allclose(again.scales, once.scales, rtol=1e-6)


def test_no_other_scale_is_better() -> None:
    weights, moments = torch.randn(20, 40, generator=torch.Generator().manual_seed(5)), alike(40)
    matrix = rounding.rounded(weights, moments, 4)
    damped = moments + rounding.DAMPING * moments.diagonal().mean() * torch.eye(40)
    least = error_of(weights, matrix.weights(), damped)
    for factor in (0.999, 1.001):
        assert error_of(weights, matrix.weights() * factor, damped) > least


def test_what_is_never_heard_costs_nothing() -> None:
    weights = torch.randn(8, 24, generator=torch.Generator().manual_seed(3))
    weights[3] = 0.0
    moments = alike(24)
    moments[5] = moments[:, 5] = 0.0
    weights[:, 5] = 0.0
    weights[0, 5] = 100.0
    matrix = rounding.rounded(weights, moments, 4)
    assert not matrix.values[3].any()
    assert np.isfinite(matrix.scales).all()
    assert matrix.error < 0.05
    silent = rounding.rounded(weights, torch.zeros(24, 24, dtype=torch.float64), 4)
    assert np.isfinite(silent.scales).all()
    assert np.abs(silent.values).max() <= 8


def test_every_matrix_of_the_layers_is_rounded_on_what_it_meets() -> None:
    context = made()
    before = {name: value.clone() for name, value in context.state_dict().items()}
    told: list[tuple[int, int]] = []
    done = rounding.round_layers(context, heard(), 4, lambda *step: told.append(step))
    assert list(done) == NAMES
    assert told == [(i + 1, 9) for i in range(9)]
    assert all(torch.equal(context.state_dict()[name], value) for name, value in before.items())
    again = rounding.round_layers(context, heard(), 4, lambda done, of: None)
    for name in NAMES:
        assert done[name].values.tobytes() == again[name].values.tobytes()
        assert done[name].scales.tobytes() == again[name].scales.tobytes()

    fitted, plain = made(), made()
    for name in NAMES:
        weights = context.get_submodule(name).weight
        fitted.get_submodule(name).weight.copy_(done[name].weights().view_as(weights))
        plain.get_submodule(name).weight.copy_(plainly(weights.flatten(1), 4).view_as(weights))
    # A matrix met what the rounded ones before it let through.
    states = [fitted.layers[0](fitted.enter(mel[None])) for mel in heard()]
    layer = fitted.layers[1]
    moments = rounding.second_moments(layer, layer.fc2, states)
    anew = rounding.rounded(context.layers[1].fc2.weight, moments, 4)
    np.testing.assert_array_equal(anew.values, done["layers.1.fc2"].values)
    np.testing.assert_array_equal(anew.scales, done["layers.1.fc2"].scales)

    generator = torch.Generator().manual_seed(9)
    unheard = torch.randn(1, 401, 80, generator=generator).cumsum(dim=1) / 5
    true = context(unheard)
    off = [float((other(unheard) - true).square().mean()) for other in (fitted, plain)]
    assert off[0] < 0.7 * off[1]


def test_clips_are_drawn_from_all_sources_and_bounded(tiny: Config) -> None:
    data = run.read_data(tiny)
    asked = replace(tiny, export=Export(calibration_s=9.0))
    mels = streams.some_mels(data.train, asked)
    seconds = [len(mel) / 100 for mel in mels]
    assert sum(seconds) >= 9.0 > sum(seconds[:-1])
    again = streams.some_mels(data.train, asked)
    assert all(np.array_equal(a, b) for a, b in zip(mels, again, strict=True))
    other = streams.some_mels(data.train, replace(asked, seed=99))
    assert not np.array_equal(mels[0], other[0])
    every = streams.some_mels(data.train, replace(tiny, export=Export(calibration_s=1e6)))
    assert len(every) == sum(len(takes) for takes in data.train)


def exported(bundle: bundles.Bundle, folders: dict[str, Path], to: Path, *words: str) -> int:
    sources = [f"--data={name}={folder}" for name, folder in folders.items()]
    takes = ["--config", str(CONFIGS / "tiny.toml"), *sources]
    return main(["export", str(bundle.path), *takes, *words, "--to", str(to)])


def test_a_bundle_is_exported_with_a_context_in_4_bits(
    bundle_with_context: bundles.Bundle, folders: dict[str, Path], tmp_path: Path
) -> None:
    words = ("--dtype", "int8", "--context-bits")
    for name in ("one", "two"):
        assert exported(bundle_with_context, folders, tmp_path / name, *words, "4") == 0
    assert exported(bundle_with_context, folders, tmp_path / "eight", *words, "8") == 0
    weights = [(tmp_path / name / bundles.WEIGHTS).read_bytes() for name in ("one", "two")]
    assert weights[0] == weights[1]

    one, eight = bundles.read(tmp_path / "one"), bundles.read(tmp_path / "eight")
    for name, value in one.core_tensors().items():
        narrow = f"{name}".removesuffix(".scale").startswith(
            ("encoder.context.layers.", "encoder.context.conv2.")
        )
        if narrow and value.dtype == np.int8:
            assert (value.min(), value.max()) == (-8, 7), name
        elif not narrow:
            np.testing.assert_array_equal(value, eight.core_tensors()[name], err_msg=name)
    about = one.manifest["training"]["context_rounding"]
    assert about["bits"] == 4
    assert list(about["errors"]) == NAMES
    assert max(about["errors"].values()) < 0.02

    # Exported once more, nothing is rounded twice.
    assert main(["export", str(one.path), "--dtype", "int8", "--to", str(tmp_path / "more")]) == 0
    assert (tmp_path / "more" / bundles.WEIGHTS).read_bytes() == weights[0]

    sound = np.random.default_rng(0).standard_normal(16000).astype(np.float32) * 0.1
    faces = []
    for bundle in (one, eight):
        runtime = Runtime(bundle, idle=0)
        faces.append(np.concatenate([runtime.step(sound), runtime.flush()]))
    assert 0.0 < np.abs(faces[0] - faces[1]).mean() < 0.05


def test_what_cannot_be_rounded_is_refused_by_name(
    bundle_at_60: bundles.Bundle,
    bundle_with_context: bundles.Bundle,
    folders: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    four = ("--dtype", "int8", "--context-bits", "4")
    assert exported(bundle_at_60, folders, tmp_path / "none", *four) == 2
    said = capsys.readouterr().err
    assert f"--context-bits 4: {bundle_at_60.path} has no encoder.context; leave" in said
    words = ("--dtype", "float16", "--context-bits", "4")
    assert exported(bundle_with_context, folders, tmp_path / "none", *words) == 2
    assert "--context-bits 4: expected --dtype int8, got float16" in capsys.readouterr().err
    assert main(["export", str(bundle_with_context.path), *four, "--to", str(tmp_path)]) == 2
    assert "expected --config with their sources" in capsys.readouterr().err
    graphs = ("--onnx", str(tmp_path), "--context-bits", "4")
    assert main(["export", str(bundle_with_context.path), *graphs]) == 2
    assert "not of graphs and engines" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_a_configuration_asks_for_it(tiny: Config, tmp_path: Path) -> None:
    """The end of a run, whose talker has random weights here."""
    shape = ContextConfig(**random_bundle.CONTEXT)
    asked = replace(
        tiny,
        dtype="int8",
        encoder=replace(tiny.encoder, context=shape),
        export=Export(context_bits=4, calibration_s=10.0),
    )
    check(asked, "asked")
    assert asked.describe() == replace(asked, export=Export()).describe()
    data = run.read_data(asked)
    talker = build(asked, run.identities_of(asked, data))
    told: list[int] = []
    bundle = run.write_bundle(
        talker,
        data.speakers,
        asked,
        data,
        tmp_path,
        tmp_path / "bundle",
        on_matrix=lambda done, of: told.append(done),
    )
    assert told == [*range(1, 10)]
    values = bundle.core_tensors()["encoder.context.layers.1.fc2.weight"]
    assert (values.dtype, values.min(), values.max()) == (np.int8, -8, 7)
    assert bundle.manifest["training"]["context_rounding"]["bits"] == 4

    for wrong, words in (
        (replace(asked, dtype="float16"), "expected dtype = \"int8\", got 'float16'"),
        (replace(asked, encoder=EncoderConfig()), "no encoder.context to round"),
        (replace(asked, export=Export(context_bits=5)), "expected 4 or 8, got 5"),
        (replace(asked, export=Export(calibration_s=0.0)), "expected above 0, got 0"),
    ):
        with pytest.raises(ConfigError, match=words):
            check(wrong, "wrong")
    with pytest.raises(ConfigError, match="got none"):
        rounding.narrow_context(talker.encoder.context, [[], []], asked)
    with pytest.raises(ConfigError, match="convolutions alone"):
        rounding.narrow_context(None, data.train, asked)
