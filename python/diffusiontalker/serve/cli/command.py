"""What `dt-serve` takes, and how it starts and leaves."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ... import __version__
from .. import ServeError
from ..limits import Limits
from .arguments import Parser, at_least_one, missing
from .log import FORMATS, begin_log

if TYPE_CHECKING:  # gRPC waits until something is served
    from ..server import Options

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_EPILOG = """\
examples:
  dt-serve                                  gRPC at 127.0.0.1:52000, WebSocket at 127.0.0.1:8000
  dt-serve --sessions 60 --idle-s 20        as many at once, and none that does nothing for long
  dt-serve --frames-per-s 30                every second frame: half of what leaves
  dt-serve --host 0.0.0.0 --token-file TOKEN --tls-cert cert.pem --tls-key key.pem
  dt-serve bench --help                     how many sessions this machine carries

Any client of Audio2Face-3D's protocol works: examples/a2f_client.py is one, examples/web is a page.
SIGTERM or Ctrl-C: no more sessions are taken, those that are here may end for --drain-s; again:
they are ended at once. Addresses go to stdout, the log to stderr. What clients say and get:
docs/serving.md.
"""


def parser() -> argparse.ArgumentParser:
    """`dt-serve` itself; `dt-serve bench` has one of its own."""
    limits = Limits()
    made = Parser(
        "dt-serve",
        description="Faces for many clients at once: Audio2Face-3D's gRPC protocol, and WebSocket.",
        epilog=_EPILOG,
    )
    made.add_argument("--version", action="version", version=f"dt-serve {__version__}")
    model = made.add_argument_group("the model")
    model.add_argument("--bundle", metavar="DIR", help="a model (default: the embedded one)")
    model.add_argument(
        "--frames-per-s", type=int, metavar="N",
        help="send so many frames a second: the model's rate, or a whole part of it "
        "(default: the model's)",
    )  # fmt: skip
    model.add_argument(
        "--threads", type=at_least_one, default=1, metavar="N", help="that compute (default: 1)"
    )
    where = made.add_argument_group("addresses")
    where.add_argument("--host", default="127.0.0.1", help="to listen at (default: 127.0.0.1)")
    where.add_argument(
        "--grpc-port", type=_port, default=52000, metavar="N", help="0: any; none: no gRPC "
        "(default: 52000)",
    )  # fmt: skip
    where.add_argument(
        "--http-port", type=_port, default=8000, metavar="N",
        help="WebSocket, health and metrics; 0: any; none: without (default: 8000)",
    )  # fmt: skip
    who = made.add_argument_group("who may come")
    who.add_argument(
        "--token-file", metavar="FILE",
        help="clients must show what it holds (default: the variable DT_SERVE_TOKEN, if it is set)",
    )  # fmt: skip
    who.add_argument("--tls-cert", metavar="FILE.pem", help="certificate chain; with --tls-key")
    who.add_argument("--tls-key", metavar="FILE.pem", help="its private key")
    who.add_argument(
        "--allow-remote", action="store_true",
        help="listen beyond this machine without a token",
    )  # fmt: skip
    most = made.add_argument_group("limits")
    most.add_argument(
        "--sessions", type=at_least_one, default=limits.sessions, metavar="N",
        help=f"at once (default: {limits.sessions})",
    )  # fmt: skip
    most.add_argument(
        "--session-s", type=_seconds, default=limits.session_s, metavar="S",
        help="most seconds of sound in a session (default: 0, any)",
    )  # fmt: skip
    most.add_argument(
        "--chunk-bytes", type=at_least_one, default=limits.chunk_bytes, metavar="N",
        help=f"largest message (default: {limits.chunk_bytes})",
    )  # fmt: skip
    most.add_argument(
        "--idle-s", type=_seconds, default=limits.idle_s, metavar="S",
        help=f"a session that does nothing is ended after (default: {limits.idle_s:g})",
    )  # fmt: skip
    most.add_argument(
        "--unread-s", type=_seconds, default=limits.unread_s, metavar="S",
        help="a session whose client does not read its frames is ended after "
        f"(default: {limits.unread_s:g})",
    )  # fmt: skip
    most.add_argument(
        "--backlog-s", type=_seconds, default=limits.backlog_s, metavar="S",
        help="most seconds of a session's sound that may wait to be computed "
        f"(default: {limits.backlog_s:g})",
    )  # fmt: skip
    most.add_argument(
        "--drain-s", type=_seconds, default=30.0, metavar="S",
        help="that sessions have to end when the server leaves (default: 30)",
    )  # fmt: skip
    how = made.add_argument_group("how")
    how.add_argument(
        "--grpc-by", choices=("auto", "nghttp2", "grpcio"), default="auto",
        help="what carries gRPC: our server on nghttp2, where the package was built with it, or "
        "grpcio's (default: auto, the first that is there)",
    )  # fmt: skip
    how.add_argument("--log", choices=FORMATS, default="text", help="(default: text)")
    how.add_argument(
        "--loop", choices=("asyncio", "uvloop"), default="asyncio",
        help="event loop; uvloop is installed apart (default: asyncio)",
    )  # fmt: skip
    return made


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError(f"expected seconds, 0 or more, got {text!r}")
    return value


def _port(text: str) -> int | None:
    if text == "none":
        return None
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected 0 to 65535 or none, got {text!r}")
    return int(text)


def token_of(args: argparse.Namespace) -> str | None:
    """The token that clients must show, or None. Raises ServeError."""
    if args.token_file is None:
        return os.environ.get("DT_SERVE_TOKEN") or None
    try:
        token = Path(args.token_file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ServeError(f"--token-file {args.token_file}: {error}") from None
    if not token:
        raise ServeError(f"--token-file {args.token_file}: the file is empty")
    return token


def options_of(args: argparse.Namespace) -> Options:
    """A server's options as the command line means them. Raises ServeError."""
    token = token_of(args)
    if args.host not in _LOOPBACK and token is None and not args.allow_remote:
        raise ServeError(
            f"--host {args.host}: others could reach it; give --token-file, or --allow-remote if "
            "they may"
        )
    if (args.tls_cert is None) != (args.tls_key is None):
        raise ServeError("--tls-cert and --tls-key go together")
    for option in ("tls_cert", "tls_key"):
        place = getattr(args, option)
        if place is not None and not Path(place).is_file():
            raise ServeError(f"--{option.replace('_', '-')} {place}: there is no such file")
    if args.grpc_port is None and args.http_port is None:
        raise ServeError("--grpc-port none and --http-port none leave nothing to serve")
    try:
        from ... import bundle
        from ..server import Options
    except ImportError as error:
        raise missing(error) from None
    try:
        rate = bundle.read(args.bundle).frame_rate
    except bundle.BundleError as error:
        raise ServeError(str(error)) from None
    every = 1 if args.frames_per_s is None else rate / max(args.frames_per_s, 1)
    if every != int(every) or every < 1:
        raise ServeError(
            f"--frames-per-s {args.frames_per_s}: expected a whole part of the model's {rate}"
        )
    return Options(
        bundle=args.bundle,
        host=args.host,
        grpc_port=args.grpc_port,
        carrier=args.grpc_by,
        http_port=args.http_port,
        certificate=args.tls_cert,
        key=args.tls_key,
        token=token,
        every=int(every),
        threads=args.threads,
        drain_s=args.drain_s,
        limits=Limits(
            sessions=args.sessions,
            session_s=args.session_s,
            chunk_bytes=args.chunk_bytes,
            idle_s=args.idle_s,
            unread_s=args.unread_s,
            backlog_s=args.backlog_s,
        ),
    )


async def _serve(options: Options) -> int:
    from ..server import Server

    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    at_once = asyncio.Event()

    def leave() -> None:
        if asked.is_set():
            at_once.set()
        asked.set()

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        with contextlib.suppress(NotImplementedError, AttributeError):
            loop.add_signal_handler(getattr(signal, name), leave)
    async with Server(options) as server:
        secure = "s" if options.certificate else ""
        if server.grpc_port is not None:
            print(f"Audio2Face-3D (gRPC{', TLS' if secure else ''}): "
                  f"{options.host}:{server.grpc_port}", flush=True)  # fmt: skip
        if server.http_port is not None:
            at = f"{options.host}:{server.http_port}"
            print(f"WebSocket: ws{secure}://{at}/v1/face", flush=True)
            print(f"health, metrics: http{secure}://{at}/v1/health/ready, /metrics", flush=True)
        await asked.wait()
        leaving = asyncio.create_task(server.leave())
        hurry = asyncio.create_task(at_once.wait())
        await asyncio.wait({leaving, hurry}, return_when=asyncio.FIRST_COMPLETED)
        for task in (leaving, hurry):
            task.cancel()
    return 0


def run(words: Sequence[str]) -> int:
    """Does what the words say; returns the exit code: 2 for an error of the user's."""
    try:
        if words[:1] == ["bench"]:
            from . import bench

            return bench.run(words[1:])
        args = parser().parse_args(words)
        options = options_of(args)
        begin_log(args.log)
        # Threads hand over soon: the one that computes waits for the one that talks.
        sys.setswitchinterval(0.001)
        return _with_loop(args.loop, options)
    except SystemExit as leaving:  # --help and --version
        return leaving.code if isinstance(leaving.code, int) else 0
    except ServeError as error:
        print(f"dt-serve: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()
        return 0


def _with_loop(loop: str, options: Options) -> int:
    if loop == "uvloop":
        try:
            import uvloop
        except ImportError:
            raise ServeError("--loop uvloop: pip install uvloop") from None
        uvloop.install()
    return asyncio.run(_serve(options))
