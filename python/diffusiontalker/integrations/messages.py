"""What a face of an agent's tells its clients, as JSON objects; docs/agents.md has each field."""

from __future__ import annotations

from typing import Any

from ..chunks import FloatArray
from ..runtime import Runtime
from .speech import Piece

#: Tells the messages of a face from others on the same channel.
LABEL = "diffusiontalker"
#: Decimals that are kept of a curve.
DIGITS = 4

Message = dict[str, Any]


def schema(runtime: Runtime) -> Message:
    """What the frames mean; comes before them."""
    rate = runtime.frame_rate
    return _message(
        "schema",
        curves=list(runtime.curve_names),
        rate_num=rate.numerator,
        rate_den=rate.denominator,
        lookahead_ms=runtime.lookahead_ms,
        model=runtime.bundle.name,
        model_version=runtime.bundle.sha256[:12],
    )


def frames(piece: Piece, digits: int | None = DIGITS, **more: Any) -> Message:
    """A piece: its frames and how long its sound is. `digits` None keeps every bit."""
    return _message(
        "frames",
        index=piece.index,
        sound_s=round(piece.sound_s, 6),
        curves=rows(piece.curves, digits),
        **more,
    )


def interrupted(index: int) -> Message:
    """What was not shown will not be; the closing mouth begins with frame `index`."""
    return _message("interrupted", index=index)


def bye(count: int) -> Message:
    """The face leaves; so many frames have left."""
    return _message("bye", frames=count)


def rows(curves: FloatArray, digits: int | None) -> list[list[float]]:
    if digits is None:
        return [[float(value) for value in row] for row in curves]
    return [[round(value, digits) for value in row] for row in curves.tolist()]


def _message(kind: str, **fields: Any) -> Message:
    return {"label": LABEL, "type": kind, **fields}
