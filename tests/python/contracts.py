"""Who may know whom: checks the contracts of pyproject.toml's [tool.importlinter].

    python tests/python/contracts.py [--verbose]

docs/architecture.md has the same rules in words.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import grimp
from importlinter import ContractCheck, cli, fields
from importlinter.contracts.layers import LayersContract

PACKAGE = "diffusiontalker"
#: What the package has compiled.
EXTENSIONS = ("_core", "_picture")


class Rooms(LayersContract):
    """import-linter's layers, with the compiled extensions as modules of their own.

    The import graph is read from Python sources and has none: whoever imports one seems to import
    the package itself, and with it all that the package exports.
    """

    type_name = "rooms"
    # import-linter before 2.17 (Python 3.10's) looks for options in the class alone.
    locals().update({k: v for k, v in vars(LayersContract).items() if isinstance(v, fields.Field)})

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        with_extension(graph)
        return super().check(graph, verbose)


def with_extension(graph: grimp.ImportGraph) -> None:
    """Adds the extensions to the graph; imports of nothing but them lead there and to the package
    no more.

    An import of several lines keeps its arrow to the package: its first line does not say all.
    """
    for extension in EXTENSIONS:
        graph.add_module(f"{PACKAGE}.{extension}")
    modules = {name.rpartition(".")[2] for name in graph.find_children(PACKAGE)}
    for importer in sorted(graph.find_modules_that_directly_import(PACKAGE)):
        lines = [
            detail["line_contents"]
            for detail in graph.get_import_details(importer=importer, imported=PACKAGE)
        ]
        if all(only_modules(line, modules) for line in lines):
            graph.remove_import(importer=importer, imported=PACKAGE)
            for extension in EXTENSIONS:
                if any(re.search(rf"\b{extension}\b", line) for line in lines):
                    graph.add_import(importer=importer, imported=f"{PACKAGE}.{extension}")


def only_modules(line: str, modules: Collection[str]) -> bool:
    """Whether an import statement takes nothing of the package itself: `modules`, which have arrows
    of their own, or what is within one."""
    statement = line.partition("#")[0].strip()
    extension = f"(?:{'|'.join(EXTENSIONS)})"
    within = rf"from \S*\.{extension} import .+|import {PACKAGE}\.{extension}( as \w+)?"
    if re.fullmatch(within, statement):
        return True
    names = re.fullmatch(r"from \S+ import (\w.*)", statement)
    return names is not None and all(
        name.split()[0] in modules for name in names[1].split(",") if name.strip()
    )


if __name__ == "__main__":
    cli.lint_imports_command()
