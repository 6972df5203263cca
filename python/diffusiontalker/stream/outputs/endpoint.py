"""Where ZeroMQ messages go from and to; what the two ends of a connection agree on."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from .. import StreamError

DEFAULT_PORT = 5560
DEFAULT_ENDPOINT = f"tcp://127.0.0.1:{DEFAULT_PORT}"

#: A subscriber asks this often whether the sender lives, and gives it this long: a sender that was
#: stopped for less is not left.
HEARTBEAT_IVL_MS = 2000
HEARTBEAT_TIMEOUT_MS = 60_000
#: The sender's TCP asks after a silent peer this often and gives up after so many times, 60 s in
#: all. Heartbeats of ZeroMQ it has none.
KEEPALIVE_S = 15
KEEPALIVE_PROBES = 3


@dataclass(frozen=True)
class Access:
    """Who may connect to what is bound here."""

    remote: bool = False  #: other machines too
    keys: str | None = None  #: folder of a sender: only receivers that it names, encrypted
    insecure: bool = False  #: other machines without keys, unencrypted


#: This machine's programs.
LOCAL = Access()
#: Whoever can reach the port.
ANYBODY = Access(remote=True, insecure=True)


def check_endpoint(endpoint: str, access: Access, written: str | None = None) -> None:
    """Raises StreamError for an endpoint that is malformed, or open to more than `access` says.

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
    if is_local(endpoint):
        return
    if not access.remote:
        raise StreamError(
            f"{written}: other machines could connect; add --allow-remote and --keys FOLDER "
            "(`dt-stream keygen FOLDER` makes keys), or use 127.0.0.1"
        )
    if access.keys is None and not access.insecure:
        raise StreamError(
            f"{written}: --allow-remote needs --keys FOLDER, so that receivers with a key connect "
            "and nobody else (`dt-stream keygen FOLDER` makes keys), or --insecure: then whoever "
            "reaches the port gets the face, unencrypted"
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
