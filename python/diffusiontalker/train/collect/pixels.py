"""The shape of a film's pixels: what an option says, and when to ask."""

from __future__ import annotations

from fractions import Fraction

#: Sizes of analogue television, with their pixels' width over height at 4:3 and at 16:9. A film of
#: such a size whose pixels are square was most likely stripped of their shape. (ITU-R BT.601's 704
#: samples carry the picture; encoders that fill 720 with it use the ratio of 720.)
_TELEVISION: dict[tuple[int, int], tuple[str, str]] = {
    (720, 576): ("16:15", "64:45"),
    (704, 576): ("12:11", "16:11"),
    (480, 576): ("8:5", "32:15"),
    (352, 576): ("24:11", "32:11"),
    (360, 288): ("16:15", "64:45"),
    (352, 288): ("12:11", "16:11"),
    (720, 480): ("8:9", "32:27"),
    (720, 486): ("9:10", "6:5"),
    (704, 480): ("10:11", "40:33"),
    (360, 240): ("8:9", "32:27"),
    (352, 240): ("10:11", "40:33"),
    (1440, 1080): ("", "4:3"),
    (1280, 1080): ("", "3:2"),
}
#: Wider or taller pixels than this are a slip.
MOST = Fraction(4)


def parse(text: str) -> Fraction:
    """`W:H` (or W/H, or one number) -> width over height. Raises ValueError with the reason."""
    wide, _, high = text.replace("/", ":").partition(":")
    try:
        ratio = Fraction(wide.strip()) / Fraction(high.strip() or "1")
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"expected W:H as in 16:15, got {text!r}") from None
    if not 1 / MOST <= ratio <= MOST:
        raise ValueError(f"expected W:H between 1:4 and 4:1, got {text!r}")
    return ratio


def told(ratio: Fraction) -> str:
    """16:15 for 16/15."""
    return f"{ratio.numerator}:{ratio.denominator}"


def question(name: str, width: int, height: int, says: Fraction | None) -> str:
    """What to ask the user of a film whose size contradicts its square pixels; "" for none.

    `says`: what the film says of its pixels, None where it says nothing.
    """
    if says not in (None, Fraction(1)) or (width, height) not in _TELEVISION:
        return ""
    narrow, wide = _TELEVISION[width, height]
    remedy = (
        f"--pixel-aspect {narrow} (or {wide} if it was filmed for 16:9)"
        if narrow
        else f"--pixel-aspect {wide} if it was filmed for 16:9"
    )
    how = "says that its pixels are square" if says else "does not say what shape its pixels have"
    return (
        f"{name} is {width} x {height}, a size of television, and {how}: does the face look too "
        f"narrow or too wide? Then {remedy}; --pixel-aspect 1:1 if it is right as it is"
    )
