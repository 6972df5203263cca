"""`dt-train`, and `python -m diffusiontalker.train`."""

import sys

from .cli.commands import main

if __name__ == "__main__":
    sys.exit(main())
