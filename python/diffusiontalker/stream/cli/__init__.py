"""`dt-stream` and `dt-watch`: options, and what is shown."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `dt-stream`; returns the exit code."""
    from .stream import main as run

    return run(argv)
