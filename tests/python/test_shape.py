"""What keeps rooms small: no long functions, no crowded ground."""

from __future__ import annotations

import ast
from pathlib import Path

import diffusiontalker

PACKAGE = Path(diffusiontalker.__file__).parent
LONGEST_FUNCTION_LINES = 99
MOST_FILES_FLAT = 9


def test_no_function_is_as_long_as_a_hundred_lines() -> None:
    long = [
        f"{path.relative_to(PACKAGE)}: {node.name}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION_LINES
    ]
    assert long == []


def test_the_ground_of_training_holds_few_files() -> None:
    assert len(list((PACKAGE / "train").glob("*.py"))) <= MOST_FILES_FLAT
