"""What goes wrong with takes."""


class TakeError(ValueError):
    """A take that cannot be written, read or converted; one line that names it and the remedy."""
