"""`dt-stream keygen`: keys for a sender and its receivers."""

from __future__ import annotations

from ..outputs import keys


def make(folder: str, receivers: tuple[str, ...]) -> int:
    """Prints a line for each folder that was made; returns the exit code. Raises StreamError."""
    made = keys.make(folder, receivers)
    for place in made:
        if place.name == keys.SENDER:
            print(f"{place}: stays here: dt-stream --keys {place}")
        else:
            print(
                f"{place}: goes to the receiver's machine, by a way that nobody else reads: "
                f"dt-watch --keys {place.name}"
            )
    if not made:
        print(f"{folder}: has all of these keys already; --receiver NAME adds one")
    return 0
