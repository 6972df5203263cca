"""What others made and what was changed on the way: read, or refused in one line, and in time.

`poe fuzz` does the same for as long as it is told, beside libFuzzer.
"""

from __future__ import annotations

import time
from random import Random

import pytest
from hostile import readers
from hypothesis import given, settings
from hypothesis import strategies as st

#: Seconds for one input of a few KB, on a machine that does other things beside.
PATIENCE_S = 20.0
_NAMES = (
    "sound", "motion-csv", "motion-json", "lines-csv", "lines-json", "textgrid", "beat-json",
    "phones-json", "live-link-csv", "deltas-npz", "pickled-arrays", "head-glb", "head-gltf",
    "bundle-manifest", "bundle-weights", "page-control", "wire", "preset-toml",
    "key", "takes",
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[readers.Reader]]:
    found: dict[str, list[readers.Reader]] = {}
    for reader in readers.made(tmp_path_factory.mktemp("hostile")):
        found.setdefault("takes" if reader.name.startswith("take-") else reader.name, []).append(
            reader
        )
    return found


def test_every_reader_is_named(made: dict[str, list[readers.Reader]]) -> None:
    assert sorted(made) == sorted(_NAMES)
    for each in made.values():
        for reader in each:
            for good in reader.good:
                assert readers.check(reader, good, PATIENCE_S), f"{reader.name} refuses a good one"


@pytest.mark.parametrize("name", _NAMES)
def test_any_input_is_read_or_refused_in_one_line(
    made: dict[str, list[readers.Reader]], name: str
) -> None:
    @settings(max_examples=25)
    @given(random=st.randoms(use_true_random=False))
    def body(random: Random) -> None:
        reader = random.choice(made[name])
        readers.check(reader, reader.draw(random), PATIENCE_S)

    begun = time.monotonic()
    body()
    assert time.monotonic() - begun < 25 * PATIENCE_S


@pytest.mark.parametrize("name", sorted(readers.FOUND))
def test_what_was_found_once(made: dict[str, list[readers.Reader]], name: str) -> None:
    kind, bytes_ = readers.FOUND[name]
    for reader in made[kind]:
        readers.check(reader, bytes_, PATIENCE_S)
