"""Where the checkout's own files lie, for tests at any depth."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs"


def scripts() -> dict[str, str]:
    """Command of the package -> `module:function`, as pyproject.toml has them."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    section = text.partition("[project.scripts]")[2].partition("\n[")[0]
    return dict(re.findall(r'^(dt-[\w-]+) = "(\S+)"', section, flags=re.M))
