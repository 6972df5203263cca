"""`dt-stream`, `dt-watch` and `dt-preview`: options, and what is shown."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `dt-stream`; returns the exit code."""
    try:
        from .command import guarded
    except KeyboardInterrupt:
        return 130
    last = argv is None
    return guarded("dt-stream", lambda: _run(sys.argv[1:] if last else list(argv or ())), last=last)


def watch_main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `dt-watch`; returns the exit code."""
    try:
        from .command import guarded
    except KeyboardInterrupt:
        return 130

    def body() -> int:
        from .watch import run

        return run(argv)

    return guarded("dt-watch", body, last=argv is None)


def preview_main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `dt-preview`; returns the exit code."""
    try:
        from .command import guarded
    except KeyboardInterrupt:
        return 130

    def body() -> int:
        from .preview import run

        return run(argv)

    return guarded("dt-preview", body, last=argv is None)


def _run(arguments: list[str]) -> int:
    from . import options
    from .command import raised

    if not arguments:
        options.parser().print_help()
        return 0
    args = options.parser().parse_args(arguments)
    options.check(args)
    # Not before: who asks for --help waits for no sound library and no ZeroMQ.
    from .stream import preload, run

    preload(args)
    with raised():
        return run(args)
