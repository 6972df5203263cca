"""`python -m diffusiontalker.stream.cli`: dt-stream."""

import sys

from . import main

if __name__ == "__main__":
    sys.exit(main())
