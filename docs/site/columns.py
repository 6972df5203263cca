"""For griffe: lists in columns, as packages have them of their files, keep their lines."""

from __future__ import annotations

import re
from typing import Any

import griffe


class Columns(griffe.Extension):
    """Indents such lists of a module's docstring, which makes them code."""

    def on_module_instance(self, *, mod: griffe.Module, **_: Any) -> None:
        if mod.docstring is not None:
            mod.docstring.value = re.sub(r"(?m)^(?=\S+ {2,}\S)", "    ", mod.docstring.value)
