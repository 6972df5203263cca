"""`dt-train`, and `python -m diffusiontalker.train`: the commands, once what they need is there."""

from __future__ import annotations

import sys


def main() -> int:
    """Entry point; returns the exit status (2 for an error the user can mend)."""
    if sys.argv[1:] == ["--version"]:
        # Not behind torch.
        from .. import __version__

        print(f"dt-train {__version__}")
        return 0
    try:
        from .cli.commands import main as commands
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("diffusiontalker"):
            raise
        print(f"dt-train: {error.name} is missing: pip install '.[train]'", file=sys.stderr)
        return 2
    return commands()


if __name__ == "__main__":
    sys.exit(main())
