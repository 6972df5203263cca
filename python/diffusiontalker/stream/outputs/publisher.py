"""Publishes frames over ZeroMQ (docs/wire.md). The only sender of ZeroMQ messages."""

from __future__ import annotations

import dataclasses
import time

import zmq
from zmq.utils.monitor import recv_monitor_message

from ... import wire
from ...frames import Audio, Bye, Schema, StampedFrame
from .. import StreamError
from .endpoint import (
    DEFAULT_ENDPOINT,
    HEARTBEAT_IVL_MS,
    HEARTBEAT_TIMEOUT_MS,
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
        self.frames = 0  #: frames handed to ZeroMQ
        self.dropped = 0  #: messages that ZeroMQ would not take
        self.subscribers: int = 0  #: connected right now
        self._schema: list[bytes] = []
        self._schema_due = 0.0
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDHWM, SEND_QUEUE)
        self._socket.setsockopt(zmq.RCVHWM, 1000)
        self._socket.setsockopt(zmq.MAXMSGSIZE, wire.MAX_PAYLOAD_BYTES)
        self._socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_IVL_MS)
        self._socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
        self._socket.setsockopt(zmq.IPV6, 1 if "[" in endpoint else 0)
        self._monitor = self._socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
        )
        try:
            self._socket.bind(endpoint.replace("://localhost:", "://127.0.0.1:"))
        except zmq.ZMQError as error:
            self._shut()
            if error.errno == zmq.EADDRINUSE:
                raise StreamError(
                    f"{endpoint} is in use, by another dt-stream perhaps; "
                    "choose another port with --bind or --to zmq://127.0.0.1:PORT"
                ) from None
            raise StreamError(f"cannot bind {endpoint}: {error.strerror}") from None
        #: Where it is bound, with the port that the system chose for port 0 or *.
        self.endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self.name = self.endpoint

    def announce(self, schema: Schema) -> None:
        """Sets and sends the schema of the frames to come."""
        self._schema = wire.encode(schema)
        self._send_schema()

    def send(self, frame: StampedFrame) -> None:
        """Sends a frame. Raises WireError for one that breaks the rules of the wire."""
        parts = wire.encode(frame)
        # Straight before the send, so that a subscriber has the schema before its first frame.
        self.serve()
        self._send(parts)
        self.frames += 1

    def send_audio(self, audio: Audio) -> None:
        """Sends a piece of the sound. Raises WireError for one that breaks the rules."""
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
            asked |= bool(
                self._schema and request[:1] == b"\x01" and self._schema[0].startswith(request[1:])
            )
        if self._schema and (asked or time.monotonic() >= self._schema_due):
            self._send_schema()
        while self._monitor.poll(0):
            event = recv_monitor_message(self._monitor)["event"]
            self.subscribers += 1 if event == zmq.EVENT_HANDSHAKE_SUCCEEDED else -1
        # A peer that leaves before its handshake is done is reported as leaving only.
        self.subscribers = max(0, self.subscribers)

    def close(self, bye: Bye | None = None) -> None:
        """Tells the subscribers, gives the message a moment to leave, and unbinds."""
        if bye is not None:
            reason = _shortened(bye.reason, wire.MAX_TEXT_BYTES)
            self._send(wire.encode(dataclasses.replace(bye, reason=reason)))
            self._socket.setsockopt(zmq.LINGER, _LEAVE_MS)
        self._shut()

    def _send_schema(self) -> None:
        self._send(self._schema)
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
