"""What goes wrong with sound from a file or a pipe."""


class SoundError(ValueError):
    """Sound that cannot be read; the message is one line that names the file and the reason."""
