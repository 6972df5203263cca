"""What a run says: lines of Markdown and rows of JSON, and how calls are timed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FLOAT32_TOLERANCE, HALF_TOLERANCE = 1e-4, 2e-3  # in the curves
FACE_RATE_HZ = 60  # for "fits a frame"


class Report:
    """Prints as it goes. `end_s` is when no new row may begin, by `time.monotonic()`."""

    def __init__(self, end_s: float) -> None:
        self.lines: list[str] = []
        self.rows: list[dict[str, Any]] = []
        self.about: dict[str, Any] = {}
        self.failed = False
        self._end_s = end_s
        self._section = ""

    def say(self, line: str = "") -> None:
        print(line, flush=True)
        self.lines.append(line)

    def section(self, title: str) -> None:
        self._section = title
        self.say(f"\n## {title}\n")

    def add(self, what: str, **values: Any) -> None:
        self.rows.append({"section": self._section, "what": what, **values})

    def check(self, what: str, error: float, tolerance: float) -> None:
        good = bool(error <= tolerance)
        self.failed |= not good
        verdict = "within" if good else "BEYOND"
        self.say(f"- {what}: largest difference {error:.2e}, {verdict} {tolerance:.0e}")
        self.add(what, largest_difference=float(error), tolerance=tolerance, within=good)

    def tell(self, what: str, **differences: float) -> None:
        """Differences without a bound."""
        words = ", ".join(f"{k.replace('_', ' ')} {v:.2e}" for k, v in differences.items())
        self.say(f"- {what}: {words}")
        self.add(what, **{k: float(v) for k, v in differences.items()})

    def head(self) -> None:
        self.say("| what | voices | ITF, 1e-4 s a frame | p50 ms | p99 ms | calls | fits a frame |")
        self.say("|---|---|---|---|---|---|---|")

    def row(self, what: str, taken: np.ndarray, voices: int = 1, frames: int = 1) -> None:
        """Of calls that took `taken` seconds for `frames` frames of each voice."""
        p50, p99 = (1e3 * float(np.percentile(taken, q)) for q in (50, 99))
        itf = float(np.mean(taken)) / (voices * frames)
        fits = p99 < 1e3 * frames / FACE_RATE_HZ
        self.say(
            f"| {what} | {voices} | {itf / 1e-4:.4f} | {p50:.3f} | {p99:.3f} | {len(taken)} | "
            f"{'yes' if fits else 'no'} |"
        )
        self.add(
            what, voices=voices, frames=frames, itf_s=itf, p50_ms=p50, p99_ms=p99,
            calls=len(taken), fits_a_frame=fits,
        )  # fmt: skip

    def note(self, what: str, voices: int, why: str) -> None:
        """A row that could not be measured."""
        self.say(f"| {what} | {voices} | | | | | {why} |")
        self.add(what, voices=voices, missing=why)

    def timed_out(self) -> bool:
        return time.monotonic() > self._end_s

    def measure(
        self, what: str, voices: int, prepare: Callable[[], Callable[[], object]], seconds: float
    ) -> bool:
        """A row of the call that `prepare` returns; what fails is a row that says so."""
        if self.timed_out():
            self.note(what, voices, "no time left")
            return False
        try:
            self.row(what, time_calls(prepare(), seconds), voices)
        except Exception as error:
            # Out of memory, or a compiler that wants tools of its own: the other rows go on.
            lines = str(error).strip().splitlines() or [type(error).__name__]
            self.note(what, voices, lines[0][:160].replace("|", "/"))
            return False
        return True

    def write(self, path: Path) -> None:
        """Markdown there, and JSON beside it."""
        path.write_text("\n".join(self.lines) + "\n", encoding="utf-8")
        data = {**self.about, "failed": self.failed, "rows": self.rows}
        path.with_suffix(".json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def time_calls(call: Callable[[], object], seconds: float, least: int = 20) -> np.ndarray:
    """Seconds of each call, over about `seconds` after a warm-up; at least `least` calls."""
    for _ in range(min(5, least)):
        call()
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < least or time.perf_counter() < end:
        begun = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begun)
    return np.array(taken)
