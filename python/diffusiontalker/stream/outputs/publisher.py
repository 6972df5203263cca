"""Publishes frames over ZeroMQ (docs/wire.md). The only sender of ZeroMQ messages."""

from __future__ import annotations

import contextlib
import dataclasses
import struct
import time

import zmq

from ... import wire
from ...frames import Audio, Bye, Schema, StampedFrame
from .. import StreamError
from .admission import DOMAIN, Admission
from .endpoint import (
    DEFAULT_ENDPOINT,
    KEEPALIVE_PROBES,
    KEEPALIVE_S,
    LOCAL,
    Access,
    check_endpoint,
)
from .keys import read_sender
from .output import Output
from .sockets import Sockets

#: Messages that wait for a slow subscriber before the newest are dropped for it: 2 s at 60 Hz.
SEND_QUEUE = 120
#: The schema is repeated this often, seconds.
SCHEMA_EVERY_S = 1.0
#: How long `close` lets the last messages leave, milliseconds.
_LEAVE_MS = 300


class Publisher(Output):
    """An XPUB socket that answers each new subscription with the schema.

    Nothing here waits: a subscriber that is too slow loses frames at its own queue and sees it in
    the sequence numbers. All calls come from one thread.
    """

    live = True

    def __init__(self, endpoint: str = DEFAULT_ENDPOINT, *, access: Access = LOCAL) -> None:
        """Binds. Raises StreamError for a bad endpoint, one that is taken, or bad keys."""
        check_endpoint(endpoint, access)
        keys = None if access.keys is None else read_sender(access.keys)
        #: Where it is bound, with the port that the system chose for port 0 or *.
        self.endpoint = ""
        self.frames = 0  #: frames handed to ZeroMQ
        self.dropped = 0  #: messages that ZeroMQ would not take
        self.subscribers: int = 0  #: connected right now, their handshake done
        self._peers = _Peers()
        self._schemas: dict[str, list[bytes]] = {}
        self._with_sound: set[str] = set()
        self._schema_due = 0.0
        self._sockets = Sockets(self, zmq.XPUB)
        self._socket = self._sockets.main
        self._socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        self._socket.setsockopt(zmq.SNDHWM, SEND_QUEUE)
        self._socket.setsockopt(zmq.RCVHWM, 1000)
        self._socket.setsockopt(zmq.MAXMSGSIZE, wire.MAX_PAYLOAD_BYTES)
        # No heartbeats from here: they would drop a receiver that was stopped for a while, and one
        # that wakes then may not survive it (docs/wire.md). TCP itself asks after dead peers.
        self._socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
        self._socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, KEEPALIVE_S)
        self._socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, KEEPALIVE_S)
        self._socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, KEEPALIVE_PROBES)
        self._socket.setsockopt(zmq.IPV6, 1 if "[" in endpoint else 0)
        self._admission: Admission | None = None
        if keys is not None:
            asked = self._sockets.also(self._sockets.context.socket(zmq.REP))
            self._admission = Admission(asked, keys.receivers)
            self._socket.setsockopt(zmq.CURVE_SERVER, 1)
            self._socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret)
            self._socket.setsockopt(zmq.ZAP_DOMAIN, DOMAIN)
        events = zmq.EVENT_ACCEPTED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
        self._monitor = self._sockets.also(self._socket.get_monitor_socket(events))
        try:
            self._bind(endpoint)
        except zmq.ZMQError as error:
            self._sockets.close()
            if error.errno == zmq.EADDRINUSE:
                raise StreamError(
                    f"{endpoint} is in use, by another dt-stream perhaps; "
                    "choose another port with --bind or --to zmq://127.0.0.1:PORT"
                ) from None
            raise StreamError(f"cannot bind {endpoint}: {error.strerror}") from None
        self.endpoint = self.endpoint or self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self.name = self.endpoint

    def _bind(self, endpoint: str) -> None:
        if "://localhost:" not in endpoint:
            self._socket.bind(endpoint)
            return
        self._socket.bind(endpoint.replace("localhost", "127.0.0.1"))
        self.endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        # Some receivers look for localhost at ::1 only. A machine without IPv6 has none.
        self._socket.setsockopt(zmq.IPV6, 1)
        with contextlib.suppress(zmq.ZMQError):
            self._socket.bind(f"tcp://[::1]:{self.endpoint.rpartition(':')[2]}")

    def announce(self, schema: Schema) -> None:
        """Sets and sends the schema of a face's frames to come."""
        self._schemas[schema.subject] = wire.encode(schema)
        if schema.audio_format:
            self._with_sound.add(schema.subject)
        self._send_schemas()

    def send(self, frame: StampedFrame) -> None:
        """Sends a frame. Raises WireError for one that breaks the rules of the wire."""
        parts = wire.encode(frame)
        # Straight before the send, so that a subscriber has the schema before its first frame.
        self.serve()
        self._send(parts)
        self.frames += 1

    def send_audio(self, audio: Audio) -> None:
        """Sends a piece of the sound if the schema announced any. Raises WireError."""
        if audio.subject in self._with_sound:
            self._send(wire.encode(audio))

    def serve(self) -> None:
        """Answers new subscriptions and repeats the schema when due; call it often."""
        if self._admission is not None:
            self._admission.serve()
        asked = False
        while True:
            try:
                request = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
            # 1 and a topic prefix: subscribe. Whoever would not get the schema needs no answer.
            asked |= request[:1] == b"\x01" and any(
                topic.startswith(request[1:]) for topic, _ in self._schemas.values()
            )
        if asked or time.monotonic() >= self._schema_due:
            self._send_schemas()
        while self._monitor.poll(0):
            # By hand: zmq.utils.monitor would load asyncio and OpenSSL, 4 MB of memory.
            self._peers.note(*struct.unpack("=Hi", self._monitor.recv_multipart()[0]))
        self.subscribers = self._peers.connected

    def leave(self, bye: Bye) -> None:
        """Tells the subscribers that a face leaves."""
        reason = _shortened(bye.reason, wire.MAX_TEXT_BYTES)
        self._send(wire.encode(dataclasses.replace(bye, reason=reason)))
        self._schemas.pop(bye.subject, None)
        self._socket.setsockopt(zmq.LINGER, _LEAVE_MS)

    def close(self, bye: Bye | None = None) -> None:
        """Tells the subscribers, gives the message a moment to leave, and unbinds."""
        if bye is not None:
            self.leave(bye)
        self._sockets.close()

    @property
    def refused(self) -> int:
        """Handshakes with keys that are not among those of the receivers."""
        return 0 if self._admission is None else self._admission.refused

    def _send_schemas(self) -> None:
        for schema in self._schemas.values():
            self._send(schema)
        self._schema_due = time.monotonic() + SCHEMA_EVERY_S

    def _send(self, parts: list[bytes]) -> None:
        try:
            self._socket.send_multipart(parts, zmq.NOBLOCK)
        except zmq.Again:
            self.dropped += 1


class _Peers:
    """Who is connected and has shaken hands, from what ZeroMQ's monitor tells.

    It names connections when they come and go, and says of a handshake only that there was one.
    """

    def __init__(self) -> None:
        self._known: set[int] = set()  # have shaken hands, by file descriptor
        self._new: set[int] = set()  # may have
        self._shaken = 0  # handshakes of new ones

    @property
    def connected(self) -> int:
        return len(self._known) + self._shaken

    def note(self, event: int, descriptor: int) -> None:
        """An event of the monitor, with its value."""
        if event == zmq.EVENT_ACCEPTED:
            self._new.add(descriptor)
        elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self._shaken += 1
        elif descriptor in self._known:
            self._known.remove(descriptor)
        else:
            # Whatever connects without being a subscriber (a port scan, a browser) goes first; if
            # it was another after all, the count is right again once the stranger goes.
            self._new.discard(descriptor)
        if self._shaken >= len(self._new):
            self._known |= self._new
            self._new.clear()
            self._shaken = 0


def _shortened(text: str, size: int) -> str:
    """As much of the beginning as fits into `size` bytes of UTF-8."""
    return text.encode()[:size].decode(errors="ignore")
