"""Publishes frames over ZeroMQ (docs/wire.md). The only sender of ZeroMQ messages."""

from __future__ import annotations

import contextlib
import dataclasses
import time

import zmq
from zmq.utils.monitor import recv_monitor_message

from ... import wire
from ...frames import Audio, Bye, Schema, StampedFrame
from .. import StreamError
from .endpoint import (
    DEFAULT_ENDPOINT,
    KEEPALIVE_PROBES,
    KEEPALIVE_S,
    check_endpoint,
)
from .output import Output

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

    def __init__(self, endpoint: str = DEFAULT_ENDPOINT, *, allow_remote: bool = False) -> None:
        """Binds. Raises StreamError for a bad endpoint or one that is taken."""
        check_endpoint(endpoint, allow_remote)
        #: Where it is bound, with the port that the system chose for port 0 or *.
        self.endpoint = ""
        self.frames = 0  #: frames handed to ZeroMQ
        self.dropped = 0  #: messages that ZeroMQ would not take
        self.subscribers: int = 0  #: connected right now, their handshake done
        self._strangers = 0  # handshakes that failed, whose connections are about to close
        self._schemas: dict[str, list[bytes]] = {}
        self._with_sound: set[str] = set()
        self._schema_due = 0.0
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        self._socket.setsockopt(zmq.LINGER, 0)
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
        self._monitor = self._socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED
            | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
            | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
            | zmq.EVENT_HANDSHAKE_FAILED_AUTH
            | zmq.EVENT_DISCONNECTED
        )
        try:
            self._bind(endpoint)
        except zmq.ZMQError as error:
            self._shut()
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
            self._count(recv_monitor_message(self._monitor)["event"])

    def _count(self, event: int) -> None:
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self.subscribers += 1
        elif event != zmq.EVENT_DISCONNECTED:
            self._strangers += 1
        elif self._strangers:
            # Whatever connected without being a subscriber: a port scan, a browser.
            self._strangers -= 1
        else:
            self.subscribers = max(0, self.subscribers - 1)

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
        self._shut()

    def _send_schemas(self) -> None:
        for schema in self._schemas.values():
            self._send(schema)
        self._schema_due = time.monotonic() + SCHEMA_EVERY_S

    def _send(self, parts: list[bytes]) -> None:
        try:
            self._socket.send_multipart(parts, zmq.NOBLOCK)
        except zmq.Again:
            self.dropped += 1

    def _shut(self) -> None:
        self._socket.disable_monitor()
        self._monitor.close(linger=0)
        self._socket.close()
        self._context.term()


def _shortened(text: str, size: int) -> str:
    """As much of the beginning as fits into `size` bytes of UTF-8."""
    return text.encode()[:size].decode(errors="ignore")
