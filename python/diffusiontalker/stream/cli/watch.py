"""`dt-watch`: shows what a dt-stream sends, as any other subscriber would receive it."""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Sequence

from rich.console import Console

from ...frames import Audio, Message, StampedFrame, check_subject
from .. import StreamError
from ..outputs.endpoint import DEFAULT_ENDPOINT
from ..session.subscriber import Subscriber
from .command import Parser, guarded, on_leave, raised, say
from .view import Picture, Screen


def picture(subscriber: Subscriber) -> Picture:
    """What to show of a receiver."""
    facts = [("lost", str(subscriber.lost)), ("sessions", str(subscriber.sessions))]
    if subscriber.sound_s:
        facts.append(("sound", f"{subscriber.sound_s:.1f} s"))
    if subscriber.malformed:
        facts.append(("malformed", f"{subscriber.malformed} ({subscriber.last_error})"))
    title = f"dt-watch   {subscriber.subject or 'any face'}   {subscriber.endpoint}"
    if subscriber.session is None:
        status = subscriber.refusal or f"waiting for {subscriber.endpoint}"
        return Picture(title, status, facts=tuple(facts))
    if subscriber.goodbye is not None:
        status = f"the sender has left: {subscriber.goodbye}"
    elif subscriber.silence_s() > 2.0:
        status = f"nothing for {subscriber.silence_s():.0f} s"
    elif subscriber.schema is None:
        status = f"session {subscriber.session:016x}, no schema yet"
    else:
        s = subscriber.schema
        status = (
            f"{s.subject}: model {s.model} {s.model_version}, {s.rate_num / s.rate_den:g} fps, "
            f"look-ahead {s.lookahead_ms:.1f} ms"
        )
    figures = subscriber.meter.read(time.monotonic_ns())
    return Picture(title, status, figures, facts=tuple(facts))


def json_line(subscriber: Subscriber, message: Message) -> str:
    """A message as one line of JSON, curves by name where the schema is known."""
    if isinstance(message, StampedFrame):
        schema = subscriber.schema
        named = schema is not None and len(schema.curves) == len(message.curves)
        body = {
            "kind": "frame",
            **vars(message),
            "time_s": message.index * message.rate_den / message.rate_num,
            "lateness_ms": round(subscriber.lateness_ms(message, time.monotonic_ns()), 3),
            "curves": dict(zip(schema.curves, message.curves, strict=True))
            if schema is not None and named
            else message.curves,
        }
    else:
        body = {"kind": type(message).__name__.lower(), **vars(message)}
        if isinstance(message, Audio):
            # Nobody reads sound in JSON.
            body["samples"] = len(message.samples) // 2
    return json.dumps(body, ensure_ascii=False)


def _parser() -> Parser:
    parser = Parser(
        "dt-watch",
        "Shows what a dt-stream sends. It waits for a sender, follows it through "
        "restarts, and leaves on Ctrl-C or after --seconds.",
    )
    parser.add_argument(
        "endpoint", nargs="?", default=DEFAULT_ENDPOINT, metavar="ENDPOINT",
        help=f"where the sender is bound (default: {DEFAULT_ENDPOINT})",
    )  # fmt: skip
    parser.add_argument("--subject", help="follow this face only (default: whoever speaks first)")
    parser.add_argument(
        "--keys", metavar="FOLDER",
        help="for a sender that asks for a key: what `dt-stream keygen` made for this receiver",
    )  # fmt: skip
    parser.add_argument("--seconds", type=float, metavar="N", help="leave after N seconds")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--plain", action="store_true", help="a line a second (default if not a terminal)"
    )
    how.add_argument("--json", action="store_true", help="a line of JSON a message")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """`dt-watch`; returns the exit code."""
    return guarded("dt-watch", lambda: run(argv), last=argv is None)


def run(argv: Sequence[str] | None) -> int:
    """Does what `argv` says. Raises StreamError."""
    args = _parser().parse_args(argv)
    if args.seconds is not None and not 0 < args.seconds < float("inf"):
        raise StreamError(f"--seconds: expected more than 0, got {args.seconds:g}")
    if args.subject is not None:
        try:
            check_subject(args.subject)
        except ValueError as error:
            raise StreamError(f"--{error}") from None
    with raised():
        subscriber = Subscriber(args.endpoint, args.subject, keys=args.keys)
        try:
            return _watch(args, subscriber)
        finally:
            subscriber.close()


def _watch(args: argparse.Namespace, subscriber: Subscriber) -> int:
    leaving = threading.Event()
    end_s = time.monotonic() + (args.seconds or float("inf"))
    screen = Screen(Console(), lambda: picture(subscriber), plain=args.plain or args.json)
    next_draw_s = time.monotonic() + screen.every_s
    with on_leave(leaving.set), screen:
        while not leaving.is_set() and time.monotonic() < end_s:
            message = subscriber.receive()
            if args.json and message is not None:
                print(json_line(subscriber, message), flush=True)
            elif not args.json and time.monotonic() >= next_draw_s:
                screen.update()
                next_draw_s = max(next_draw_s + screen.every_s, time.monotonic())
    if subscriber.session is None:
        said = f"; malformed: {subscriber.last_error}" if subscriber.malformed else ""
        if args.seconds is not None:
            if subscriber.refusal:
                raise StreamError(f"{args.endpoint}: {subscriber.refusal}")
            named = f", with --subject {args.subject}" if args.subject else ""
            raise StreamError(
                f"nothing came from {args.endpoint} in {args.seconds:g} s; is dt-stream running "
                f"there{named}?{said}"
            )
        return 0
    if not args.json:
        figures = subscriber.meter.read(time.monotonic_ns())
        say(
            f"{subscriber.frames} frames of {subscriber.subject!r}, lost {subscriber.lost}, "
            f"sessions {subscriber.sessions}, malformed {subscriber.malformed}, latency p50 "
            f"{figures.latency_p50_ms:.0f} p99 {figures.latency_p99_ms:.0f} ms"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
