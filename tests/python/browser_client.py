"""What a browser does with the page's server, without a browser."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect

from diffusiontalker.preview.hub import split


def get(url: str, **headers: str) -> http.client.HTTPResponse:
    """A GET, with `headers` in the place of the usual ones; redirects are not followed."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    connection.putrequest(
        "GET", parts.path + (f"?{parts.query}" if parts.query else ""), skip_host=True
    )
    for name, value in {"host": parts.netloc, **headers}.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    response = connection.getresponse()
    response.text = response.read().decode("utf-8", "replace")  # type: ignore[attr-defined]
    connection.close()
    return response


def cookie(url: str) -> str:
    """The cookie that the address's token brings."""
    return (get(url).getheader("set-cookie") or "").split(";")[0]


def bare(url: str, path: str = "/") -> str:
    """The address without its token."""
    return f"http://{urlsplit(url).netloc}{path}"


@contextmanager
def page(url: str) -> Iterator[ClientConnection]:
    """A page's websocket."""
    parts = urlsplit(url)
    origin: Any = f"http://{parts.netloc}"
    place = f"ws://{parts.netloc}/stream?{parts.query}"
    # It reads ahead by a few messages only: who takes none of them stalls the connection.
    with connect(place, origin=origin, proxy=None, close_timeout=0.2, max_queue=2) as socket:
        yield socket


def until(
    socket: ClientConnection, wanted: Callable[[Any], bool], limit_s: float = 15.0
) -> list[Any]:
    """Messages up to the first that is `wanted` and what came with it: dictionaries, or packets."""
    found: list[Any] = []
    deadline = time.monotonic() + limit_s
    while True:
        message = socket.recv(timeout=max(0.01, deadline - time.monotonic()))
        came = [json.loads(message)] if isinstance(message, str) else split(message)
        found += came
        if any(wanted(each) for each in came):
            return found


def says(kind: str, **values: object) -> Callable[[Any], bool]:
    """Whether a message is the fact `kind` with these values."""
    return lambda m: (
        isinstance(m, dict)
        and m["say"] == kind
        and all(m.get(name) == value for name, value in values.items())
    )
