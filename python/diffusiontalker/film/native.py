"""The extension that draws."""

from __future__ import annotations

from typing import Any

from .errors import FilmError


def renderer() -> Any:
    """The module `_picture`. Raises FilmError where the package was built without it."""
    try:
        from .. import _picture
    except ImportError as error:
        raise FilmError(f"the package was built without its renderer ({error})") from None
    return _picture
