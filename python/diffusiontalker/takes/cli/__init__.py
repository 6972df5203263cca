"""`dt-take`: what was recorded, shown, cut, converted, filmed."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `dt-take`; returns the exit code."""
    try:
        from .command import run
    except KeyboardInterrupt:
        return 130
    return run(argv)
