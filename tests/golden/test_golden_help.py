"""What the commands promise in --help is what stands in tests/golden/help/."""

from __future__ import annotations

import help_pages
import pytest

pytest.importorskip("torch", reason="dt-train's commands need it")


def test_help_pages() -> None:
    found = help_pages.pages()
    stored = {path.name: path.read_text("utf-8") for path in help_pages.FOLDER.glob("*.txt")}
    renew = "if that is meant: python tests/golden/renew.py help"
    assert sorted(found) == sorted(stored), f"commands came or went; {renew}"
    for name, page in found.items():
        assert page == stored[name], f"{name} changed; {renew}"


@pytest.mark.parametrize(
    "option",
    [
        "  -o OUT, --out OUT     where to write\n                        what it makes\n",
        "  -o, --out OUT         where to write\n                        what it makes\n",
        "  -o, --out OUT  where to write what\n                 it makes\n",
    ],
)
def test_every_pythons_page_is_normalised_alike(option: str) -> None:
    page = f"usage: x [-h]\n         [-o OUT]\n\nWhat it does.\n\noptions:\n{option}"
    assert help_pages.normalised(page) == (
        "usage: x [-h] [-o OUT]\n\nWhat it does.\n\noptions:\n  -o, --out OUT\n"
        "        where to write what it makes\n"
    )
