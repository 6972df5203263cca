"""Which tests share a process when several run them (`pytest -n 2`)."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Those that play in real time run one after another; of the others, each file's together."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        place = item.path.relative_to(HERE)
        group = place.parts[0] if place.parts[0] == "integration" else place.as_posix()
        item.add_marker(pytest.mark.xdist_group(group))
