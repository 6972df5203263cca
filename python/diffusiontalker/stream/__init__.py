"""Live use: sources of sound, the loop that drives a face, and outputs (docs/wire.md)."""


class StreamError(RuntimeError):
    """Something a user can put right; the message is one line that names the value and the remedy.

    Commands print it and leave with exit code 2.
    """
