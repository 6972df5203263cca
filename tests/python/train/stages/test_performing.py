"""Measured people perform voices that nobody filmed: who teaches, who speaks, whose face."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")

from diffusiontalker.curves import CURVES  # noqa: E402
from diffusiontalker.train.config import (  # noqa: E402
    Config,
    ConfigError,
    ContextConfig,
    Performing,
    Speech,
)
from diffusiontalker.train.data import streams  # noqa: E402
from diffusiontalker.train.networks.context import Whisper  # noqa: E402
from diffusiontalker.train.recipes import run  # noqa: E402
from diffusiontalker.train.stages import performing  # noqa: E402

JAW = performing.MOUTH.index(CURVES.index("jawOpen"))


@pytest.fixture
def whisper(monkeypatch: pytest.MonkeyPatch) -> Whisper:
    torch.manual_seed(0)
    small = Whisper(ContextConfig(layers=2, width=24, heads=3, hidden=48, window=5))
    for parameter in small.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    small = small.eval().requires_grad_(False)
    monkeypatch.setattr(performing, "load_whisper", lambda path: small)
    return small


@pytest.fixture
def settings(tiny: Config) -> Config:
    return replace(
        tiny,
        anyone="anyone",
        anyone_share=0.0,
        performing=Performing(
            faces=("anyone", "anna"),
            voices=("measured", "spoken"),
            teachers=2,
            epochs=2,
            layers=2,
            share=0.5,
        ),
        sources=(replace(tiny.sources[0], speaker="anna"), *tiny.sources[1:]),
    )


def test_a_teacher_tells_people_apart_and_hears_a_jaw() -> None:
    rng = np.random.default_rng(0)

    def clip(person: int) -> performing.Clip:
        tokens = rng.standard_normal((100, 24)).astype(np.float32)
        loud = np.convolve(tokens[::2, 0], np.ones(5) / 5, "same").astype(np.float32)
        mouth = np.zeros((50, len(performing.MOUTH)), np.float32)
        mouth[:, JAW] = 0.5 + (0.3 if person else 0.1) * loud
        return performing.Clip(tokens, mouth, person)

    clips = [clip(i % 2) for i in range(64)]
    units = performing.units_of(clips)
    teacher = performing.train_teacher(clips, 2, units, 30, seed=1)
    again = performing.train_teacher(clips, 2, units, 1, seed=1)
    once_more = performing.train_teacher(clips, 2, units, 1, seed=1)
    assert torch.equal(again.head.weight, once_more.head.weight)
    fresh = clip(1)
    said = performing.read([teacher], units, fresh.tokens, 2)[:, :, JAW]
    assert np.corrcoef(said[1], fresh.mouth[:, JAW])[0, 1] > 0.7
    assert said[1].std() > 1.5 * said[0].std()


def test_every_voice_is_performed_but_as_its_own_face(
    settings: Config, whisper: Whisper, tmp_path: Path
) -> None:
    data = run.read_data(settings)
    told: list[tuple[int, int]] = []
    takes = performing.performed(settings, data.train, tmp_path, lambda *at: told.append(at))
    assert told[-1][0] == told[-1][1] == len(told)
    measured, spoken = (len(takes) for takes in data.train)
    assert [sum(take.speaker == face for take in takes) for face in ("anyone", "anna")] == [
        measured + spoken,
        spoken,
    ]
    for take in takes:
        assert take.curves is not None
        assert take.curves.shape[1] == 52
        assert len(take.curves) == pytest.approx(take.duration_s * 25, abs=2)
        assert take.curves.min() >= 0.0
        assert take.curves.max() <= 1.0
    # What is kept is what was made, and each version has its part of it.
    kept = performing.performed(settings, data.train, tmp_path)
    for a, b in zip(takes, kept, strict=True):
        np.testing.assert_array_equal(a.curves, b.curves)
    parts = [{take.id for take in performing.of_version(takes, v, 0.5)} for v in range(2)]
    assert parts[0] | parts[1] == {take.id for take in takes}
    assert len(parts[0] & parts[1]) <= 1

    versions = run.lent_takes(settings, data, tmp_path, lambda done, of: None)
    assert len(versions) == settings.augmentation.versions
    made = streams.make_version(data.train, settings, 0, borrowed=versions[0])
    anyones = [stream for stream in made if stream.speaker == "anyone"]
    assert anyones
    assert not any(stream.voiced.any() for stream in anyones)  # nobody's voice is theirs
    without = replace(settings, performing=Performing())
    assert streams.cache_key(data.train, settings, "") != streams.cache_key(data.train, without, "")


def test_speech_that_has_no_takes_is_performed_in_pieces(
    settings: Config, whisper: Whisper, tmp_path: Path
) -> None:
    data = run.read_data(settings)
    rng = np.random.default_rng(1)
    for index, seconds in enumerate((2.0, 15.0)):
        sound = 0.1 * rng.standard_normal(round(seconds * 16000))
        soundfile.write(tmp_path / f"{index}.wav", sound, 16000)
    speech = Speech("radio", str(tmp_path))
    options = replace(settings.performing, faces=("anna",), voices=("spoken", "radio"))
    heard = replace(
        settings, listening=replace(settings.listening, speech=(speech,)), performing=options
    )
    takes = performing.perform_voices(heard, data.train)
    pieces = [take for take in takes if take.id.startswith("radio-")]
    assert {take.speaker for take in takes} == {"anna"}
    assert max(take.duration_s for take in pieces) <= 6.0
    assert sum(take.duration_s for take in pieces) == pytest.approx(17.0, abs=1.0)
    assert len(takes) == len(pieces) + len(data.train[1])


def test_names_that_mean_nothing_are_refused(
    settings: Config, whisper: Whisper, tmp_path: Path
) -> None:
    data = run.read_data(settings)
    for key, word in (("faces", "nobody"), ("voices", "nothing")):
        wrong = replace(settings, performing=replace(settings.performing, **{key: (word,)}))
        with pytest.raises(ConfigError, match=f"performing.{key}.*{word}"):
            performing.performed(wrong, data.train, tmp_path)
