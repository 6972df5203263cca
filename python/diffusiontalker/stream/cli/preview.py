"""The page with the face, as `dt-stream --preview` opens and keeps it."""

from __future__ import annotations

import argparse
import contextlib
import threading
import webbrowser
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .. import StreamError
from .command import Parser, on_leave, say

if TYPE_CHECKING:  # only who asks for the page loads it
    from ...presets import Preset
    from ...preview.link import Link
    from ...preview.messages import Restart

_EXAMPLES = """\
examples:
  dt-preview takes/20261129-143005-mic              a take, to look at and to hear
  dt-preview takes/20261129-143005-mic --head me.vrm

The page stays until Ctrl-C and plays the take again when asked to. A second face there shows what
the model makes of the take's voice now. Errors are one line and exit code 2.
"""
#: Where the page's takes go without --record.
TAKES = "takes"
# How often the end of a stream that may be played again looks for a Ctrl-C, seconds.
_LOOK_EVERY_S = 0.1
_HIGHEST_PORT = 65535


def run(argv: Sequence[str] | None) -> int:
    """`dt-preview`: a take on the page; returns the exit code. Raises StreamError."""
    made = Parser("dt-preview", "Shows a take in a browser: the face, its sound and its curves.",
                  _EXAMPLES)  # fmt: skip
    made.add_argument("take", metavar="TAKE", help="a take's folder (dt-stream --record)")
    made.add_argument("--head", metavar="FILE", help="the head that is shown, .glb or .vrm")
    made.add_argument(
        "--port", type=int, metavar="PORT",
        help="of the page on 127.0.0.1 (default: any that is free)",
    )  # fmt: skip
    args = made.parse_args(argv)
    from . import options
    from .command import raised
    from .replay import run as replay

    # One road for a take, whoever asks for it.
    given = ["replay", args.take, "--preview", "--no-publish", "--plain", "--quiet"]
    whole = options.parser().parse_args(given)
    if args.port is not None:
        whole.preview_port = args.port
    options.check(whole)
    whole.head = args.head or False
    with raised():
        return replay(whole)


def add_options(made: Parser) -> None:
    """Those of the page."""
    group = made.add_argument_group("the page with the face")
    group.add_argument(
        "--preview", action="store_true",
        help="see the face in a browser, with its sound, curves and controls; stays until Ctrl-C "
        "(docs/preview.md)",
    )  # fmt: skip
    group.add_argument(
        "--preview-port", type=int, metavar="PORT",
        help="of the page on 127.0.0.1 (default: any that is free)",
    )  # fmt: skip


def check(args: argparse.Namespace) -> None:
    """Refuses what makes no sense with the page: StreamError."""
    if args.preview_port is not None:
        if not args.preview:
            raise StreamError("--preview-port is the page's: it needs --preview")
        if not 0 <= args.preview_port <= _HIGHEST_PORT:
            raise StreamError(
                f"--preview-port: expected 0 to {_HIGHEST_PORT}, got {args.preview_port}"
            )
    if not args.preview:
        return
    if args.fast:
        raise StreamError("--preview goes without --fast: the page shows a face in real time")
    if len(args.subject) > 1:
        raise StreamError("--preview shows one face: give one --subject")


@contextlib.contextmanager
def opened(args: argparse.Namespace, head: str | None) -> Iterator[Link | None]:
    """The page, open until the `with` block ends; None without --preview. Raises StreamError."""
    if not args.preview:
        yield None
        return
    from ...preview import PreviewError
    from ...preview.link import Link, browser_is_here

    try:
        link = Link(port=args.preview_port or 0, head=None if head is None else Path(head))
    except PreviewError as error:
        raise StreamError(str(error)) from None
    with link:
        # On stderr: standard output may hold the frames.
        say(f"dt-stream: the face is at {link.url}", aside=True)
        if browser_is_here():
            # Some browsers hold up whoever opens them.
            threading.Thread(target=webbrowser.open, args=(link.url,), daemon=True).start()
        yield link


def go_on_with(args: argparse.Namespace, preset: Preset) -> None:
    """What is in force takes the place of the options for a stream that begins again."""
    for name, value in vars(preset).items():
        setattr(args, name, value)
    args.gain, args.offset = [preset.gain], [preset.offset]


def wait_for_restart(link: Link, *, quiet: bool) -> Restart | None:
    """After a stream's end: waits until a user of the page wants it again; None after Ctrl-C."""
    from ...preview.messages import Restart

    if not quiet:
        say("dt-stream: the page stays open; Ctrl-C leaves", aside=True)
    left = threading.Event()
    with on_leave(left.set):
        while not left.is_set() and link.alive:
            if link.wait(_LOOK_EVERY_S):
                for control in link.controls():
                    if isinstance(control, Restart):
                        return control
    return None
