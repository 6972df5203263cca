"""What the two commands share: how words are read and refused."""

from __future__ import annotations

import argparse
import re
from typing import NoReturn

from ...spelling import meant
from .. import ServeError


class Parser(argparse.ArgumentParser):
    """Raises ServeError in place of printing a page of usage, and takes no shortened options."""

    def __init__(self, prog: str, description: str, epilog: str) -> None:
        super().__init__(
            prog,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        unknown = re.search(r"unrecognized arguments:.*?(--[\w-]+)", message)
        if unknown:
            options = [o for o in self._option_string_actions if o.startswith("--")]
            message += meant(unknown[1], options)
        raise ServeError(f"{message} (see {self.prog} --help)")


def at_least_one(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {text!r}")
    return int(text)


def missing(error: ImportError) -> ServeError:
    """The refusal where the extra is not installed."""
    return ServeError(f"{error.name} is not installed: pip install 'diffusiontalker[serve]'")
