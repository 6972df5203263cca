"""Documents name only what exists: files, links and their anchors, Python and C++ names."""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import given
import numpy as np
import pytest
from paths import ROOT

PACKAGE = ROOT / "python" / "diffusiontalker"
if not (ROOT / ".git").exists():
    pytest.skip("documents are checked in a git checkout", allow_module_level=True)
SOURCES = (".py", ".pyi", ".cpp", ".h", ".md", ".toml", ".sh", ".cmake")
#: Paths that the tree does not hold, each with its reason; with a slash at the end, all below too.
ELSEWHERE = {
    "runs/": "made by dt-train",
    "cache/": "made by a run",
    "tensorboard/": "made by a run",
    "bundle/": "made by a run",
    "report.md": "made by dt-train evaluate",
    "engines/": "made by dt-train export",
    "out/": "made by dt-train export",
    "takes/": "made by dt-train capture",
    "measured/": "made by dt-train capture",
    "speech/packages": "made by dt-train speech",
    "tables/runs": "made by dt-train table1",
    ".venv/": "made by venv",
    "build/": "made by cmake",
    "P/": "where a reader installs the C library",
    "built/": "made by examples/web/build.py",
    "diffusiontalker/runtime": "a name of the npm package",
    "diffusiontalker/talkinghead": "a name of the npm package",
    "other.toml": "a configuration of the reader's",
    "openai/whisper-tiny.en": "a name on Hugging Face",
    "blender/build-visemes-from-arkit.py": "a file of TalkingHead's repository",
    "RunUAT.sh": "a file of Unreal Engine",
    "Engine/Build/BatchFiles": "a folder of Unreal Engine",
    "Config/DefaultEngine.ini": "a file of an Unreal project",
    "dt/": "topics of the wire",
    "failures.csv": "made by dt-batch",
    "missing/": "a folder that is not there",
    "lines/": "recordings of the reader's",
    "faces/": "made by dt-batch",
    "act1/": "below either",
    "OUT/": "where --out says",
    "nvidia_ace.services.a2f_controller.v1.A2FControllerService/ProcessAudioStream": "a call",
}


def documents() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    ).stdout.split()
    skipped = (
        "CHANGELOG.md",
        "tests/unreal/stubs/README.md",
        "python/diffusiontalker/data/README.md",
        "python/diffusiontalker/head/tables/NOTICE.md",  # other people's licences
    )
    return [ROOT / name for name in listed if name not in skipped]


def spans(text: str) -> list[str]:
    """Inline code and lines of code blocks."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", text, flags=re.M | re.S)
    text = re.sub(r"^```\w*\n.*?^```$", "", text, flags=re.M | re.S)
    lines = re.findall(r"^    +(\S.*)$", text, flags=re.M)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^    +\S.*$", "", text, flags=re.M))
    return [*inline, *lines, *(line for block in blocks for line in block.splitlines())]


def words(text: str) -> list[str]:
    return [word.strip("()[],;:'\"") for span in spans(text) for word in span.split()]


def paths(text: str) -> list[str]:
    """What looks like a path of this project: no URL, option, placeholder or place outside."""
    found = []
    for word in words(text):
        outside = "://" in word or word.startswith(("-", "/", "~", "..", "$", "@", "="))
        placeholder = re.search(r"[A-Z]{4,}|[<>{}*=|%+\\]|\.\.\.", word.removesuffix(".md"))
        if outside or (placeholder and not re.search(r"(README|CONTRIBUTING|LICENSE)", word)):
            continue
        name = word.rstrip(".")
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", name) and (
            ("/" in name and re.search(r"[A-Za-z]{2}", name))
            or (name.endswith(SOURCES) and re.fullmatch(r"\w[\w.-]*", name))
        ):
            found.append(name)
    return found


@cache
def endings() -> frozenset[str]:
    """Every way to name a tracked file or folder by the last parts of its path."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    ).stdout.splitlines()
    found = set()
    for name in listed:
        parts = name.split("/")
        for end in range(1, len(parts) + 1):
            found.update("/".join(parts[start:end]) for start in range(end))
    return frozenset(found)


def exists(name: str, beside: Path) -> bool:
    """Whether it is in the tree: `train/data/streams.py`, `streams.py` beside it in a sentence, a
    folder `data/`, or a path from the document's own folder."""
    if any(name == e or (e.endswith("/") and name.startswith(e)) for e in ELSEWHERE):
        return True
    return name.rstrip("/") in endings() or (beside / name).exists()


def anchors(document: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@cache
def names_in(module: Path) -> frozenset[str]:
    """What a module defines, imports or assigns, its classes' members too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            found.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.Assign):
            found.update(t.id for t in node.targets if isinstance(t, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return frozenset(found)


@cache
def modules() -> dict[str, list[Path]]:
    """Last part of its name -> modules (`_core` is its stub)."""
    found: dict[str, list[Path]] = {}
    for path in [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.pyi")]:
        name = path.parent.name if path.stem == "__init__" else path.stem
        found.setdefault(name, []).append(path)
    return found


def resolves(dotted: str) -> bool:
    """`diffusiontalker.x.y`: modules as far as there are, then names within the last of them."""
    here = PACKAGE
    parts = dotted.split(".")[1:]
    while parts and (here / parts[0]).is_dir():
        here /= parts.pop(0)
    for suffix in (".py", ".pyi"):
        if parts and (here / f"{parts[0]}{suffix}").is_file():
            here = here / f"{parts.pop(0)}{suffix}"
            break
    if here.is_dir():
        here /= "__init__.py"
    return here.is_file() and all(part in names_in(here) for part in parts)


def dead_names(text: str) -> list[str]:
    dead = []
    for span in spans(text):
        for dotted in re.findall(r"(?<![\w./-])diffusiontalker(?:\.\w+)+", span):
            if not resolves(dotted) and not dotted.endswith((".com", ".toml", ".git")):
                dead.append(dotted)
        for module, name in re.findall(r"(?<![\w.:/])([a-z_]\w*)\.([A-Z]\w*[a-z]\w*)\b", span):
            owners = modules().get(module)
            if owners is not None and not any(name in names_in(path) for path in owners):
                dead.append(f"{module}.{name}")
        for chain in re.findall(r"\bdt((?:::\w+)+)", span):
            dead += [f"dt{chain}" for part in chain.split("::")[1:] if part not in cpp_words()]
    return dead


@cache
def cpp_words() -> frozenset[str]:
    found: set[str] = set()
    for folder in ("cpp", "unreal_plugin"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".h", ".cpp"):
                found.update(re.findall(r"\w+", path.read_text("utf-8")))
    return frozenset(found)


@pytest.mark.parametrize("document", documents(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_documents_name_what_exists(document: Path) -> None:
    text = document.read_text("utf-8")
    dead = [name for name in paths(text) if not exists(name, document.parent)]
    assert dead + dead_names(text) == []


@pytest.mark.parametrize("document", documents(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8")):
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        if not file.exists() or (anchor and anchor not in anchors(file)):
            dead.append(target)
    assert dead == []


def python_blocks(document: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", document.read_text("utf-8"), flags=re.M | re.S)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of what the documents take as given."""
    folder = tmp_path_factory.mktemp("given")
    given.write(folder)
    given.write_takes(folder)
    return folder


@pytest.mark.parametrize(
    "document",
    [document for document in documents() if python_blocks(document)],
    ids=lambda p: p.relative_to(ROOT).as_posix(),
)
def test_examples_run(document: Path, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of Python, on half a second of sound for what they take as given."""
    monkeypatch.chdir(files)
    sound = np.random.default_rng(1).normal(0, 0.1, (3, 20, 400)).astype(np.float32)
    seen: list[object] = []
    names = {
        "chunks": sound[0],
        "face": SimpleNamespace(apply=seen.append),
        **dict(zip(("first", "second", "third"), sound, strict=True)),
        "faces": [[], [], []],
    }
    for number, block in enumerate(python_blocks(document)):
        before = len(seen)
        exec(compile(block, f"{document.name}, block {number}", "exec"), names)
        assert len(seen) > before or "face.apply" not in block
        assert all(names["faces"]) or "faces" not in block


def test_every_document_and_public_module_is_on_the_site() -> None:
    """A line of the navigation in docs/site/zensical.toml each; `poe docs` builds it."""
    navigation = (ROOT / "docs" / "site" / "zensical.toml").read_text("utf-8")
    pages = {p.relative_to(ROOT / "docs").as_posix() for p in (ROOT / "docs").rglob("*.md")}
    pages -= {"decisions/README.md"}  # decisions/index.md there
    pages |= {f"reference/{name}.md" for name in modules_of_the_package() - INSIDE}
    assert [page for page in sorted(pages) if f'"{page}"' not in navigation] == []


#: Modules of the package that no program imports.
INSIDE = {
    "barge_in",
    "batch",
    "bench",
    "chunks",
    "files",
    "live_link_csv",
    "pace",
    "past",
    "preview",
    "resample",
    "scale",
    "spelling",
    "steps",
    "stream",
    "streams",
    "tensorrt",
    "train",
    "vrm_presets",
}


def modules_of_the_package() -> set[str]:
    named = {path.stem for path in PACKAGE.glob("*.py")}
    named |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    return {name for name in named if not name.startswith("_")}


def test_the_check_sees_what_is_dead() -> None:
    text = "`train/nowhere.py` and `no_such.cpp`, `_core.Nothing`, `dt::NoSuchThing`\n\n"
    text += "    python -m diffusiontalker.train.nowhere  # and cpp/src/nowhere/\n"
    assert [p for p in paths(text) if not exists(p, ROOT)] == [
        "train/nowhere.py", "no_such.cpp", "cpp/src/nowhere/",
    ]  # fmt: skip
    assert set(dead_names(text)) == {
        "_core.Nothing", "dt::NoSuchThing", "diffusiontalker.train.nowhere",
    }  # fmt: skip
    assert paths("`dt-stream --to livelink://HOST/x.py` `runs/NAME` `../speech` `a/b.py`") == [
        "a/b.py"
    ]
