"""`dt-bench`: options, a bar, and the tables."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `dt-bench`; returns the exit code."""
    try:
        from .command import run

        return run(sys.argv[1:] if argv is None else list(argv))
    except KeyboardInterrupt as left:
        return 128 + (left.args[0] if left.args else signal.SIGINT)
