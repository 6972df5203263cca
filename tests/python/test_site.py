"""The documents as a site: what its build refuses (`poe docs` builds the real one)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from paths import ROOT

for name in ("zensical", "mkdocstrings", "griffe_sphinx", "tomli", "markdown_it"):
    pytest.importorskip(name, reason="pip install '.[docs]'")

PAGE = "# A page\n\n## A part\n\nText.\n\n- item\n\n    - item in it\n\n        code\n"
MODULE = '''"""A room."""


def step(chunk: int) -> int:
    """Steps.

    Args:
        %s: sound.
    """
    return chunk
'''


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """docs/site/build.py on a small tree of three documents and a module."""
    spec = importlib.util.spec_from_file_location("build_site", ROOT / "docs" / "site" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    docs = tmp_path / "docs"
    (docs / "site").mkdir(parents=True)
    (docs / "images").mkdir()
    (tmp_path / "python" / "diffusiontalker").mkdir(parents=True)
    (tmp_path / "python" / "diffusiontalker" / "__init__.py").write_text("")
    (tmp_path / "python" / "diffusiontalker" / "room.py").write_text(MODULE % "chunk")
    (tmp_path / "README.md").write_text(
        "# Start\n\n[docs/page.md](docs/page.md#a-part), [x](y.py)\n"
    )
    (docs / "page.md").write_text(PAGE)
    (docs / "site" / "site.css").write_text("")
    config = (ROOT / "docs" / "site" / "zensical.toml").read_text("utf-8")
    head, rest = config.split("nav = [", 1)
    nav = '"index.md", "page.md", "reference/room.md"]\n\n[project.theme]'
    rest = rest.partition("[project.theme]")[2]
    (docs / "site" / "zensical.toml").write_text(f"{head}nav = [{nav}{rest}")
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "BUILD", tmp_path / "build" / "docs")
    monkeypatch.setattr(build, "CONFIG", docs / "site" / "zensical.toml")
    monkeypatch.setattr(build, "ELSEWHERE", {"README.md": "index.md"})
    return build


def test_links_between_documents_become_links_between_pages(site: ModuleType) -> None:
    assert site.main() == 0
    built = site.BUILD / "site"
    start = (built / "index.html").read_text("utf-8")
    assert '<a href="page.html#a-part">A page</a>' in start
    assert "<code>x</code>" in start  # a file of the tree has no page
    assert "Steps." in (built / "reference" / "room.html").read_text("utf-8")


def test_what_is_wrong_fails_the_build(
    site: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dead anchor, a picture from elsewhere, code that runs on as text, a wrong docstring."""
    (site.ROOT / "README.md").write_text("# Start\n\n[a](docs/page.md#no-such-part)\n")
    picture = "![b](https://elsewhere.example/b.png)"
    (site.ROOT / "docs" / "page.md").write_text(
        f"# A page\n\n1. item\n\n       code\n\n{picture}\n"
    )
    (site.ROOT / "python" / "diffusiontalker" / "room.py").write_text(MODULE % "chunks")
    assert site.main() == 1
    said = capsys.readouterr().err
    assert "index.md:3" in said
    assert "page.html: <img> loads https://elsewhere.example/b.png" in said
    assert "page.md: seen" in said
    assert "'chunks' does not appear in the function signature" in said


@pytest.mark.parametrize("what", ["link", "docstring"])
def test_one_wrong_thing_is_enough(site: ModuleType, what: str) -> None:
    if what == "link":
        (site.ROOT / "README.md").write_text("# Start\n\n[a](docs/page.md#no-such-part)\n")
    else:
        (site.ROOT / "python" / "diffusiontalker" / "room.py").write_text(MODULE % "chunks")
    assert site.main() == 1


def test_a_document_without_a_place_is_refused(site: ModuleType) -> None:
    (site.ROOT / "docs" / "forgotten.md").write_text("# Forgotten\n")
    with pytest.raises(SystemExit, match=r"differ in forgotten\.md"):
        site.main()
    (site.ROOT / "docs" / "forgotten.md").unlink()
    (site.ROOT / "python" / "diffusiontalker" / "room.py").unlink()
    with pytest.raises(SystemExit, match=r"no module diffusiontalker\.room"):
        site.main()
