"""`dt-stream replay TAKE`: a take once more, to any way out."""

from __future__ import annotations

import argparse
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...takes import Take, TakeError, read
from .. import StreamError
from ..outputs.fan_out import FanOut, open_outputs
from ..outputs.speaker import Speaker
from ..session.meter import Meter
from ..session.replay import ReplaySession
from . import preview
from .command import EXIT_CTRL_C, Left, deferred, remark, say
from .options import access, destinations

if TYPE_CHECKING:
    from ...preview.link import Link


@dataclass
class TakeSource:
    """A take as the screen sees a source."""

    name: str
    sample_rate: int
    duration_s: float | None
    notices: list[str] = field(default_factory=list)
    lost_blocks: int = 0
    unplugged: int = 0


@dataclass
class Replayed:
    """A take on its way out, as the screen and the threads see a voice."""

    subject: str
    session: ReplaySession
    source: TakeSource
    meter: Meter
    outputs: FanOut


def open_take(path: str) -> Take:
    """Raises StreamError; a take without a frame is none to replay."""
    try:
        take = read(path)
    except TakeError as error:
        raise StreamError(str(error)) from None
    if not len(take.index):
        raise StreamError(f"{take.path}: there is no frame in it")
    return take


def run(args: argparse.Namespace) -> int:
    """Replays what the options say, with --preview until nobody wants it again; returns the exit
    code. Raises StreamError.
    """
    take = open_take(args.take)
    with preview.opened(args, args.head if isinstance(args.head, str) else None) as link:
        while True:
            try:
                left = _once(args, take, link)
            except Left as early:
                # Between two goes as within one: Ctrl-C is how a page is left.
                if link is None or early.code != EXIT_CTRL_C:
                    raise
                return 0
            if link is None or left or args.seconds is not None:
                return 0
            if preview.wait_for_restart(link, quiet=args.quiet) is None:
                return 0


def _once(args: argparse.Namespace, take: Take, link: Link | None) -> bool:
    """The take once; True where the user wants to leave."""
    from .stream import is_aside, play, written

    subject = args.subject[0] if args.subject else take.schema.subject
    aside = is_aside(args)
    if take.cut and not args.quiet:
        remark("dt-stream", take.cut)
    if (args.publish_audio or args.play) and not take.samples:
        remark("dt-stream", f"{take.path}: there is no sound in it")
    source = TakeSource(take.path.name, take.rate_hz, take.duration_s)
    with contextlib.ExitStack() as stack:
        places = destinations(args)
        with deferred():
            outputs = stack.enter_context(
                open_outputs(places, subject=subject, access=access(args), paced=not args.fast)
            )
        outputs.tell = source.notices.append
        if link is not None:
            _show(link, take, outputs)
        if args.play:
            try:
                outputs.add(Speaker(take.rate_hz, take.schema.lookahead_ms))
            except StreamError as error:
                source.notices.append(f"--play: {error}; going on without")
        meter = Meter(take.names)
        session = ReplaySession(
            take, meter, outputs, subject=subject, publish_audio=args.publish_audio,
            play=args.play, realtime=not args.fast, limit_s=args.seconds,
        )  # fmt: skip
        voice = Replayed(subject, session, source, meter, outputs)
        if args.fast:
            session.run()
        else:
            title = f"DiffusionTalker Stream   {subject}   {'   '.join(outputs.names)}"
            play(args, [voice], title, aside=aside)
    if not args.quiet:
        figures = meter.read(time.monotonic_ns())
        say(
            f"{written(places)}{figures.frames} of {len(take.index)} frames at "
            f"{float(take.rate):g} Hz replayed from {take.path}",
            aside=aside,
        )
    return session.left


def _show(link: Link, take: Take, outputs: FanOut) -> None:
    """Shows a take on the page too."""
    from ..outputs.page import PageOutput
    from ..session.remote import tell_session

    page = PageOutput(link)
    page.on_schema = lambda schema: tell_session(
        link,
        schema,
        source=take.path.name,
        replayed=True,
        live=False,
        duration_s=take.duration_s,
        identities=[],
        bundles=[],
        bundle="",
        can_record=False,
    )
    outputs.add(page)
