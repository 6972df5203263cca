"""`python -m diffusiontalker.serve.cli`: dt-serve."""

import sys

from . import main

if __name__ == "__main__":
    sys.exit(main())
