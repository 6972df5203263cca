"""Every package that pyproject.toml names, with its licence as its own metadata tell it.

    python tests/supply/licences.py            prints the table of docs/security.md
    python tests/supply/licences.py --renew    writes it there

Run it where all extras are installed; a package that is not keeps its row.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "security.md"
BEGIN, END = "<!-- licences -->", "<!-- licences end -->"
_LONGEST = 60


def named() -> dict[str, list[str]]:
    """Package -> for what: the extras that name it, "all" where everybody gets it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = {"all": project["project"]["dependencies"],
              **project["project"]["optional-dependencies"],
              "build": project["build-system"]["requires"]}  # fmt: skip
    found: dict[str, list[str]] = {}
    for group, requirements in groups.items():
        for requirement in requirements:
            name = re.split(r"[\s<>=!~;\[]", requirement, maxsplit=1)[0]
            into = found.setdefault(name, [])
            if group not in into:
                into.append(group)
    return dict(sorted(found.items(), key=lambda each: each[0].lower()))


def licence(name: str) -> str:
    """As the installed package says; "" where it is not installed."""
    try:
        said = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    classified = [c.rpartition(" :: ")[2] for c in said.get_all("Classifier") or ()
                  if c.startswith("License :: ") and not c.endswith("OSI Approved")]  # fmt: skip
    text = said.get("License-Expression") or ", ".join(classified) or said.get("License") or ""
    text = " ".join(text.split()).partition(" Copyright")[0]
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


def rows(page: str) -> list[str]:
    """The table's rows, with what `page` says of those that are not installed."""
    known = dict(re.findall(r"^\| `([^`]+)` \| ([^|]*) \|", page, re.M))
    found = []
    for name, groups in named().items():
        said = licence(name) or known.get(name, "").strip() or "see its own page"
        found.append(f"| `{name}` | {said} | {', '.join(groups)} |")
    return found


def main() -> int:
    page = PAGE.read_text("utf-8")
    table = "\n".join([BEGIN, "", "| package | licence | for |", "|---|---|---|", *rows(page), "",
                       END])  # fmt: skip
    if "--renew" in sys.argv[1:]:
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(before + table + after, "utf-8")
    else:
        print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
