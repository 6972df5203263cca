"""`dt-train`'s parser: one line for a mistake, with what was meant."""

from __future__ import annotations

import argparse
import re
from typing import NoReturn

from ...spelling import meant


class Parser(argparse.ArgumentParser):
    """Ends with exit code 2 and one line in place of a page of usage."""

    def error(self, message: str) -> NoReturn:
        choice = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        unknown = re.search(r"unrecognized arguments:.*?(--[\w-]+)", message)
        if choice:
            message += meant(choice[1], re.findall(r"[\w.-]+", choice[2]))
        elif unknown:
            message += meant(unknown[1], (o for o in self._option_string_actions if o[:2] == "--"))
        self.exit(2, f"{self.prog}: {' '.join(message.split())} (see {self.prog} --help)\n")
