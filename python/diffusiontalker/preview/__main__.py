"""The server's process, as `Link` starts it: python -m diffusiontalker.preview."""

from .server import main

raise SystemExit(main())
