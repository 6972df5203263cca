"""Sounds that are no speech: what they are like, and that the mouth rests through them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

pytest.importorskip("torch")

import train_corpus
from paths import CONFIGS

from diffusiontalker.curves import CURVES
from diffusiontalker.train import config, corpora
from diffusiontalker.train.config import Augmentation, Config, ConfigError, check
from diffusiontalker.train.corpora import Recording
from diffusiontalker.train.data import noises, streams
from diffusiontalker.train.data.streams import Draw, Stream

TINY = CONFIGS / "tiny.toml"
MOUTH = [i for i, name in enumerate(CURVES) if name.startswith(("jawOpen", "mouth"))]
SECONDS = 4
SAMPLES = SECONDS * noises.RATE_HZ


def envelope(sound: np.ndarray) -> np.ndarray:
    """RMS of every 10 ms, with 1 for the loudest."""
    power = np.square(sound[: len(sound) // 160 * 160]).reshape(-1, 160).mean(axis=1)
    return np.asarray(np.sqrt(power / power.max()))


def test_every_kind_that_a_configuration_may_name_is_there() -> None:
    assert tuple(noises.KINDS) == config.NOISE_KINDS


@pytest.mark.parametrize("kind", noises.KINDS)
def test_a_sound_follows_from_its_generator_and_has_the_level_asked_for(kind: str) -> None:
    draw_noise = partial(noises.draw_noise, kinds=(kind,))
    for seed in range(5):
        sound = draw_noise(SAMPLES, -30.0, np.random.default_rng(seed))
        assert sound.shape == (SAMPLES,)
        assert sound.dtype == np.float32
        assert 10 * np.log10(np.mean(np.square(sound))) == pytest.approx(-30.0, abs=0.01)
        again = draw_noise(SAMPLES, -30.0, np.random.default_rng(seed))
        other = draw_noise(SAMPLES, -30.0, np.random.default_rng(seed + 100))
        assert np.array_equal(sound, again)
        assert not np.array_equal(sound, other)
    for samples in (0, 1, 50):
        short = draw_noise(samples, -30.0, np.random.default_rng(0))
        assert short.shape == (samples,)
        assert np.isfinite(short).all()


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds that are drawn, in place of their sounds."""
    kinds: list[str] = []

    def stand_in(kind: str) -> Callable[[int, np.random.Generator], np.ndarray]:
        return lambda samples, rng: kinds.append(kind) or np.ones(samples, np.float32)

    monkeypatch.setattr(noises, "KINDS", {kind: stand_in(kind) for kind in noises.KINDS})
    return kinds


def test_every_kind_is_drawn_as_often_as_it_is_named(drawn: list[str]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        noises.draw_noise(10, -20.0, rng)
    assert {*drawn} == {"keys", "breath", "tones", "swell"}
    assert all(drawn.count(kind) > 8 for kind in noises.KINDS)
    drawn.clear()
    for _ in range(300):
        noises.draw_noise(10, -20.0, rng, ("breath", "keys", "breath"))
    assert {*drawn} == {"keys", "breath"}
    assert 160 < drawn.count("breath") < 240


def test_a_pause_takes_the_kinds_that_the_configuration_names(drawn: list[str]) -> None:
    options = Augmentation(other_chance=1.0, other_kinds=("tones",))
    rng = np.random.default_rng(0)
    how = streams.draw(rng, options, 1.5, clean=False)
    take = Recording("one", "anna", "", np.ones(1600, np.float32))
    streams._sound(take, how, rng)
    assert drawn == ["tones"]


def test_a_kind_that_there_is_not_is_refused(tiny: Config) -> None:
    for kinds, said in ((("sneeze",), "sneeze"), ((), "none")):
        other = replace(tiny, augmentation=replace(tiny.augmentation, other_kinds=kinds))
        expected = rf"c\.toml: augmentation\.other_kinds: .* keys, breath, tones, swell, got {said}"
        with pytest.raises(ConfigError, match=expected):
            check(other, "c.toml")
    # Runs from before there was a choice go on.
    assert "other_kinds" not in tiny.describe()["augmentation"]


def test_each_kind_sounds_like_what_it_is() -> None:
    for seed in range(5):
        # Keys are short: most of the time it is quiet, and the loud moments are many.
        typed = envelope(noises.keys(SAMPLES, np.random.default_rng(seed)))
        assert np.mean(typed < 0.1) > 0.4
        struck = (typed[1:] > 0.2) & (typed[:-1] <= 0.2)
        assert 1.5 * SECONDS < struck.sum() < 25 * SECONDS
        # Breath swells for long and fades to nothing.
        breathed = envelope(noises.breath(SAMPLES, np.random.default_rng(seed)))
        assert breathed.min() < 0.05
        assert np.mean(breathed > 0.3) > 0.1
        # A swell is plain noise whose level rises and falls slowly.
        swollen = envelope(noises.swell(SAMPLES, np.random.default_rng(seed)))
        assert swollen.min() < 0.3 * swollen.max()
        # Music is a few lines in the spectrum, breath is not.
        lines = []
        for make in (noises.tones, noises.breath):
            power = np.abs(np.fft.rfft(make(SAMPLES, np.random.default_rng(seed)))) ** 2
            power.sort()
            lines.append(power[-len(power) // 50 :].sum() / power.sum())
        assert lines[0] > 0.6
        assert lines[1] < 0.5


def test_coloured_noise_falls_as_its_exponent_says() -> None:
    for exponent, fall_db in ((0.0, 0.0), (1.0, 3.0), (2.0, 6.0)):
        sound = noises.coloured_noise(16 * SAMPLES, exponent, np.random.default_rng(1))
        assert np.mean(np.square(sound)) == pytest.approx(1.0, rel=1e-3)
        power = np.abs(np.fft.rfft(sound)) ** 2
        hz = np.fft.rfftfreq(len(sound), 1 / noises.RATE_HZ)
        octaves = [power[(hz >= f) & (hz < 1.1 * f)].mean() for f in (500, 1000, 2000)]
        falls = -10 * np.diff(np.log10(octaves))
        np.testing.assert_allclose(falls, fall_db, atol=0.6)


# ----------------------------------------------------------------------------------- in the pauses


def test_a_chance_of_0_leaves_silence_and_of_1_fills_every_pause() -> None:
    rng = np.random.default_rng(0)
    never, always = Augmentation(other_chance=0.0), Augmentation(other_chance=1.0)
    for _ in range(50):
        assert streams.draw(rng, never, 1.5, clean=False).gap_noise_db is None
        assert streams.draw(rng, always, 1.5, clean=True).gap_noise_db is None
        filled = streams.draw(rng, always, 1.5, clean=False)
        assert filled.gap_noise_db is not None
        assert always.other_db[0] <= filled.gap_noise_db <= always.other_db[1]
        assert always.other_s[0] <= filled.gap_s <= always.other_s[1]
    often = [
        streams.draw(rng, Augmentation(other_chance=0.25), 1.5, clean=False).gap_noise_db
        for _ in range(400)
    ]
    assert 60 < sum(level is not None for level in often) < 140


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> tuple[config.Config, list]:  # type: ignore[type-arg]
    folder = tmp_path_factory.mktemp("takes")
    for i in range(2):
        train_corpus.write_spoken(folder, f"anna{i}", "anna", seed=10 * i)
    settings = config.load(TINY)
    return replace(settings, sources=settings.sources[:1]), corpora.load(folder).train


def made(spoken: tuple[config.Config, list], how: Draw) -> tuple[Stream, list[tuple[float, float]]]:  # type: ignore[type-arg]
    """Both takes with that draw each, and where their pauses lie in seconds."""
    settings, takes = spoken
    stream = streams.make_stream(takes, [how] * 2, settings, np.random.default_rng(3))
    pauses, at_s = [], how.gap_s
    for take in takes:
        at_s += take.duration_s
        pauses.append((at_s, at_s + how.gap_s))
        at_s += how.gap_s
    return stream, pauses


def test_the_face_rests_and_nobody_speaks_while_other_sounds_are_heard(
    spoken: tuple[config.Config, list],  # type: ignore[type-arg]
) -> None:
    loud = ("keys", "breath", "tones")  # a swell may be too faint where it is cut
    filled, pauses = made(spoken, Draw(gap_s=1.5, gap_noise_db=-20.0, gap_noises=loud))
    silent, _ = made(spoken, Draw(gap_s=1.5))
    assert filled.mel.shape == silent.mel.shape
    # The lips' last release is over by then, and the next take's first phone is silence.
    for start_s, end_s in pauses:
        frames = slice(round(60 * (start_s + 0.3)), round(60 * (end_s - 0.1)))
        columns = slice(round(100 * (start_s + 0.3)), round(100 * (end_s - 0.1)))
        rest = filled.curves[frames][:, MOUTH].astype(np.float32)
        # Measured lips are slow to come back from a spread vowel: 0.14 s for one sigma.
        assert np.ptp(rest, axis=0).max() < 0.05
        assert filled.curves[frames, CURVES.index("jawOpen")].max() < 0.03
        assert not filled.voiced[frames].any()
        heard = filled.mel[columns].astype(np.float32) - silent.mel[columns]
        assert heard.max(axis=1).mean() > 0.5  # it is there to be heard, and loud
    # Speech itself counts as without, but for the frames whose sound reaches over a pause's edges.
    assert silent.voiced.sum() > 100
    assert not (silent.voiced & ~filled.voiced).any()
    assert (filled.voiced & ~silent.voiced).sum() <= 8 * len(pauses)
    assert np.array_equal(filled.curves[:, MOUTH], silent.curves[:, MOUTH])


def test_speech_still_counts_as_voiced_where_a_filled_pause_ends(
    spoken: tuple[config.Config, list],  # type: ignore[type-arg]
) -> None:
    filled, pauses = made(spoken, Draw(gap_s=0.9, gap_noise_db=-20.0, gain=0.5))
    spoken_from = round(60 * (pauses[0][1] + 0.45))  # the second take opens with 0.4 s of silence
    assert filled.voiced[spoken_from : spoken_from + 60].mean() > 0.9
