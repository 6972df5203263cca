"""Blender: a face that speaks live. Open this in the Text Editor and press Run Script.

Select the mesh first: one whose shape keys have ARKit's names (the package's own head, imported as
glTF, has them). It starts `dt-stream`, which must be on PATH, and sets the keys sixty times a
second; nothing needs to be installed into Blender. Run `stop()` in the console, or load another
file, to end it.
"""

from __future__ import annotations

import json
import subprocess
import threading
from typing import Any

import bpy

COMMAND = ["dt-stream", "--mic", "--to", "json:-"]  # or --demo --seconds 600
RATE_HZ = 60


class Live:
    """dt-stream's frames on the shape keys of one mesh."""

    def __init__(self, mesh: Any, command: list[str]) -> None:
        self.keys = {key.name: key for key in mesh.shape_keys.key_blocks}
        self.newest: dict[str, float] = {}
        self.program = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        # Blender's data belongs to its main thread: here the frame is only kept.
        for line in self.program.stdout or ():
            fields = json.loads(line)
            if "curves" in fields and isinstance(fields["curves"], dict):
                self.newest = fields["curves"]

    def show(self) -> float | None:
        """Sets the keys; asked by a timer. Returns the pause, None at the end."""
        for name, value in self.newest.items():
            if name in self.keys:
                self.keys[name].value = value
        return None if self.program.poll() is not None else 1 / RATE_HZ

    def stop(self) -> None:
        self.program.terminate()
        self.program.wait()


def start(command: list[str]) -> Live:
    """On the selected mesh."""
    chosen = bpy.context.object
    if chosen is None or chosen.type != "MESH" or chosen.data.shape_keys is None:
        raise SystemExit("select a mesh with shape keys named jawOpen, eyeBlinkLeft, ...")
    live = Live(chosen.data, command)
    bpy.app.timers.register(live.show)
    return live


if __name__ == "__main__":
    running = start(COMMAND)
    stop = running.stop
