"""`dt-stream --pulse CURVE`: curves one after the other, to see what moves on a rig."""

from __future__ import annotations

import argparse
import contextlib
from dataclasses import dataclass, field

from ...curves import CURVES
from ..outputs.fan_out import FanOut, open_outputs
from ..session.meter import Meter
from ..session.pulse import PulseSession, chosen
from .command import deferred, say
from .options import access, destinations, faces


@dataclass
class PulseSource:
    """The pulses as the screen sees a source."""

    name: str
    sample_rate: int = 48000
    duration_s: float | None = None
    notices: list[str] = field(default_factory=list)
    lost_blocks: int = 0
    unplugged: int = 0

    def tell(self, curve: str) -> None:
        """The curve whose turn it is."""
        self.name = f"pulse {curve}"


@dataclass
class Pulsed:
    """Pulses on their way out, as the screen and the threads see a voice."""

    subject: str
    session: PulseSession
    source: PulseSource
    meter: Meter
    outputs: FanOut


def run(args: argparse.Namespace) -> int:
    """Pulses what the options say; returns the exit code. Raises StreamError."""
    from .stream import is_aside, play, written

    curves = chosen(args.pulse)
    subject = faces(args)[0].subject
    aside = is_aside(args)
    places = destinations(args)
    source = PulseSource(f"pulse {curves[0]}", duration_s=args.seconds)
    with contextlib.ExitStack() as stack:
        with deferred():
            outputs = stack.enter_context(
                open_outputs(places, subject=subject, access=access(args), paced=True)
            )
        outputs.tell = source.notices.append
        meter = Meter(CURVES)
        session = PulseSession(
            curves, meter, outputs, subject=subject, limit_s=args.seconds, tell=source.tell
        )
        voice = Pulsed(subject, session, source, meter, outputs)
        title = f"DiffusionTalker Stream   {subject}   {'   '.join(outputs.names)}"
        play(args, [voice], title, aside=aside)
    if not args.quiet:
        what = curves[0] if len(curves) == 1 else f"{len(curves)} curves"
        say(f"{written(places)}{session.stats.frames} frames at 60 Hz, {what}", aside=aside)
    return 0
