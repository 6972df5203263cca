"""Fixtures shared by the Python tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
import random_bundle
import train_corpus
from paths import CONFIGS

from diffusiontalker.bundle import Bundle

if TYPE_CHECKING:
    from diffusiontalker.train.config import Config

# A machine that does other things beside the tests may take its time for an example.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

#: Recordings that lie beside the project on the developers' and CI's machines, never in it.
SHARED = Path(os.environ.get("DT_SHARED", Path(__file__).resolve().parents[2].parent / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real recordings. Without it the test is skipped, and in CI it fails."""
    if not SHARED.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"the recordings are not at {SHARED}; set DT_SHARED")
        pytest.skip(f"the recordings are not at {SHARED}; set DT_SHARED")
    return SHARED


@pytest.fixture(scope="session")
def bundle_at_60(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return random_bundle.write(tmp_path_factory.mktemp("bundle60"))


@pytest.fixture(scope="session")
def bundle_with_context(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """60 Hz, with a transformer over the past beside the encoder's convolutions."""
    path = tmp_path_factory.mktemp("bundle_context")
    return random_bundle.write(path, context=random_bundle.CONTEXT)


@pytest.fixture(params=["convolutions", "context"], scope="session")
def any_bundle(request: pytest.FixtureRequest) -> Bundle:
    """Each kind of audio encoder in turn."""
    kinds = {"convolutions": "bundle_at_60", "context": "bundle_with_context"}
    found: Bundle = request.getfixturevalue(kinds[request.param])
    return found


@pytest.fixture(scope="session")
def bundle_at_2997(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """29.97 Hz: a rate whose frames fall on no whole sample."""
    return random_bundle.write(tmp_path_factory.mktemp("bundle2997"), frame_rate=[30000, 1001])


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Source -> folder of a tiny corpus (train_corpus.py)."""
    return train_corpus.write_corpus(tmp_path_factory.mktemp("takes"))


@pytest.fixture(scope="module")
def tiny(folders: dict[str, Path]) -> Config:
    """configs/tiny.toml on the tiny corpus. For tests that need torch."""
    from diffusiontalker.train.config import load

    path = CONFIGS / "tiny.toml"
    return load(path, {name: str(folder) for name, folder in folders.items()})
