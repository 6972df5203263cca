"""Datagrams to one receiver, without ever waiting for it."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from ...frames import Bye
from .. import StreamError
from .output import Output

# UDP loses datagrams, and a face whose last one is lost stays open.
_LAST_REPEATED = 2


class UdpOutput(Output):
    """What the outputs over UDP share: the socket, the count of what was refused, the end."""

    live = True

    def __init__(self, scheme: str, host: str, port: int) -> None:
        """Finds the host. Raises StreamError when there is none of that name."""
        shown = f"[{host}]" if ":" in host else host
        self.name = f"{scheme}://{shown}:{port}"
        self.dropped = 0  #: frames that the system or the host refused
        self._last: Sequence[bytes] = ()
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_DGRAM
            )[0]
            self._socket = socket.socket(family, kind, protocol)
            self._socket.setblocking(False)
            # A connected socket hears of it when nobody listens at the other end.
            self._socket.connect(address)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StreamError(f"--to {self.name}: cannot send there: {reason}") from None

    def close(self, bye: Bye | None = None) -> None:
        """Repeats the last frame, which is neutral, if there is a `bye`."""
        if bye is not None:
            for _ in range(_LAST_REPEATED):
                self._transmit(self._last)
        self._socket.close()

    def _send(self, datagrams: Sequence[bytes]) -> None:
        self._last = datagrams
        if not self._transmit(datagrams):
            self.dropped += 1

    def _transmit(self, datagrams: Sequence[bytes]) -> bool:
        # No short cut: every datagram is tried.
        return all([self._transmit_one(d) for d in datagrams])

    def _transmit_one(self, datagram: bytes) -> bool:
        good = True
        for _ in range(2):
            try:
                self._socket.send(datagram)
                return good
            except (ConnectionRefusedError, ConnectionResetError):
                # The answer to an earlier datagram; this one was not sent yet. Whoever starts to
                # listen must get every frame from then on, so try it again.
                good = False
            except OSError:
                # No room, no route, no network: the frame is gone, the next may pass.
                return False
        return False
