"""Films and pictures of a head that speaks, drawn without a display or a graphics card.

`write` makes a film of arrays, `picture` a still. Films need PyAV and Pillow, the extra [film];
stills need neither.
"""

from .errors import FilmError
from .layouts import LAYOUTS
from .portrait import Portrait, picture, size_of
from .stills import sheet
from .tracks import MAIN, Track
from .writing import DEFAULT_SIZE, Beside, Film, check, ready, write

__all__ = [
    "DEFAULT_SIZE",
    "LAYOUTS",
    "MAIN",
    "Beside",
    "Film",
    "FilmError",
    "Portrait",
    "Track",
    "check",
    "picture",
    "ready",
    "sheet",
    "size_of",
    "write",
]
