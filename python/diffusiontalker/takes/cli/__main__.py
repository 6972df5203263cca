"""`python -m diffusiontalker.takes.cli` is `dt-take`."""

import sys

from . import main

sys.exit(main())
