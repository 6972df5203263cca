"""Where ZeroMQ messages go from and to; what the two ends of a connection agree on."""

from __future__ import annotations

import ipaddress

from .. import StreamError

DEFAULT_PORT = 5560
DEFAULT_ENDPOINT = f"tcp://127.0.0.1:{DEFAULT_PORT}"

HEARTBEAT_IVL_MS = 1000
HEARTBEAT_TIMEOUT_MS = 3000


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
