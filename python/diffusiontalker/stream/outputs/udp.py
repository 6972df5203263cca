"""Datagrams to one name, at every address it has, without ever waiting for a receiver."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence

from ...frames import Bye
from .. import StreamError
from .names import look_up
from .output import Output

# UDP loses datagrams, and a face whose last one is lost stays open.
_LAST_REPEATED = 2


class UdpOutput(Output):
    """What the outputs over UDP share: the sockets, the count of what was refused, the end.

    A name may have several addresses (localhost: ::1 and 127.0.0.1), and nobody can know at which
    of them somebody listens: all of them are sent to, and a frame counts as refused when all refuse
    it.
    """

    live = True

    def __init__(self, scheme: str, host: str, port: int, *, broadcast: bool = False) -> None:
        """Finds the host. `broadcast` allows addresses that reach a whole network.

        Raises StreamError when there is no host of that name or nothing can be sent there.
        """
        shown = f"[{host}]" if ":" in host else host
        self.name = f"{scheme}://{shown}:{port}"
        self.dropped = 0  #: frames that the system or the host refused
        self._last: Sequence[bytes] = ()
        self._sockets: list[socket.socket] = []
        failure: Exception | None = None
        try:
            found = look_up(host, port, socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            found, failure = [], error
        except StreamError as error:
            raise StreamError(f"--to {self.name}: {error}") from None
        for family, kind, protocol, _, address in dict.fromkeys(found):
            try:
                self._sockets.append(_connected(family, kind, protocol, address, broadcast))
            except OSError as error:
                failure = failure or error
        if not self._sockets:
            raise StreamError(f"--to {self.name}: cannot send there: {_reason(failure)}")

    def close(self, bye: Bye | None = None) -> None:
        """Repeats the last frame, which is neutral, if there is a `bye`."""
        if bye is not None:
            for _ in range(_LAST_REPEATED):
                self._transmit(self._last)
        for each in self._sockets:
            each.close()

    def _send(self, datagrams: Sequence[bytes]) -> None:
        self._last = datagrams
        if not self._transmit(datagrams):
            self.dropped += 1

    def _transmit(self, datagrams: Sequence[bytes]) -> bool:
        # No short cut: every datagram is tried, at every address.
        return any([all([_transmit_one(s, d) for d in datagrams]) for s in self._sockets])


def _connected(
    family: int, kind: int, protocol: int, address: tuple[object, ...], broadcast: bool
) -> socket.socket:
    made = socket.socket(family, kind, protocol)
    try:
        made.setblocking(False)
        if broadcast:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        # A connected socket hears of it when nobody listens at the other end.
        made.connect(address)
    except OSError:
        made.close()
        raise
    return made


def _reason(error: Exception | None) -> str:
    if isinstance(error, OSError) and error.errno == errno.EACCES:
        return (
            "it is a broadcast address, which reaches every machine of a network; "
            "add ?broadcast=1 if that is meant"
        )
    return str(getattr(error, "strerror", None) or error)


def _transmit_one(receiver: socket.socket, datagram: bytes) -> bool:
    good = True
    for _ in range(2):
        try:
            receiver.send(datagram)
            return good
        except (ConnectionRefusedError, ConnectionResetError):
            # The answer to an earlier datagram; this one was not sent yet. Whoever starts to
            # listen must get every frame from then on, so try it again.
            good = False
        except OSError:
            # No room, no route, no network: the frame is gone, the next may pass.
            return False
    return False
