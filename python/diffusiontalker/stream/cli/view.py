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
_BAR_CELLS = 32
_MOST_BARS = 14
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


def draw(picture: Picture, height: int, ascii_only: bool = False) -> Text:
    """The screen for a terminal of `height` lines."""
    # One text of plain lines: rich takes milliseconds to lay out a table, and frames would wait.
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(picture.title, style="bold").append(f"\n{picture.status}\n\n")

    def row(label: str, share: float, style: str, value: str) -> None:
        cells = bar(share, _BAR_CELLS)
        if ascii_only:
            cells = ("#" * len(cells.strip())).ljust(_BAR_CELLS, ".")
        text.append(f"{label:18.18} ").append(cells, style=style).append(f" {value:>7}\n")

    taken = 6
    if picture.level_db is not None:
        share = 1.0 - picture.level_db / _QUIETEST_DB
        style = "red" if picture.level_db > _LOUDEST_DB else "green"
        row("level", share, style, f"{max(picture.level_db, _QUIETEST_DB):.0f} dB")
        text.append("\n")
        taken += 2
    if picture.figures is not None:
        for name, value in picture.figures.curves[: max(3, min(_MOST_BARS, height - taken))]:
            row(name, value, "cyan", f"{value:.2f}")
        f = picture.figures
        text.append(f"\n{f.rate_hz:.1f}", style="bold").append(" fps   latency p50 ")
        text.append(f"{f.latency_p50_ms:.0f}", style="bold").append(" p99 ")
        text.append(f"{f.latency_p99_ms:.0f}", style="bold").append(" ms   ")
    for label, fact in picture.facts:
        text.append(f"{label} ").append(fact, style="bold").append("   ")
    return text


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
                draw(picture, self._console.height, not encoding.startswith("utf")), refresh=True
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
