"""Where the checkout's own files lie, for tests at any depth."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs"
