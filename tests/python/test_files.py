"""Files that a cut leaves whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from diffusiontalker.files import replaced


def test_the_new_contents_take_the_old_ones_place(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "data.json"
    with replaced(target) as part:
        part.write_text("first")
        assert not target.exists()
    with replaced(target) as part:
        part.write_text("second")
        assert target.read_text() == "first"
        assert part.suffix == ".json"
    assert target.read_text() == "second"
    assert [p.name for p in target.parent.iterdir()] == ["data.json"]


def test_a_failure_leaves_the_old_contents_and_nothing_beside_them(tmp_path: Path) -> None:
    target = tmp_path / "data.json"
    target.write_text("old")

    def write_half() -> None:
        with replaced(target) as part:
            part.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    with pytest.raises(FileNotFoundError), replaced(target):
        pass  # nothing was written
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["data.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX's")
def test_a_kill_leaves_the_old_contents(tmp_path: Path) -> None:
    target = tmp_path / "data.json"
    target.write_text("old")
    program = (
        "import os, sys, signal\nfrom pathlib import Path\n"
        "from diffusiontalker.files import replaced\n"
        "with replaced(Path(sys.argv[1])) as part:\n"
        "    part.write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(target)], env=dict(os.environ))
    assert done.returncode == -signal.SIGKILL
    assert target.read_text() == "old"
