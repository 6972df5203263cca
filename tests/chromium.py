"""What the stages that drive a real Chromium share: how it is started, and folders served to it."""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: A machine without a screen, a graphics card or a way out.
ARGUMENTS = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist",
]  # fmt: skip
#: Sound without a hand on the page, and a microphone that nobody has to allow.
WITH_SOUND = [
    *ARGUMENTS, "--autoplay-policy=no-user-gesture-required", "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]  # fmt: skip


def executable() -> str:
    """Chromium's own file."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    assert found, "a browser is needed: apt-get install --no-install-recommends chromium"
    return found


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def served(folder: Path, handler: type[Quiet] = Quiet) -> Iterator[str]:
    """The folder over plain HTTP, with no header that a host would have to set: its address."""
    served_folder = functools.partial(handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), served_folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def furnish(folder: Path) -> None:
    """Brings what a page of examples/talkinghead needs: its packages and an avatar."""
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund"]
    subprocess.run(install, cwd=folder, check=True)
    subprocess.run([sys.executable, folder / "avatar.py", folder / "avatar.glb"], check=True)
