"""`dt-stream` with a model of random weights: its receiver does not mind.

Takes dt-stream's own options. Needs the package with its extension.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from diffusiontalker.stream import cli

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))
import random_bundle

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        random_bundle.write(Path(folder) / "bundle")
        sys.exit(cli.main(["--bundle", str(Path(folder) / "bundle"), *sys.argv[1:]]))
