"""`dt-batch`: what may be said to it, and what it shows."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `dt-batch`; returns the exit code."""
    try:
        from ...stream.cli.command import guarded
    except KeyboardInterrupt:
        return 130
    last = argv is None
    return guarded("dt-batch", lambda: _run(sys.argv[1:] if last else list(argv or ())), last=last)


def _run(arguments: list[str]) -> int:
    from ...stream.cli.command import raised
    from . import options

    if not arguments:
        options.parser().print_help()
        return 0
    args = options.parser().parse_args(arguments)
    options.check(args)
    from .command import run

    with raised():
        return run(args)
