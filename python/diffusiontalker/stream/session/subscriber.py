"""A session as its receiver follows it. The only receiver of ZeroMQ messages (docs/wire.md)."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import numpy as np
import zmq

from ... import wire
from ...frames import Audio, Bye, Message, Schema, StampedFrame
from .. import StreamError
from ..outputs.endpoint import (
    DEFAULT_ENDPOINT,
    HEARTBEAT_IVL_MS,
    HEARTBEAT_TIMEOUT_MS,
    is_local,
)
from ..outputs.keys import read_receiver
from ..outputs.names import with_address
from ..outputs.sockets import Sockets
from .meter import Meter

#: Messages that may wait here before ZeroMQ drops the newest: 2 s at 60 Hz.
RECEIVE_QUEUE = 120
#: A subject that has been silent for so long may be replaced by another, seconds.
_SILENT_S = 3.0
_RECEIVE_MS = 50


class Subscriber:
    """A SUB socket and what is known of the sender it hears."""

    def __init__(
        self,
        endpoint: str = DEFAULT_ENDPOINT,
        subject: str | None = None,
        *,
        keys: str | Path | None = None,
    ) -> None:
        """Connects, now or whenever the sender appears; with a receiver's folder of `keys` to one
        that asks for them, and then to no other. Raises StreamError.
        """
        held = None if keys is None else read_receiver(keys)
        reached = with_address(endpoint)
        self.endpoint = endpoint
        self.schema: Schema | None = None
        self.subject: str | None = None  #: the face that is followed
        self.session: int | None = None
        self.sessions = 0  #: senders met
        self.frames = 0
        self.lost = 0  #: frames missing in the sequence
        self.sound_s = 0.0  #: sound received, if the sender publishes it
        self.malformed = 0
        self.last_error = ""
        self.goodbye: str | None = None  #: the sender's reason, once it has left
        self.refusal = ""  #: why there is no connection, if it is about keys
        self.meter = Meter(())
        self._expected: int | None = None
        self._heard_s = -_SILENT_S
        self._local = is_local(endpoint)
        self._least_ms = float("inf")
        self._sockets = Sockets(self, zmq.SUB)
        self._socket = self._sockets.main
        self._socket.setsockopt(zmq.RCVHWM, RECEIVE_QUEUE)
        self._socket.setsockopt(zmq.RCVTIMEO, _RECEIVE_MS)
        self._socket.setsockopt(zmq.MAXMSGSIZE, wire.MAX_PAYLOAD_BYTES)
        self._socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_IVL_MS)
        self._socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
        self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
        self._socket.setsockopt(zmq.IPV6, 1 if "[" in reached else 0)
        self._socket.setsockopt(zmq.SUBSCRIBE, wire.subscription(subject))
        if held is not None:
            self._socket.setsockopt(zmq.CURVE_PUBLICKEY, held.public)
            self._socket.setsockopt(zmq.CURVE_SECRETKEY, held.secret)
            self._socket.setsockopt(zmq.CURVE_SERVERKEY, held.sender)
        self._keyed = held is not None
        events = (
            zmq.EVENT_HANDSHAKE_SUCCEEDED
            | zmq.EVENT_HANDSHAKE_FAILED_AUTH
            | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
            | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
        )
        self._monitor = self._sockets.also(self._socket.get_monitor_socket(events))
        try:
            self._socket.connect(reached)
        except zmq.ZMQError as error:
            self.close()
            raise StreamError(
                f"cannot connect to {endpoint}: {error.strerror}; expected tcp://HOST:PORT, as in "
                f"{DEFAULT_ENDPOINT}"
            ) from None

    def receive(self) -> Message | None:
        """The next message of the face that is followed; None after 50 ms without one."""
        try:
            parts = self._socket.recv_multipart()
        except zmq.Again:
            self._look_at_handshakes()
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
        if isinstance(message, Schema):
            if self.schema is None:
                self.meter = Meter(message.curves)
            self.schema = message
        elif isinstance(message, Bye):
            if self._expected is not None:
                self.lost += max(0, message.frames - self._expected)
            self.goodbye = message.reason or "no reason given"
        elif isinstance(message, Audio):
            self.sound_s += len(message.samples) / 2 / message.audio_rate
        elif not self._count(message, now_ns):
            return None
        return message

    def lateness_ms(self, frame: StampedFrame, now_ns: int) -> float:
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

    def _look_at_handshakes(self) -> None:
        while self._monitor.poll(0):
            event, _ = struct.unpack("=Hi", self._monitor.recv_multipart()[0])
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self.refusal = ""
            elif self._keyed:
                self.refusal = (
                    "the sender does not know this key, has another key than sender.key, or asks "
                    "for none"
                )
            else:
                self.refusal = "the sender asks for a key: --keys FOLDER (dt-stream keygen)"

    def close(self) -> None:
        self._sockets.close()

    def _begin(self, session: int) -> None:
        self.session = session
        self.sessions += 1
        self.schema = None
        self.goodbye = None
        self.meter = Meter(())
        self._expected = None
        self._least_ms = float("inf")

    def _count(self, frame: StampedFrame, now_ns: int) -> bool:
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
