"""Who is served: pages of this server in a browser that has its token, and nobody else."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

#: What a page may load: its own files. `blob:` is where glTF keeps pictures.
_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; connect-src 'self' blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_WRONG_TOKEN = (
    "This page is served to whoever has its whole address, with the token: open the address that "
    "the command printed in its terminal."
)


class Guard:
    """An ASGI application around another: refuses other hosts, origins, and who has no token.

    The token comes in the address once, and as a cookie from then on. A name that was made to
    point at this machine is refused by the Host that it sends, a page of another site by its
    Origin: browsers set both.
    """

    def __init__(self, app: Any, *, port: int, token: str) -> None:
        self._app = app
        self._token = token
        self._cookie = f"dt_preview_{port}"  # cookies know no ports
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        status, text, more = self._refusal(scope)
        if not status:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await receive()
            # Before it is accepted: the browser gets 403.
            await send({"type": "websocket.close", "code": 1008, "reason": text[:100]})
        else:
            await _answer(send, status, text, more)

    def _refusal(self, scope: Any) -> tuple[int, str, list[tuple[bytes, bytes]]]:
        """(status, text, headers) of what is said in place of the application; 0 is nothing."""
        host = _header(scope, b"host")
        if host not in self._hosts:
            return 421, "This server answers to 127.0.0.1 and localhost only.", []
        origin = _header(scope, b"origin")
        websocket = scope["type"] == "websocket"
        # A browser always says where a websocket comes from.
        if origin != f"http://{host}" and (websocket or origin):
            return 403, "Another site's page is not served.", []
        # A link to the page may be followed; nothing of it may be loaded into another.
        elsewhere = _header(scope, b"sec-fetch-site") in ("cross-site", "same-site")
        if elsewhere and _header(scope, b"sec-fetch-mode") != "navigate":
            return 403, "Another site's page is not served.", []
        if self._is_token(_cookie(scope, self._cookie)):
            return 0, "", []
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if not self._is_token(given):
            return 403, _WRONG_TOKEN, []
        if websocket:
            return 0, "", []
        cookie = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict"
        return 303, "", [(b"location", b"/"), (b"set-cookie", cookie.encode())]

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())


class Allowance:
    """So many a second on average, and so many at once after a rest."""

    def __init__(self, a_second: float, at_once: int) -> None:
        self._a_second, self._at_once = a_second, float(at_once)
        self._left = float(at_once)
        self._now_s: float | None = None

    def spend(self, now_s: float) -> float:
        """Takes one; the seconds to wait before it may be used."""
        rested_s = 0.0 if self._now_s is None else max(0.0, now_s - self._now_s)
        self._now_s = now_s
        self._left = min(self._at_once, self._left + rested_s * self._a_second) - 1.0
        return max(0.0, -self._left / self._a_second)


def _header(scope: Any, name: bytes) -> str:
    found = [value for key, value in scope["headers"] if key == name]
    return found[0].decode("latin-1") if len(found) == 1 else ""


def _cookie(scope: Any, name: str) -> str:
    try:
        found = SimpleCookie(_header(scope, b"cookie")).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _with_headers(send: Any) -> Any:
    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
        await send(message)

    return sending


async def _answer(send: Any, status: int, text: str, more: Iterable[tuple[bytes, bytes]]) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *HEADERS, *more]
    headers.append((b"cache-control", b"no-store"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
