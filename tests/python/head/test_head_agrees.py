"""Every shape goes where a measured head's goes (studies/head_shapes.py has the comparison)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from paths import ROOT

from diffusiontalker import head as heads

#: What closes on purpose further than the measured points do.
MEANT = ("eyeBlinkLeft", "eyeBlinkRight")
#: A lower lid slides aside in a blink, ours rises; a closing lip meets the other.
ELSEWHERE = (
    ("eyeBlinkLeft", "left lower lid"),
    ("eyeBlinkRight", "right lower lid"),
    ("mouthClose", "upper lip"),
)


@pytest.fixture(scope="module")
def study() -> ModuleType:
    path = ROOT / "studies" / "head_shapes.py"
    spec = importlib.util.spec_from_file_location("head_shapes", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_shapes_follow_the_table(study: ModuleType) -> None:
    names, own, table = study.at_table(heads.default())
    assert len(names) == 51
    for name, mine, theirs in zip(names, own, table, strict=True):
        cosine, ratio = study.agreement(mine, theirs)
        least = 0.8 if name in MEANT else 0.97
        assert cosine > least, name
        assert 0.8 < ratio < 1.2, name


def test_each_region_moves_the_tables_way(study: ModuleType) -> None:
    names, own, table = study.at_table(heads.default())
    for name, mine, theirs in zip(names, own, table, strict=True):
        for region, at in study.REGIONS.items():
            a, b = mine[list(at)].mean(0), theirs[list(at)].mean(0)
            # What is told apart at a hundredth of the face's width.
            if np.linalg.norm(b) > 0.01 and (name, region) not in ELSEWHERE:
                cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
                assert cosine > 0.85, (name, region)
                assert 0.6 < np.linalg.norm(a) / np.linalg.norm(b) < 1.6, (name, region)


def test_shapes_follow_the_whole_head_that_the_table_is_of(study: ModuleType, shared: Path) -> None:
    path = shared / "heads" / "ict_head_arkit52.glb"
    names, own, theirs = study.at_reference(heads.default(), path)
    assert len(names) == 51
    for name, mine, other in zip(names, own, theirs, strict=True):
        cosine, ratio = study.agreement(mine, other)
        assert cosine > (0.8 if name in MEANT else 0.95), name
        assert 0.8 < ratio < 1.25, name
