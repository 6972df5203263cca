"""A run whose files were damaged goes on from what is whole, to the same weights, or says which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

from diffusiontalker import bundle as bundles
from diffusiontalker.train import checkpoint
from diffusiontalker.train.config import Config
from diffusiontalker.train.measure.plots import read_log
from diffusiontalker.train.recipes import rows, run


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def flip(path: Path) -> None:
    """One bit in the middle, which torch.load does not see."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x40
    path.write_bytes(bytes(data))


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.fixture(scope="module")
def config(tiny: Config) -> Config:
    return replace(tiny, stages=(replace(tiny.stages[0], epochs=1),))


@pytest.fixture(scope="module")
def whole(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert run.train_bundle(config, folder) is not None
    return folder


def again(config: Config, folder: Path) -> tuple[str, list[str]]:
    """(digest of the bundle, what was told) of the same run once more."""
    notes: list[str] = []
    made = run.train_bundle(config, folder, run.Progress(on_note=notes.append))
    assert made is not None
    return made.sha256, notes


STAGE = "0-teacher"


@pytest.mark.parametrize("damage", [cut, flip, empty])
@pytest.mark.parametrize(
    "files",
    [
        ["final.pt"],
        ["final.pt", "checkpoint.pt"],
        ["final.pt", "checkpoint.pt", "checkpoint.previous.pt"],
    ],
    ids=len,
)
def test_damaged_states_are_gone_behind(
    config: Config,
    whole: Path,
    tmp_path: Path,
    files: list[str],
    damage: Callable[[Path], None],
) -> None:
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    for name in files:
        damage(folder / STAGE / name)
    digest, notes = again(config, folder)
    assert digest == bundles.read(whole / "bundle").sha256
    assert len(notes) == len(files)
    for name, note in zip(files, notes, strict=True):
        assert str(folder / STAGE / name) in note
        assert "is damaged" in note
        assert "\n" not in note
    # What was made again is whole.
    assert again(config, folder) == (digest, [])


@pytest.mark.parametrize("damage", [cut, flip, empty])
def test_damaged_caches_are_made_again(
    config: Config, whole: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    shutil.rmtree(folder / STAGE)
    caches = [*(folder / "cache").rglob("*.npz")]
    assert len(caches) > config.augmentation.versions
    for path in caches:
        damage(path)
    digest, notes = again(config, folder)
    assert digest == bundles.read(whole / "bundle").sha256
    assert notes == []


def test_a_file_of_something_else_is_named(config: Config, whole: Path, tmp_path: Path) -> None:
    import shutil

    import torch

    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    final = folder / STAGE / "final.pt"
    kept = checkpoint.load(final)
    torch.save({"config": kept["config"], "talker": {}}, final)
    with pytest.raises(checkpoint.Damaged, match="remove it") as caught:
        again(config, folder)
    assert str(final) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_state_before_the_newest_is_kept(tmp_path: Path) -> None:
    newest, previous = tmp_path / checkpoint.NEWEST, tmp_path / checkpoint.PREVIOUS
    for step in range(3):
        checkpoint.save(newest, {"config": "", "step": step}, previous)
    assert checkpoint.load(newest)["step"] == 2
    assert checkpoint.load(previous)["step"] == 1
    newest.unlink()  # as after a cut between the two
    found = checkpoint.resume(tmp_path, print)
    assert found is not None
    assert found[0] == previous


def test_half_written_lines_and_rows(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b'{"epoch": 0, "loss": 1}\n{"epoch": 1, "lo\n\xff\n{"epoch": 2, "loss": 3}\n[]')
    assert [line["epoch"] for line in read_log(log)] == [0, 2]
    row = tmp_path / "row.json"
    row.write_text('{"asked"')
    with pytest.raises(ValueError, match=r"row\.json is damaged .* remove it"):
        rows._read(row)
