"""Gathers the project's documents as pages and builds the site, every warning an error.

    python docs/site/build.py      # or: poe docs
    -> build/docs/site/index.html

The documents are written to be read where they lie, so they name each other, and source files, by
relative paths. Here each becomes a page, a link between documents a link between pages, and a link
to anything else of the tree its name in code type.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import tomli
from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "docs"
CONFIG = ROOT / "docs" / "site" / "zensical.toml"
#: Documents outside docs/, and those whose page has another name, with the page of each.
ELSEWHERE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "examples/README.md": "examples.md",
    "studies/README.md": "studies.md",
    "findings/README.md": "findings.md",
    "tests/golden/README.md": "golden.md",
    "docs/decisions/README.md": "decisions/index.md",
}
REFERENCE = "reference/"
#: What a build without a warning says.
EXPECTED = ("Build started", "No issues found", "Build finished")
LOADED = re.compile(r"<(script|img|iframe|link)\b[^>]*?(?:src|href)=\"?(https?://[^\" >]+)")


def pages() -> dict[Path, str]:
    """Document -> its page, from build/docs/pages."""
    found = {ROOT / name: page for name, page in ELSEWHERE.items()}
    docs = ROOT / "docs"
    for path in sorted(docs.rglob("*.md")):
        found.setdefault(path, path.relative_to(docs).as_posix())
    return found


def listed(entries: object) -> Iterator[str]:
    """Every page that a navigation names."""
    if isinstance(entries, str):
        yield entries
    elif isinstance(entries, dict):
        for below in entries.values():
            yield from listed(below)
    elif isinstance(entries, list):
        for below in entries:
            yield from listed(below)


def rewritten(text: str, document: Path, page: str, all_pages: dict[Path, str]) -> str:
    """The document's text with links from page to page."""

    def link(match: re.Match[str]) -> str:
        mark, label, target = match.groups()
        path, hash_, anchor = target.partition("#")
        if not path or re.match(r"\w+:", target):
            return match[0]
        file = (document.parent / path).resolve()
        if file.is_dir() and (file / "README.md") in all_pages:
            file /= "README.md"
        there = all_pages.get(file)
        if there is None and (ROOT / "docs" / "images") in file.parents:
            there = file.relative_to(ROOT / "docs").as_posix()
        if there is None:  # a file of the tree: its name will do
            return label if "`" in label else f"`{label}`"
        if label.endswith(".md"):  # a path, where a reader of the site wants a title
            label = title(file)
        return f"{mark}[{label}]({os.path.relpath(there, Path(page).parent)}{hash_}{anchor})"

    parts = re.split(r"(^```.*?^```$|^(?: {4}[^\n]*\n)+)", text, flags=re.M | re.S)
    for at in range(0, len(parts), 2):  # code stays as it is
        parts[at] = re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", link, parts[at])
    return "".join(parts)


def title(document: Path) -> str:
    return document.read_text("utf-8").partition("\n")[0].lstrip("# ")


def reference(page: str) -> str:
    """The page of a room: its docstrings."""
    name = Path(page).stem
    module = ROOT / "python" / "diffusiontalker" / name
    if not module.is_dir() and not module.with_suffix(".py").is_file():
        raise SystemExit(f"{CONFIG}: {page}: no module diffusiontalker.{name}")
    return f"# `diffusiontalker.{name}`\n\n::: diffusiontalker.{name}\n"


def gather() -> None:
    """Writes build/docs/pages."""
    all_pages = pages()
    named = set(listed(tomli.loads(CONFIG.read_text("utf-8"))["project"]["nav"]))
    rooms = {page for page in named if page.startswith(REFERENCE)}
    if named - rooms != set(all_pages.values()):
        raise SystemExit(
            f"{CONFIG}: the navigation and the documents differ in "
            f"{', '.join(sorted((named - rooms) ^ set(all_pages.values())))}"
        )
    shutil.rmtree(BUILD, ignore_errors=True)
    for document, page in all_pages.items():
        out = BUILD / "pages" / page
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(rewritten(document.read_text("utf-8"), document, page, all_pages), "utf-8")
    for page in rooms:
        out = BUILD / "pages" / page
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(reference(page), "utf-8")
    shutil.copytree(ROOT / "docs" / "images", BUILD / "pages" / "images")
    shutil.copy(CONFIG, BUILD)
    shutil.copy(Path(__file__).with_name("columns.py"), BUILD)
    shutil.copy(CONFIG.with_name("site.css"), BUILD / "pages")


def main() -> int:
    gather()
    built = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=BUILD,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    said = built.stdout
    # Strict mode counts the pages' links; what griffe says of a docstring is only printed.
    wrong = built.returncode != 0 or any(
        not line.startswith(EXPECTED) for line in said.splitlines()
    )
    found = [*elsewhere(), *misread()]
    if wrong or found:
        print(said, f"zensical's exit code: {built.returncode}", *found, sep="\n", file=sys.stderr)
        return 1
    print(BUILD / "site" / "index.html")
    return 0


def misread() -> list[str]:
    """Pages on which the generator sees other blocks than a reader of CommonMark.

    Python-Markdown wants four spaces where CommonMark takes two or three: code in a list item
    would run on as its text.
    """

    def blocks(html: str) -> dict[str, int]:
        return {tag: len(re.findall(rf"<{tag}[ >]", html)) for tag in ("li", "pre", "table", "img")}

    commonmark, found = MarkdownIt("commonmark").enable("table"), []
    for page in set(pages().values()):
        file = (BUILD / "site" / page).with_suffix(".html")
        if not file.exists():
            found.append(f"{page}: was not built")
            continue
        html = file.read_text("utf-8")
        seen = blocks(html.partition("<article")[2].partition("</article>")[0])
        meant = blocks(commonmark.render((BUILD / "pages" / page).read_text("utf-8")))
        if seen != meant:
            found.append(f"{page}: seen {seen}, meant {meant}: indent in lists by four spaces")
    return found


def elsewhere() -> list[str]:
    """What a page would load from another host."""
    found = []
    for page in sorted((BUILD / "site").rglob("*.html")):
        for tag, address in LOADED.findall(page.read_text("utf-8")):
            found.append(f"{page.relative_to(BUILD / 'site')}: <{tag}> loads {address}")
    return found


if __name__ == "__main__":
    sys.exit(main())
