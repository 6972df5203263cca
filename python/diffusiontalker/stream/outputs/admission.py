"""Who is let in where keys are asked for: answers to ZeroMQ (ZAP, rfc.zeromq.org/spec/27)."""

from __future__ import annotations

from collections.abc import Mapping

import zmq
from zmq.utils import z85

_ADDRESS = "inproc://zeromq.zap.01"
DOMAIN = b"dt"
# An answer's parts: version, the question's number, code, words, name, properties.
_VERSION = b"1.0"
_PARTS = 7  # of a question by CURVE


class Admission:
    """Answers ZeroMQ's questions on the thread that calls `serve`, so that no other is needed."""

    def __init__(self, socket: zmq.Socket[bytes], receivers: Mapping[bytes, str]):
        """Answers on `socket` (REP), which whoever made it closes.

        `receivers` are the public keys (40 letters) of those who may come in, with their names.
        Made before the socket is bound: until somebody answers, ZeroMQ lets every key in.
        """
        self.refused = 0  #: handshakes of others
        self._known = {z85.decode(key): name for key, name in receivers.items()}
        self._socket = socket
        self._socket.bind(_ADDRESS)

    def serve(self) -> None:
        """Answers what was asked; call it often: a receiver waits for it."""
        while True:
            try:
                question = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._socket.send_multipart(self._answer(question))

    def _answer(self, question: list[bytes]) -> list[bytes]:
        number = question[1] if len(question) > 1 else b""
        name = None
        if len(question) == _PARTS and question[0] == _VERSION and question[5] == b"CURVE":
            name = self._known.get(question[6])
        if name is None:
            self.refused += 1
            return [_VERSION, number, b"400", b"unknown key", b"", b""]
        return [_VERSION, number, b"200", b"", name.encode(), b""]
