"""A web page that receives curves: from a running dt-stream to every browser that asks.

    dt-stream --demo --seconds 600          # in one terminal
    python examples/browser.py              # in another; then open the address that it prints

A page can open no ZeroMQ socket, so this stands between: it subscribes to the wire and hands each
frame on as a server-sent event (`EventSource` in a page: one way, reconnects by itself, no library
on either side). A page that falls behind gets the newest frame and none of those in between.
examples/page.html draws a face from them.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import zmq

from diffusiontalker import frames, wire

PAGE = Path(__file__).with_name("page.html")
# A page is told that the sender is gone when nothing came for so long.
SILENCE_S = 2.0


class Newest:
    """The newest event of all, which any number of pages wait for."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._number, self._event = 0, "{}"

    def put(self, event: dict[str, object]) -> None:
        with self._changed:
            self._number, self._event = self._number + 1, json.dumps(event)
            self._changed.notify_all()

    def after(self, number: int, timeout_s: float) -> tuple[int, str]:
        """The newest event once it is another than `number`; the same number if none came."""
        with self._changed:
            self._changed.wait_for(lambda: self._number != number, timeout_s)
            return self._number, self._event


def receive(endpoint: str, newest: Newest) -> None:
    """Puts each frame as {"time_s": ..., "curves": {"jawOpen": ..., ...}}."""
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.rcvhwm, socket.linger, socket.rcvtimeo = 120, 0, round(1000 * SILENCE_S)
    socket.connect(endpoint)
    socket.subscribe(wire.subscription())
    schemas: dict[int, frames.Schema] = {}
    while True:
        try:
            message = wire.decode(socket.recv_multipart())
        except zmq.Again:
            newest.put({"curves": {}})  # the face rests
            continue
        except wire.WireError as error:
            print(f"browser: {error}", file=sys.stderr)
            continue
        if isinstance(message, frames.Schema):
            schemas = {message.session: message}
        elif isinstance(message, frames.StampedFrame) and message.session in schemas:
            names = schemas[message.session].curves
            values = [round(v, 4) for v in message.curves]
            time_s = message.index * message.rate_den / message.rate_num
            newest.put({"time_s": time_s, "curves": dict(zip(names, values, strict=True))})


class Handler(BaseHTTPRequestHandler):
    """The page at /, events at /curves."""

    newest: Newest
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        # Another site's name that leads to this machine (DNS rebinding) is not ours.
        host = self.headers.get("Host", "").rpartition(":")[0]
        if host not in ("127.0.0.1", "localhost"):
            self.send_error(HTTPStatus.FORBIDDEN, "open this page at 127.0.0.1")
        elif self.path == "/":
            self._begin("text/html; charset=utf-8", PAGE.stat().st_size)
            self.wfile.write(PAGE.read_bytes())
        elif self.path == "/curves":
            self._begin("text/event-stream", None)
            self._events()
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _begin(self, content: str, length: int | None) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", content)
        self.send_header("Cache-Control", "no-store")
        if length is None:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _events(self) -> None:
        number = 0
        try:
            while True:
                before = number
                number, event = self.newest.after(before, SILENCE_S)
                text = ": nothing new\n\n" if number == before else f"data: {event}\n\n"
                self.wfile.write(text.encode())
        except OSError:
            self.close_connection = True  # the page was closed

    def log_message(self, *_: object) -> None:
        """Says nothing of each request."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Hands the curves of a dt-stream to web pages.")
    parser.add_argument("--endpoint", default="tcp://127.0.0.1:5560", help="of the dt-stream")
    parser.add_argument("--port", type=int, default=8765, help="of the page; 0: any that is free")
    arguments = parser.parse_args()
    Handler.newest = Newest()
    try:
        server = ThreadingHTTPServer(("127.0.0.1", arguments.port), Handler)
    except OSError as error:
        print(f"browser: --port {arguments.port}: {error.strerror}", file=sys.stderr)
        return 2
    threading.Thread(target=receive, args=(arguments.endpoint, Handler.newest), daemon=True).start()
    print(f"http://127.0.0.1:{server.server_address[1]}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
