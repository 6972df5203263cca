"""The parts of training, each held to its definition."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import train_corpus  # noqa: E402

from diffusiontalker import _core  # noqa: E402
from diffusiontalker.curves import CURVES  # noqa: E402
from diffusiontalker.train import config, corpora, diffusion, lip_axes, metrics, streams  # noqa: E402
from diffusiontalker.train.corpora import Phone  # noqa: E402
from diffusiontalker.train.corpora.phone_timed import merge_marks  # noqa: E402
from diffusiontalker.train.model import AudioEncoder, Talker, at_frames, columns_for  # noqa: E402
from diffusiontalker.train.performer import perform, style_of  # noqa: E402


def test_schedule_matches_the_published_numbers() -> None:
    abar = diffusion.alpha_bars(32, 8)[1:]
    expected = [0.873, 0.538, 0.227, 0.063, 0.0109, 1.1e-3, 6e-5, 2e-6]
    np.testing.assert_allclose(abar.numpy(), expected, rtol=0.2)
    assert diffusion.table_row(8, 8, 32) == 31
    assert diffusion.table_row(1, 16, 32) == 1
    with pytest.raises(ValueError, match="at least 21"):
        diffusion.alpha_bars(16)


def test_ddim_recovers_x0_from_a_perfect_network() -> None:
    x0 = torch.randn(2, 5, 52, dtype=torch.float64)
    abar = diffusion.alpha_bars(32, 8)
    seen: list[int] = []

    def perfect(x: torch.Tensor, n: int) -> torch.Tensor:
        seen.append(n)
        return x0

    out = diffusion.sample(perfect, torch.randn_like(x0), abar)
    assert seen == [8, 7, 6, 5, 4, 3, 2, 1]
    assert torch.equal(out, x0)


def test_ddim_step_stays_on_the_path_of_its_noise() -> None:
    abar = diffusion.alpha_bars(32, 16)
    x0, eps = torch.randn(2, 3, 4, 52, dtype=torch.float64)
    x_t = diffusion.diffuse(x0, eps, abar[9])
    x_s = diffusion.ddim_step(x_t, x0, abar[9], abar[8])
    torch.testing.assert_close(x_s, diffusion.diffuse(x0, eps, abar[8]))


def test_distillation_target_of_a_consistent_teacher_is_its_x0() -> None:
    abar = diffusion.alpha_bars(32, 16)
    x0 = torch.randn(8, 3, 52, dtype=torch.float64)
    eps = torch.randn_like(x0)
    n = torch.arange(1, 9)
    z_t = diffusion.diffuse(x0, eps, abar[2 * n][:, None, None])
    target = diffusion.distillation_target(lambda z, index: x0, z_t, n, abar)
    torch.testing.assert_close(target, x0)
    weight = diffusion.distillation_weight(n, diffusion.alpha_bars(32, 8))
    assert float(diffusion.distillation_loss(x0, target, weight)) < 1e-20
    assert float(weight.min()) == 1.0
    assert float(weight[0]) == pytest.approx(0.873 / 0.127, rel=0.02)


def test_distillation_target_is_two_ddim_steps_and_at_one_the_second() -> None:
    abar = diffusion.alpha_bars(32, 16)
    guess = torch.randn(17, 2, 52, dtype=torch.float64)
    z_t = torch.randn(8, 2, 52, dtype=torch.float64)
    n = torch.arange(1, 9)
    target = diffusion.distillation_target(lambda z, index: guess[index], z_t, n, abar)
    torch.testing.assert_close(target[0], guess[1])
    for i in range(1, 8):
        t = 2 * int(n[i])
        z_m = diffusion.ddim_step(z_t[i], guess[t], abar[t], abar[t - 1])
        z_s = diffusion.ddim_step(z_m, guess[t - 1], abar[t - 1], abar[t - 2])
        # One student step from z_t with this x0 must land where two teacher steps do.
        student = diffusion.ddim_step(z_t[i], target[i], abar[t], abar[t - 2])
        torch.testing.assert_close(student, z_s)


def test_encoder_is_causal_and_frames_read_their_columns() -> None:
    torch.manual_seed(0)
    encoder = AudioEncoder(16, (1, 2, 4)).eval()
    mel = torch.randn(1, 60, 80)
    changed = mel.clone()
    changed[:, 40:] += 1
    before, after = encoder(mel), encoder(changed)
    assert torch.equal(before[:, :40], after[:, :40])
    assert not torch.allclose(before[:, 40:], after[:, 40:])
    ramp = torch.arange(50.0)[None, :, None]
    at = at_frames(ramp, 12, Fraction(60), 4)[0, :, 0]
    np.testing.assert_allclose(at.numpy(), 4 + np.arange(12) * 100 / 60, rtol=1e-6)
    assert columns_for(12, Fraction(60), 4) == 24


def test_decoder_state_carries_over_chunks() -> None:
    torch.manual_seed(0)
    talker = Talker(speakers=2, channels=16, dilations=(1, 2), hidden=32).double().eval()
    audio, x = torch.randn(1, 20, 16).double(), torch.randn(1, 20, 52).double()
    identity, row = talker.identity()[:1], torch.tensor([3])
    whole, _ = talker.decoder(audio, identity, row, x)
    state = None
    parts = []
    for start in (0, 1, 8):
        end = {0: 1, 1: 8, 8: 20}[start]
        part, state = talker.decoder(audio[:, start:end], identity, row, x[:, start:end], state)
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)


def test_marks_give_their_time_to_neighbours() -> None:
    timed = [
        ("_", 0.0, 0.2), ("b", 0.2, 0.25), ("ˈ", 0.25, 0.3), ("i", 0.3, 0.35), ("ː", 0.35, 0.4),
        (" ", 0.4, 0.5), ("t", 0.5, 0.6), (" ", 0.6, 1.0), ("u", 1.0, 1.1),
    ]  # fmt: skip
    phones = merge_marks(timed)
    assert [p.symbol for p in phones] == ["_", "b", "i", "t", "_", "u"]
    assert phones[2] == Phone("i", 0.25, 0.45, True)
    assert phones[3] == Phone("t", 0.45, 0.6, False)


def performance(symbols: str, **options: object) -> tuple[np.ndarray, list[Phone]]:
    phones = [Phone("_", 0.0, 0.5)]
    for symbol in symbols:
        phones.append(Phone(symbol, phones[-1].end_s, phones[-1].end_s + 0.1, True))
    phones.append(Phone("_", phones[-1].end_s, phones[-1].end_s + 0.7))
    frames = int(phones[-1].end_s * 60)
    curves = perform(phones, frames, style=style_of("anna"), seed=1, **options)  # type: ignore[arg-type]
    return curves, phones


def at(curves: np.ndarray, name: str, seconds: float) -> float:
    return float(curves[round(seconds * 60), CURVES.index(name)])


@pytest.mark.parametrize("symbol", "pbm")
def test_bilabials_close_between_open_vowels(symbol: str) -> None:
    curves, phones = performance(f"ɑ{symbol}ɑ")
    middle_s = phones[2].start_s + 0.05
    gap = (curves @ lip_axes.matrix())[:, 0]  # on the head that the mouth was fitted to
    assert gap[round(middle_s * 60)] < 0.005
    assert at(curves, "mouthPressLeft", middle_s) > 0.1  # 0.14 where measured lips close
    assert at(curves, "jawOpen", phones[1].start_s + 0.05) > 0.15
    assert metrics.closures(curves, phones, 60.0) == (1, 1)


def test_the_mouth_is_shut_in_silence_and_alive_in_speech() -> None:
    curves, phones = performance("ɑsuʃifo")
    rest = [0.1, phones[-1].end_s - 0.2]
    for name in ("jawOpen", "mouthFunnel", "mouthPucker", "mouthLowerDownLeft"):
        # Measured jaws begin to open for a wide vowel while it is still silent, and rest is not 0.
        most = 0.12 if name == "mouthPucker" else 0.05
        assert all(at(curves, name, t) < most for t in rest), name
    spoken = curves[30 : int(phones[-1].start_s * 60)]
    for name, least in (("jawOpen", 0.15), ("mouthPucker", 0.1), ("mouthFunnel", 0.03)):
        assert spoken[:, CURVES.index(name)].max() > least, name
    assert curves.min() >= 0.0
    assert curves.max() <= 1.0


@pytest.mark.parametrize("pause_s", [0.5, 1.0, 3.0])
def test_the_mouth_shuts_smoothly_into_a_silence_of_any_length(pause_s: float) -> None:
    phones = [Phone("_", 0.0, pause_s)]
    for symbol in "ɑtoɑ":
        phones.append(Phone(symbol, phones[-1].end_s, phones[-1].end_s + 0.1))
    phones.append(Phone("_", phones[-1].end_s, phones[-1].end_s + pause_s))
    curves = perform(phones, int(phones[-1].end_s * 60), style=style_of("anna"), seed=1)
    jaw = curves[:, CURVES.index("jawOpen")]
    assert jaw.max() > 0.3
    assert np.abs(np.diff(jaw)).max() < 0.5 * jaw.max()
    assert at(curves, "jawOpen", phones[-1].start_s + 0.25) < 0.02


def test_lips_round_early_tuck_for_f_and_narrow_for_s() -> None:
    curves, phones = performance("tttu")
    start_s = phones[4].start_s
    assert at(curves, "mouthPucker", start_s - 0.03) > 0.05  # as measured faces do
    tucked, phones = performance("ɑfɑ")
    assert at(tucked, "mouthRollLower", phones[2].start_s + 0.05) > 0.3
    hissed, phones = performance("ɑsɑ")
    middle_s = phones[2].start_s + 0.05  # the jaw comes a little later than the sound
    assert at(hissed, "jawOpen", middle_s + 0.03) < 0.85 * at(hissed, "jawOpen", middle_s - 0.15)


def test_a_performance_follows_from_its_seed_and_the_mouth_from_the_phones() -> None:
    first, phones = performance("ɑsu" * 8)
    again = perform(phones, len(first), style=style_of("anna"), seed=1)
    other = perform(phones, len(first), style=style_of("anna"), seed=2)
    assert np.array_equal(first, again)
    lips = [CURVES.index(name) for name in ("jawOpen", "mouthPucker", "mouthFunnel")]
    assert np.array_equal(first[:, lips], other[:, lips])
    assert not np.array_equal(first, other)
    assert style_of("anna") == style_of("anna")
    assert style_of("anna") != style_of("bert")


def test_takes_are_read_by_name_and_broken_ones_are_named(tmp_path: Path) -> None:
    folders = train_corpus.write_corpus(tmp_path)
    corpus = corpora.load(folders["measured"], hold_out=1)
    assert len(corpus.train) == 4
    assert len(corpus.held_out) == 1
    assert {skip.path.stem for skip in corpus.skipped} == {"truncated", "silent"}
    assert any("not whole JSON" in skip.reason for skip in corpus.skipped)
    assert any("no audio" in skip.reason for skip in corpus.skipped)
    by_id = {take.id: take for take in corpus.train + corpus.held_out}
    train_corpus.write_measured(tmp_path / "plain", "shuffled", seed=9)
    plain = corpora.load(tmp_path / "plain").train[0]
    assert plain.curves is not None
    np.testing.assert_array_equal(by_id["shuffled"].curves, plain.curves)
    assert by_id["shuffled"].rate_hz == pytest.approx(25.0)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        corpora.load(tmp_path / "nowhere")


def test_calibration_takes_the_rest_out_and_leaves_the_mouth(tmp_path: Path) -> None:
    train_corpus.write_measured(tmp_path, "one", seed=1)
    corpus = corpora.load(tmp_path)
    squint = [name for name in CURVES if "Squint" in name]
    after = corpora.calibrate(corpus, rest_percentile=20, rest_curves=squint, gain={})
    before_curves, after_curves = corpus.train[0].curves, after.train[0].curves
    assert before_curves is not None
    assert after_curves is not None
    jaw = CURVES.index("jawOpen")
    np.testing.assert_array_equal(before_curves[:, jaw], after_curves[:, jaw])
    assert before_curves[:, CURVES.index("eyeSquintLeft")].mean() == pytest.approx(0.5)
    assert after_curves[:, CURVES.index("eyeSquintLeft")].max() < 1e-6


def test_interpolation_meets_its_points_and_never_overshoots() -> None:
    times = np.array([0.0, 0.04, 0.08, 0.5, 0.54])
    values = np.array([[0.0], [1.0], [1.0], [0.0], [0.3]], np.float32)
    at_points = streams.monotone_cubic(times, values, times)
    np.testing.assert_allclose(at_points, values, atol=1e-6)
    between = streams.monotone_cubic(times, values, np.linspace(-0.1, 0.7, 500))
    assert between.min() >= -1e-6
    assert between.max() <= 1.0 + 1e-6


def test_voiced_frames_look_a_little_around() -> None:
    columns = np.zeros(100, np.bool_)
    columns[50] = True  # the column at 0.5 s
    voiced = streams.voiced_frames(columns, 55, Fraction(60), 4)
    assert np.flatnonzero(voiced).tolist() == [28, 29, 30, 31]
    silence = _core.log_mel(np.zeros(16000, np.float32), True)[1]
    assert not streams.voiced_columns(silence).any()


def test_windows_of_an_epoch_are_the_same_on_every_call(tmp_path: Path) -> None:
    folders = train_corpus.write_corpus(tmp_path)
    settings = config.load(
        Path(__file__).parents[2] / "configs" / "tiny.toml", {k: str(v) for k, v in folders.items()}
    )
    takes = [corpora.load(folder).train for folder in folders.values()]
    made = streams.make_version(takes, settings, 1)
    again = streams.make_version(takes, settings, 1)
    assert all(np.array_equal(a.mel, b.mel) for a, b in zip(made, again, strict=True))
    assert all(np.array_equal(a.curves, b.curves) for a, b in zip(made, again, strict=True))
    names = sorted({stream.speaker for stream in made})
    kwargs = {
        "window_frames": 90,
        "batch": 2,
        "rate": Fraction(60),
        "lookahead_columns": 4,
        "seed": [1, 2],
    }
    first = [load() for load in streams.epoch_batches(made, names, **kwargs)]  # type: ignore[arg-type]
    second = [load() for load in streams.epoch_batches(made, names, **kwargs)]  # type: ignore[arg-type]
    assert len(first) > 3
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a.mel, b.mel)
        assert a.mel.shape == (2, columns_for(90, Fraction(60), 4), 80)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = 'x'\nsteps = 3", "unknown"),
        ("name = 'x'\nsources = []\nstages = []", "at least one"),
        ("name = 3\nsources = []\nstages = []", "expected str"),
        ("name = ", "not TOML"),
        (
            "name='x'\nsources=[{name='a', path='a'}]\n"
            "stages=[{steps=32, epochs=1}, {steps=8, epochs=1}]",
            "keeps or halves",
        ),
    ],
)
def test_a_wrong_configuration_is_refused_in_a_sentence(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(config.ConfigError, match=message):
        config.load(tmp_path / "c.toml")


def test_a_configuration_can_say_only_what_differs_from_another(tmp_path: Path) -> None:
    stage = "[[stages]]\nsteps = {}\nepochs = 1\n"
    source = '[[sources]]\nname = "one"\npath = "takes"\n'
    base = f"seed = 5\nname = 'base'\n[decoder]\nhidden = 64\nlayers = 3\n{source}"
    (tmp_path / "base.toml").write_text(base + stage.format(32) + stage.format(16))
    other = tmp_path / "other.toml"
    other.write_text(
        "extends = 'base.toml'\nname = 'other'\n[decoder]\nlayers = 2\n" + stage.format(32)
    )
    made = config.load(other)
    assert (made.name, made.seed, made.decoder.hidden, made.decoder.layers) == ("other", 5, 64, 2)
    assert [stage.steps for stage in made.stages] == [32]  # a list is replaced as a whole
    assert [source.path for source in made.sources] == ["takes"]
    (tmp_path / "third.toml").write_text("extends = 'other.toml'\n")
    with pytest.raises(config.ConfigError, match="extends a file that extends another"):
        config.load(tmp_path / "third.toml")
    (tmp_path / "lost.toml").write_text("extends = 'nowhere.toml'\n")
    with pytest.raises(config.ConfigError, match=r"no configuration .*nowhere\.toml"):
        config.load(tmp_path / "lost.toml")
