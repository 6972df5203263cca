"""Runs a notebook by Jupyter, in a copy: `python tests/notebook.py NOTEBOOK`."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient


def main() -> None:
    path = Path(sys.argv[1])
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": path.parent}}).execute()
    kinds = [o.output_type for cell in notebook.cells for o in cell.get("outputs", [])]
    print(f"{path}: {len(notebook.cells)} cells, outputs: {', '.join(kinds)}")


if __name__ == "__main__":
    main()
