"""Curves moved up and down one after the other, without a voice: what shows how a rig is wired."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ... import RuntimeStats
from ...curves import CURVES, GROUPS, HEAD, curve_of
from ...frames import FLAG_CLOSING, Bye, Schema, new_session
from ...spelling import meant
from .. import StreamError
from ..outputs.fan_out import FanOut
from .closing import Ending, close_face
from .meter import Meter
from .stamp import make_frame

#: From rest to 1 and back, seconds.
PULSE_S = 2.0
#: Frames a second.
RATE = Fraction(60)
# The clock of the frames' positions, as if there were sound.
_AUDIO_RATE_HZ = 48000
# Longest wait; new subscribers are looked at this often.
_LOOK_S = 0.004
_NO_SOUND_DB = -120.0


def chosen(name: str) -> tuple[str, ...]:
    """The curves that a curve's name in any spelling, a group or a pattern means, in order.

    Raises StreamError.
    """
    found = GROUPS.get(name) if name not in ("head", *HEAD) else ()
    if found is None:
        found = tuple(curve for curve in CURVES if fnmatchcase(curve, name))
    curve, side = curve_of(name) or ("", "")
    if not found and curve and not side:
        found = (curve,)
    if not found:
        groups = [group for group in GROUPS if group != "head"]
        raise StreamError(
            f"--pulse {name}: expected a curve, a pattern (mouthSmile*) or a group "
            f"({', '.join(groups)}){meant(name, (*CURVES, *groups))}"
        )
    return found


class PulseSession:
    """Sends one curve after another to outputs, as `LiveSession` does with a voice's frames.

    All other curves rest at 0. Each takes `PULSE_S`; after the last comes the first again.
    """

    def __init__(
        self,
        curves: Sequence[str],
        meter: Meter,
        outputs: FanOut,
        *,
        subject: str,
        limit_s: float | None = None,
        tell: Callable[[str], None] = lambda curve: None,
    ) -> None:
        """`limit_s` ends it; `tell` hears of each curve as its turn comes."""
        self.identity = "none"
        self.stats = _stats(0)
        self._columns = [CURVES.index(curve) for curve in curves]
        self._meter = meter
        self._outputs = outputs
        self._tell = tell
        self._limit = math.inf if limit_s is None else math.ceil(limit_s * RATE)
        self._ending = Ending(outputs)
        self._last = np.zeros(len(CURVES), np.float32)
        self._sequence = 0
        self._origin_ns = time.monotonic_ns()
        self._schema = Schema(
            subject=subject,
            session=new_session(),
            curves=CURVES,
            rate_num=RATE.numerator,
            rate_den=RATE.denominator,
            model="pulse",
            model_version="",
            lookahead_ms=0.0,
            audio_rate=_AUDIO_RATE_HZ,
            start_ns=self._origin_ns,
            start_unix_ns=time.time_ns(),
        )

    def stop(self) -> None:
        """Asks for the end; a second call does not wait for the face to close."""
        self._ending.ask()

    def run(self) -> None:
        """Blocks until the limit or `stop`, and closes the outputs. Raises StreamError."""
        reason, failed = "failed", True
        try:
            self._outputs.announce(self._schema)
            self._play()
            reason = "stopped by the user" if self._ending.asked.is_set() else "end of the pulses"
            failed = False
        finally:
            if self._outputs.live and self._sequence:
                close_face(self._last, RATE, self._send_closing, self._ending.hurry)
            bye = Bye(self._schema.subject, self._schema.session, self._sequence, reason)
            self._outputs.close(bye, keep=not failed)

    def _play(self) -> None:
        frames_each = round(PULSE_S * RATE)
        while self._sequence < self._limit:
            index = self._sequence
            turn, within = divmod(index, frames_each)
            column = self._columns[turn % len(self._columns)]
            if within == 0:
                self._tell(CURVES[column])
            due_ns = self._instant_ns(index)
            while (left_s := (due_ns - time.monotonic_ns()) / 1e9) > 0:
                self._outputs.serve()
                if self._ending.asked.wait(min(left_s, _LOOK_S)):
                    return
            if self._ending.asked.is_set():
                return
            self._last = np.zeros(len(CURVES), np.float32)
            self._last[column] = 0.5 - 0.5 * math.cos(2 * math.pi * within / frames_each)
            self._send(index, 0, self._last)
            now_ns = time.monotonic_ns()
            self._meter.note(now_ns, self._last, (now_ns - due_ns) / 1e6)
            self.stats = _stats(self._sequence)

    def _instant_ns(self, index: int) -> int:
        return self._origin_ns + index * 1_000_000_000 * RATE.denominator // RATE.numerator

    def _send(self, index: int, flags: int, curves: NDArray[np.float32]) -> None:
        instant_ns = self._instant_ns(index)
        self._outputs.send(
            make_frame(self._schema, self._sequence, index, instant_ns, flags, curves)
        )
        self._sequence += 1

    def _send_closing(self, _: int, curves: NDArray[np.float32]) -> None:
        self._send(self._sequence, FLAG_CLOSING, curves)


def _stats(frames: int) -> RuntimeStats:
    return RuntimeStats(
        samples=frames * _AUDIO_RATE_HZ // int(RATE),
        frames=frames,
        dropped_samples=0,
        dropped_frames=0,
        invalid_samples=0,
        compute_seconds=0.0,
        level_db=_NO_SOUND_DB,
    )
