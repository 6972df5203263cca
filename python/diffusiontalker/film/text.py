"""Words on pictures, through Pillow."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..files import replaced
from .errors import FilmError

ByteArray = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]


def load() -> Any:
    """Pillow's modules Image, ImageDraw and ImageFont. Raises FilmError where it is missing."""
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError:
        raise FilmError(
            "labels need Pillow, which is not installed: pip install 'diffusiontalker[film]'"
        ) from None
    return Image, ImageDraw, ImageFont


@lru_cache(maxsize=16)
def font(size: int) -> Any:
    """The typeface that Pillow brings with it, `size` pixels high: the same on every machine."""
    return load()[2].load_default(size)


@lru_cache(maxsize=512)
def word(text: str, size: int, weight: int = 255) -> ByteArray:
    """(height, width) how much each pixel is covered by `text`, times `weight` / 255."""
    image_module, draw_module, _ = load()
    face = font(size)
    left, top, right, bottom = face.getbbox(text)
    _, line_top, _, line_bottom = face.getbbox("Ag|")
    top, bottom = min(top, line_top), max(bottom, line_bottom)
    image = image_module.new("L", (max(1, round(right - left)), max(1, round(bottom - top))))
    draw_module.Draw(image).text((-left, -top), text, fill=weight, font=face)
    made: ByteArray = np.asarray(image)
    return made


def save(path: Path, picture: ByteArray) -> None:
    """Writes a picture; the ending says which kind: .png, .jpg, .webp. Raises FilmError."""
    image = load()[0].fromarray(picture)
    try:
        with replaced(path) as part:
            image.save(part)
    except ValueError:  # an ending that Pillow does not know
        raise FilmError(f"cannot write {path}: expected .png, .jpg or .webp") from None
    except OSError as error:
        raise FilmError(f"cannot write {path}: {error.strerror or error}") from None


def write(picture: ByteArray, text: str, at: tuple[int, int], size: int, colour: Colour) -> None:
    """Writes a line into `picture`, its upper left corner `at` (x, y); what does not fit is cut."""
    put(picture, word(text, size), at, colour)


def put(picture: ByteArray, cover: ByteArray, at: tuple[int, int], colour: Colour) -> None:
    """Lays `colour` over `picture` where `cover` is, in place."""
    x, y = at
    height, width = picture.shape[:2]
    cover = cover[max(0, -y) : max(0, height - y), max(0, -x) : max(0, width - x)]
    if not cover.size:
        return
    x, y = max(x, 0), max(y, 0)
    there = picture[y : y + cover.shape[0], x : x + cover.shape[1]]
    share = cover.astype(np.uint16)[..., None]
    over = np.array(colour, np.uint16)
    there[:] = ((255 - share) * there + share * over + 127) // 255
