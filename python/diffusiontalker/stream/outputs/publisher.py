"""Publishes frames over ZeroMQ (docs/wire.md). The only sender of ZeroMQ messages."""

from __future__ import annotations

import ipaddress
import time

import zmq
from zmq.utils.monitor import recv_monitor_message

from ... import wire
from .. import StreamError

DEFAULT_PORT = 5560
DEFAULT_ENDPOINT = f"tcp://127.0.0.1:{DEFAULT_PORT}"

#: Messages that wait for a slow subscriber before the newest are dropped for it: 2 s at 60 Hz.
SEND_QUEUE = 120
#: The schema is repeated this often, seconds.
SCHEMA_EVERY_S = 1.0
HEARTBEAT_IVL_MS = 1000
HEARTBEAT_TIMEOUT_MS = 3000
#: How long `close` lets the last messages leave, milliseconds.
_LEAVE_MS = 300


def check_endpoint(endpoint: str, allow_remote: bool, written: str | None = None) -> None:
    """Raises StreamError for an endpoint that is malformed or that other machines could reach.

    `written` is how the user wrote it, if not with --bind.
    """
    written = written or f"--bind {endpoint}"
    scheme, separator, address = endpoint.partition("://")
    if scheme == "ipc" and address:
        return
    host, colon, port = address.rpartition(":")
    if not separator or scheme != "tcp" or not colon or not host:
        raise StreamError(
            f"{written}: expected tcp://HOST:PORT or ipc://PATH, as in {DEFAULT_ENDPOINT}"
        )
    if port != "*" and not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise StreamError(f"{written}: expected a port from 0 to 65535, got {port!r}")
    if not allow_remote and not is_local(endpoint):
        raise StreamError(
            f"{written}: other machines could connect, and the wire is not encrypted; "
            "add --allow-remote to allow it, or use 127.0.0.1"
        )


def is_local(endpoint: str) -> bool:
    """Whether an endpoint certainly stays on this machine, so that both ends share one clock."""
    scheme, _, address = endpoint.partition("://")
    host = address.rpartition(":")[0]
    if scheme == "ipc" or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False  # "*", an interface or a name: not known to stay on this machine


class Publisher:
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
        self.subscribers = 0  #: connected right now
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

    @property
    def name(self) -> str:
        return self.endpoint

    def announce(self, schema: wire.Schema) -> None:
        """Sets and sends the schema of the frames to come."""
        self._schema = wire.encode(schema)
        self._send_schema()

    def send(self, frame: wire.Frame) -> None:
        """Sends a frame. Raises WireError for one that breaks the rules of the wire."""
        parts = wire.encode(frame)
        # Straight before the send, so that a subscriber has the schema before its first frame.
        self.serve()
        self._send(parts)
        self.frames += 1

    def send_audio(self, audio: wire.Audio) -> None:
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

    def close(self, bye: wire.Bye | None = None) -> None:
        """Tells the subscribers, gives the message a moment to leave, and unbinds."""
        if bye is not None:
            self._send(wire.encode(bye))
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
