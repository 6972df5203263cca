"""How a stream looks on a terminal: one live screen, or a line a second. For both commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ..session.meter import Figures

_DRAWS_A_SECOND = 12
# The longest name of a curve, its bar and its value; between two columns of them.
_NAME_CELLS, _BAR_CELLS, _GAP_CELLS = 19, 14, 2
_ROW_CELLS = _NAME_CELLS + 1 + _BAR_CELLS + 7
# Groups of curves in the order in which a viewer wants them, by how their names begin.
_GROUPS = (
    ("mouth and jaw", ("jaw", "mouth", "tongue")),
    ("eyes", ("eye",)),
    ("brows, cheeks, nose", ("brow", "cheek", "nose")),
)
# A heading, or a curve and its value.
Cell = str | tuple[str, float]
# The level meter's range, dBFS; above _LOUDEST_DB it turns red.
_QUIETEST_DB = -70.0
_LOUDEST_DB = -3.0
_EIGHTHS = " ▏▎▍▌▋▊▉"


@dataclass(frozen=True)
class Picture:
    """Everything a view shows at one instant."""

    title: str
    status: str  #: what is going on, in words
    figures: Figures | None = None
    level_db: float | None = None  #: of the sound, dBFS; None when it is not known here
    facts: tuple[tuple[str, str], ...] = field(default=())  #: further labels and values


def bar(share: float, cells: int) -> str:
    """A bar that fills `share` (0 to 1) of `cells` characters, in eighths of a cell."""
    eighths = round(min(max(share, 0.0), 1.0) * cells * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(cells)


def plain_line(picture: Picture) -> str:
    """The same as one line of text."""
    parts = [picture.status]
    if picture.figures is not None:
        f = picture.figures
        parts.append(f"{f.rate_hz:.1f} fps")
        parts.append(f"latency p50 {f.latency_p50_ms:.0f} p99 {f.latency_p99_ms:.0f} ms")
    if picture.level_db is not None:
        parts.append(f"level {picture.level_db:.0f} dB")
    parts += [f"{label} {value}" for label, value in picture.facts]
    if picture.figures is not None and picture.figures.frames:
        parts.append(" ".join(f"{n} {v:.2f}" for n, v in picture.figures.curves[:4]))
    return " | ".join(parts)


def draw(picture: Picture, height: int, ascii_only: bool = False, width: int = 80) -> Text:
    """The screen for a terminal of `height` lines and `width` columns."""
    # One text of plain lines: rich takes milliseconds to lay out a table, and frames would wait.
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(picture.title, style="bold").append(f"\n{picture.status}\n\n")

    def row(label: str, share: float, style: str, value: str) -> None:
        cells = bar(share, _BAR_CELLS)
        if ascii_only:
            cells = ("#" * len(cells.strip())).ljust(_BAR_CELLS, ".")
        text.append(f"{label:{_NAME_CELLS}} ").append(cells, style=style).append(f" {value:>6}")

    taken = 6
    if picture.level_db is not None:
        share = 1.0 - picture.level_db / _QUIETEST_DB
        style = "red" if picture.level_db > _LOUDEST_DB else "green"
        row("level", share, style, f"{max(picture.level_db, _QUIETEST_DB):.0f} dB")
        text.append("\n\n")
        taken += 2
    if picture.figures is not None:
        columns = max(1, (width + _GAP_CELLS) // (_ROW_CELLS + _GAP_CELLS))
        for line in _lines(picture.figures, max(3, height - taken), columns):
            for number, cell in enumerate(line):
                text.append(" " * _GAP_CELLS if number else "")
                if isinstance(cell, str):
                    text.append(f"{cell:{_ROW_CELLS}}", style="bold")
                else:
                    row(cell[0], cell[1], "cyan", f"{cell[1]:.2f}")
            text.append("\n")
        f = picture.figures
        text.append(f"\n{f.rate_hz:.1f}", style="bold").append(" fps   latency p50 ")
        text.append(f"{f.latency_p50_ms:.0f}", style="bold").append(" p99 ")
        text.append(f"{f.latency_p99_ms:.0f}", style="bold").append(" ms   ")
    for label, fact in picture.facts:
        text.append(f"{label} ").append(fact, style="bold").append("   ")
    return text


def _lines(figures: Figures, room: int, columns: int) -> list[list[Cell]]:
    """The curves in groups, mouth first, column after column; what does not fit is left out.

    Where there is room for a part alone, that are the liveliest of the first groups, in their
    places.
    """
    places = room * columns
    values = dict(figures.curves)
    groups = [(title, [n for n in values if n.startswith(starts)]) for title, starts in _GROUPS]
    named = {n for _, names in groups for n in names}
    groups.append(("other", [n for n in values if n not in named]))
    cells: list[Cell] = []
    for title, names in groups:
        left = places - len(cells) - 1
        if not names or left < 1:
            continue
        # The liveliest that fit; in the order of their names, so that a bar stays where it is.
        kept = sorted(names[:left])
        cells += [title, *((name, values[name]) for name in kept)]
    depth = min(room, -(-len(cells) // columns))
    return [cells[line::depth] for line in range(depth)]


class Screen:
    """Draws what `look` returns while the `with` block lasts: live on a terminal, else in lines.

    `plain` forces lines. `update` is called often and decides itself whether it is time.
    """

    def __init__(self, console: Console, look: Callable[[], Picture], *, plain: bool) -> None:
        self._console = console
        self._look = look
        self._live: Live | None = None
        self.plain = plain or not console.is_terminal or console.is_dumb_terminal
        #: Seconds between two calls of `update` that make sense.
        self.every_s = 1.0
        if not self.plain:
            self.every_s = 1.0 / _DRAWS_A_SECOND
            self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Screen:
        if self._live is not None:
            self._live.start()
        return self

    def update(self) -> None:
        picture = self._look()
        if self._live is None:
            # Not by rich, which would end the program when nobody reads its output any more.
            self._console.file.write(plain_line(picture) + "\n")
            self._console.file.flush()
        else:
            encoding = self._console.encoding.lower()
            self._live.update(
                draw(
                    picture,
                    self._console.height,
                    not encoding.startswith("utf"),
                    self._console.width,
                ),
                refresh=True,
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
