"""What goes wrong with a film, in one line that a command can print."""

from __future__ import annotations


class FilmError(ValueError):
    """A film or a picture that cannot be made; the message says why and what to do about it."""
