"""`python -m diffusiontalker.batch.cli`: dt-batch."""

import sys

from . import main

if __name__ == "__main__":
    sys.exit(main())
