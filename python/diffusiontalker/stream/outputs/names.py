"""Names of machines, looked up without waiting for ever: a look-up cannot be cancelled."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from typing import Any

from .. import StreamError

#: A name server that has not answered for so long is not waited for, seconds.
PATIENCE_S = 5.0
# Ctrl-C gets through this often.
_LOOK_S = 0.1

#: As `socket.getaddrinfo` gives them.
Found = list[tuple[Any, ...]]


def look_up(host: str, port: int, kind: socket.SocketKind) -> Found:
    """Every address of a host, at once where it is one already.

    Raises OSError or UnicodeError where there is none, StreamError where nobody answers.
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return list(socket.getaddrinfo(host, port, type=kind))
    found: Found = []
    failures: list[Exception] = []

    def work() -> None:
        try:
            found.extend(socket.getaddrinfo(host, port, type=kind))
        except (OSError, UnicodeError) as error:
            failures.append(error)

    thread = threading.Thread(target=work, name=f"dt look-up of {host}", daemon=True)
    thread.start()
    deadline = time.monotonic() + PATIENCE_S
    while thread.is_alive() and time.monotonic() < deadline:
        thread.join(_LOOK_S)
    if thread.is_alive():
        raise StreamError(
            f"nobody answered in {PATIENCE_S:g} s who {host!r} is: the name server hangs; "
            "give an address in place of the name"
        )
    if failures:
        raise failures[0]
    return found


def with_address(endpoint: str) -> str:
    """A tcp endpoint with the first address in place of a name; any other as it is.

    ZeroMQ looks names up on the thread that does all its work, and cannot end while it waits there.
    Raises StreamError.
    """
    scheme, _, rest = endpoint.partition("://")
    host, _, port = rest.rpartition(":")
    if scheme != "tcp" or not host or "[" in host or host == "localhost" or not port.isdigit():
        return endpoint
    try:
        ipaddress.ip_address(host)
        return endpoint
    except ValueError:
        pass
    try:
        family, _, _, _, address = look_up(host, int(port), socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise StreamError(f"cannot connect to {endpoint}: {why}") from None
    except StreamError as error:
        raise StreamError(f"cannot connect to {endpoint}: {error}") from None
    shown = f"[{address[0]}]" if family == socket.AF_INET6 else address[0]
    return f"tcp://{shown}:{port}"
