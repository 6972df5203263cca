"""The check of who may know whom (contracts.py) knows the extension from the package."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("importlinter")

import contracts
import grimp


@pytest.mark.parametrize(
    ("line", "alone"),
    [
        ("from ... import _core", True),
        ("from .. import _core  # the runtime's own code", True),
        ("from diffusiontalker import _core as core", True),
        ("from ._core import TimeBase", True),
        ("import diffusiontalker._core as _core", True),
        ("from .. import _core, clock", True),
        ("from .._picture import Canvas", True),
        ("from ._core import TimeBase, VoiceDetector", True),
        ("from ... import BundleError, Runtime, _core", False),
        ("from . import _core_of_something", False),
        ("from ... import (", False),
        ("import diffusiontalker", False),
    ],
)
def test_imports_of_the_extension_alone(line: str, alone: bool) -> None:
    assert contracts.only_modules(line, {"_core", "clock"}) is alone


def test_the_extension_is_a_module_and_the_package_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "toy"
    package.mkdir()
    (package / "__init__.py").write_text("from .roof import Roof\n")
    (package / "roof.py").write_text("from . import ground\n\nclass Roof: ...\n")
    (package / "ground.py").write_text("from . import _core\n")
    (package / "cellar.py").write_text("from . import Roof, _core\n")
    (package / "studio.py").write_text("from . import _picture\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(contracts, "PACKAGE", "toy")
    graph = grimp.build_graph("toy", cache_dir=None)
    contracts.with_extension(graph)
    assert graph.find_modules_directly_imported_by("toy.ground") == {"toy._core"}
    assert graph.find_modules_directly_imported_by("toy.studio") == {"toy._picture"}
    assert graph.find_modules_directly_imported_by("toy.cellar") == {"toy"}
