"""`dt-watch`: shows what a dt-stream sends, as any other subscriber would receive it."""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Sequence

import numpy as np
import zmq
from rich.console import Console

from ... import wire
from .. import StreamError
from ..outputs.publisher import DEFAULT_ENDPOINT, HEARTBEAT_IVL_MS, HEARTBEAT_TIMEOUT_MS, is_local
from ..session.meter import Meter
from .command import Parser, complain, forget_stdout, on_leave, say
from .view import Picture, Screen

#: Messages that may wait here before ZeroMQ drops the newest: 2 s at 60 Hz.
RECEIVE_QUEUE = 120
#: A subject that has been silent for so long may be replaced by another, seconds.
_SILENT_S = 3.0
_RECEIVE_MS = 50


class Subscriber:
    """A SUB socket and what is known of the sender it hears."""

    def __init__(self, endpoint: str = DEFAULT_ENDPOINT, subject: str | None = None) -> None:
        """Connects, now or whenever the sender appears. Raises StreamError."""
        self.endpoint = endpoint
        self.schema: wire.Schema | None = None
        self.subject: str | None = None  #: the face that is followed
        self.session: int | None = None
        self.sessions = 0  #: senders met
        self.frames = 0
        self.lost = 0  #: frames missing in the sequence
        self.sound_s = 0.0  #: sound received, if the sender publishes it
        self.malformed = 0
        self.last_error = ""
        self.goodbye: str | None = None  #: the sender's reason, once it has left
        self.meter = Meter(())
        self._expected: int | None = None
        self._heard_s = -_SILENT_S
        self._local = is_local(endpoint)
        self._least_ms = float("inf")
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RCVHWM, RECEIVE_QUEUE)
        self._socket.setsockopt(zmq.RCVTIMEO, _RECEIVE_MS)
        self._socket.setsockopt(zmq.MAXMSGSIZE, wire.MAX_PAYLOAD_BYTES)
        self._socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_IVL_MS)
        self._socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
        self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
        self._socket.setsockopt(zmq.IPV6, 1 if "[" in endpoint else 0)
        self._socket.setsockopt(zmq.SUBSCRIBE, wire.subscription(subject))
        try:
            self._socket.connect(endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise StreamError(
                f"cannot connect to {endpoint}: {error.strerror}; expected tcp://HOST:PORT, as in "
                f"{DEFAULT_ENDPOINT}"
            ) from None

    def receive(self) -> wire.Message | None:
        """The next message of the face that is followed; None after 50 ms without one."""
        try:
            parts = self._socket.recv_multipart()
        except zmq.Again:
            return None
        try:
            message = wire.decode(parts)
        except wire.WireError as error:
            self.malformed += 1
            self.last_error = str(error)
            return None
        now_ns = time.monotonic_ns()
        if message.subject != self.subject:
            # One face at a time: whoever spoke first, until it falls silent.
            if now_ns / 1e9 - self._heard_s < _SILENT_S and self.goodbye is None:
                return None
            self.subject = message.subject
        self._heard_s = now_ns / 1e9
        if message.session != self.session:
            self._begin(message.session)
        if isinstance(message, wire.Schema):
            if self.schema is None:
                self.meter = Meter(message.curves)
            self.schema = message
        elif isinstance(message, wire.Bye):
            if self._expected is not None:
                self.lost += max(0, message.frames - self._expected)
            self.goodbye = message.reason or "no reason given"
        elif isinstance(message, wire.Audio):
            self.sound_s += len(message.samples) / 2 / message.audio_rate
        elif not self._count(message, now_ns):
            return None
        return message

    def lateness_ms(self, frame: wire.Frame, now_ns: int) -> float:
        """How long after its instant a frame is here.

        On one machine both ends share a clock and this is the whole latency from the sound on.
        Otherwise the clocks have nothing in common, and it is counted from the fastest frame.
        """
        late_ms = (now_ns - frame.capture_ns) / 1e6
        if self._local:
            return late_ms
        self._least_ms = min(self._least_ms, late_ms)
        return late_ms - self._least_ms

    def silence_s(self) -> float:
        """Seconds since the last message."""
        return time.monotonic() - self._heard_s

    def close(self) -> None:
        self._socket.close()
        self._context.term()

    def _begin(self, session: int) -> None:
        self.session = session
        self.sessions += 1
        self.schema = None
        self.goodbye = None
        self.meter = Meter(())
        self._expected = None
        self._least_ms = float("inf")

    def _count(self, frame: wire.Frame, now_ns: int) -> bool:
        """Counts a frame; False for one that came twice or too late."""
        if self._expected is not None:
            if frame.sequence < self._expected:
                return False
            self.lost += frame.sequence - self._expected
        self._expected = frame.sequence + 1
        self.frames += 1
        if self.schema is not None and len(frame.curves) == len(self.schema.curves):
            curves = np.array(frame.curves, np.float32)
            self.meter.note(now_ns, curves, self.lateness_ms(frame, now_ns))
        return True

    def picture(self) -> Picture:
        """What to show."""
        facts = [("lost", str(self.lost)), ("sessions", str(self.sessions))]
        if self.sound_s:
            facts.append(("sound", f"{self.sound_s:.1f} s"))
        if self.malformed:
            facts.append(("malformed", f"{self.malformed} ({self.last_error})"))
        title = f"dt-watch   {self.subject or 'any face'}   {self.endpoint}"
        if self.session is None:
            return Picture(title, f"waiting for {self.endpoint}", facts=tuple(facts))
        if self.goodbye is not None:
            status = f"the sender has left: {self.goodbye}"
        elif self.silence_s() > 2.0:
            status = f"nothing for {self.silence_s():.0f} s"
        elif self.schema is None:
            status = f"session {self.session:016x}, no schema yet"
        else:
            s = self.schema
            status = (
                f"{s.subject}: model {s.model} {s.model_version}, {s.rate_num / s.rate_den:g} fps, "
                f"look-ahead {s.lookahead_ms:.1f} ms"
            )
        figures = self.meter.read(time.monotonic_ns())
        return Picture(title, status, figures, facts=tuple(facts))


def json_line(subscriber: Subscriber, message: wire.Message) -> str:
    """A message as one line of JSON, curves by name where the schema is known."""
    if isinstance(message, wire.Frame):
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
        if isinstance(message, wire.Audio):
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
    parser.add_argument("--seconds", type=float, metavar="N", help="leave after N seconds")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--plain", action="store_true", help="a line a second (default if not a terminal)"
    )
    how.add_argument("--json", action="store_true", help="a line of JSON a message")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `dt-watch`; returns the exit code."""
    try:
        args = _parser().parse_args(argv)
        if args.seconds is not None and not 0 < args.seconds < float("inf"):
            raise StreamError(f"--seconds: expected more than 0, got {args.seconds:g}")
        try:
            subscriber = Subscriber(args.endpoint, args.subject)
        except wire.WireError as error:
            raise StreamError(f"--{error}") from None
        try:
            return _watch(args, subscriber)
        finally:
            subscriber.close()
    except StreamError as error:
        return complain("dt-watch", error)
    except BrokenPipeError:
        forget_stdout()
        return 0


def _watch(args: argparse.Namespace, subscriber: Subscriber) -> int:
    leaving = threading.Event()
    end_s = time.monotonic() + (args.seconds or float("inf"))
    screen = Screen(Console(), subscriber.picture, plain=args.plain or args.json)
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
            raise StreamError(
                f"nothing came from {args.endpoint} in {args.seconds:g} s; is dt-stream running "
                f"there?{said}"
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
