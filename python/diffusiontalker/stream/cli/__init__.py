"""`dt-stream` and `dt-watch`: options, and what is shown."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `dt-stream`; returns the exit code."""
    from .. import StreamError
    from . import options
    from .command import complain

    arguments = sys.argv[1:] if argv is None else list(argv)
    if not arguments:
        options.parser().print_help()
        return 0
    try:
        args = options.parser().parse_args(arguments)
        options.check(args)
        # Not before: who asks for --help waits for no sound library and no ZeroMQ.
        from .stream import run

        return run(args)
    except StreamError as error:
        return complain("dt-stream", error)
    except KeyboardInterrupt:
        return 130
