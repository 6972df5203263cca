"""What the two commands share: one-line errors, signals, and a reader of stdout who leaves."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import NoReturn

from .. import StreamError


class Parser(argparse.ArgumentParser):
    """Raises StreamError in place of printing a page of usage, and takes no shortened options."""

    def __init__(self, prog: str, description: str, epilog: str | None = None) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        raise StreamError(f"{message} (see {self.prog} --help)")


def complain(prog: str, error: Exception) -> int:
    """Prints an error as one line; returns the exit code for it."""
    print(f"{prog}: {' '.join(str(error).split())}", file=sys.stderr)
    return 2


def say(line: str) -> None:
    """Prints a line; it is no error if nobody reads it any more."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        forget_stdout()


def forget_stdout() -> None:
    """After a broken pipe: keeps Python's last flush of stdout from failing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def on_leave(leave: Callable[[], None]) -> Iterator[None]:
    """Calls `leave` for Ctrl-C and its relatives while the `with` block lasts."""
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, lambda *_: leave()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
