"""Films and pictures of a head that speaks, drawn without a display or a graphics card.

`write` makes a film of arrays, `picture` a still. Films need PyAV and Pillow, the extra [film];
stills need neither.
"""

from .errors import FilmError
from .layouts import LAYOUTS
from .portrait import Portrait, picture
from .tracks import MAIN, Track
from .writing import Beside, Film, write

__all__ = [
    "LAYOUTS",
    "MAIN",
    "Beside",
    "Film",
    "FilmError",
    "Portrait",
    "Track",
    "picture",
    "write",
]
