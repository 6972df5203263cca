"""`dt-stream devices`: the microphones that there are."""

from __future__ import annotations

from ..sources.microphone import list_devices


def show() -> int:
    """Prints a line a device; returns the exit code. Raises StreamError."""
    devices = list_devices()
    if not devices:
        print("no input device found")
        return 0
    for d in devices:
        mark = "*" if d.default else " "
        print(f"{mark} {d.index:3d}  {d.name}  ({d.host}, {d.channels} ch, {d.rate_hz:.0f} Hz)")
    print("* is what --mic takes without --device")
    return 0
