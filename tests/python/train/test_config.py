"""Configurations: what is refused, and how one extends another."""

from __future__ import annotations

from pathlib import Path

import pytest

from diffusiontalker.train import config


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
        (
            "name='x'\ndtype='int4'\nsources=[{name='a', path='a'}]\nstages=[{steps=32, epochs=1}]",
            "dtype: expected float32, float16 or int8, got int4",
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
    third = tmp_path / "third.toml"
    third.write_text("extends = 'other.toml'\nname = 'third'\n[decoder]\nlayers = 1\n")
    made = config.load(third)
    assert (made.name, made.seed, made.decoder.hidden, made.decoder.layers) == ("third", 5, 64, 1)
    assert [stage.steps for stage in made.stages] == [32]
    (tmp_path / "base.toml").write_text(f"extends = 'third.toml'\n{base}")
    with pytest.raises(config.ConfigError, match=r"other\.toml: other\.toml extends itself"):
        config.load(other)
    (tmp_path / "lost.toml").write_text("extends = 'nowhere.toml'\n")
    with pytest.raises(config.ConfigError, match=r"no configuration .*nowhere\.toml"):
        config.load(tmp_path / "lost.toml")
