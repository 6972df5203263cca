"""What the two commands share: one-line errors, signals, and a reader of stdout who leaves."""

from __future__ import annotations

import _thread
import argparse
import contextlib
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any, NoReturn

from ...spelling import meant
from .. import StreamError

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


#: A shell's exit code for a program that Ctrl-C ended.
EXIT_CTRL_C = 128 + signal.SIGINT


class Left(KeyboardInterrupt):
    """Ctrl-C or a relative of it, whose exit code it knows."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.code = 128 + number


class Version(argparse.Action):
    """`--version`: looks the version up only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, **more: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, help="say the version and leave")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from ... import __version__

        print(f"{parser.prog} {__version__}")
        parser.exit()


class Parser(argparse.ArgumentParser):
    """Raises StreamError in place of printing a page of usage, and takes no shortened options."""

    def __init__(self, prog: str, description: str, epilog: str | None = None) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.add_argument("--version", action=Version)

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse passes over a disk that is full.
        (file or sys.stderr).write(message)

    def error(self, message: str) -> NoReturn:
        unknown = re.search(r"unrecognized arguments:.*?(--[\w-]+)", message)
        if unknown:
            options = [o for o in self._option_string_actions if o.startswith("--")]
            message += meant(unknown[1], options)
        raise StreamError(f"{message} (see {self.prog} --help)")


def complain(prog: str, error: Exception) -> int:
    """Prints an error as one line; returns the exit code for it."""
    with contextlib.suppress(OSError):
        print(f"{prog}: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
    return 2


def remark(prog: str, text: str) -> None:
    """Prints something worth knowing that is no error."""
    with contextlib.suppress(OSError):
        print(f"{prog}: {' '.join(text.split())}", file=sys.stderr, flush=True)


def say(line: str, *, aside: bool = False) -> None:
    """Prints a line; it is no error if nobody reads it any more.

    `aside`: to stderr, as stdout holds data. Raises StreamError where the line cannot be written.
    """
    try:
        print(line, flush=True, file=sys.stderr if aside else sys.stdout)
    except BrokenPipeError:
        forget_stdout()
    except OSError as error:
        raise cannot_print(error) from None


def cannot_print(error: OSError) -> StreamError:
    """The refusal for a stdout that takes nothing more, which is forgotten."""
    forget_stdout()
    return StreamError(f"cannot write to standard output: {error.strerror or error}")


def forget_stdout() -> None:
    """After a broken pipe: keeps Python's last flush of stdout from failing."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def guarded(prog: str, body: Callable[[], int], *, last: bool) -> int:
    """Runs a command; returns its exit code, whatever happens.

    An error of the user's is one line and 2, a signal 128 and its number, neither a traceback.
    `last`: the process ends with it, so that a Ctrl-C that comes later changes nothing any more.
    """
    in_main = threading.current_thread() is threading.main_thread()
    if in_main:
        # Until what is to be cleaned up is there, nobody waits for imports to end.
        before = signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal cannot show is shown by its numbers.
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            code = body()
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else 0
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except StreamError as error:
        return complain(prog, error)
    except BrokenPipeError:
        forget_stdout()
        return 0
    except OSError as error:
        return complain(prog, cannot_print(error))
    except KeyboardInterrupt as left:
        return left.code if isinstance(left, Left) else 130
    finally:
        if in_main and (last or before is not None):
            signal.signal(signal.SIGINT, signal.SIG_IGN if last else before)


@contextlib.contextmanager
def on_leave(leave: Callable[[], None]) -> Iterator[None]:
    """Calls `leave` for Ctrl-C and its relatives while the `with` block lasts."""
    with _handling(lambda *_: leave()):
        yield


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """Raises Left for Ctrl-C and its relatives, so that what is open is closed and withdrawn."""
    with _handling(_leave):
        yield


def _leave(number: int, frame: object) -> None:
    if not _in_soundfile_callback(frame):
        raise Left(number)
    # cffi prints what is raised there and forgets it: once more, a little later.
    again = threading.Timer(0.01, _thread.interrupt_main, (number,))
    again.daemon = True
    again.start()


def _in_soundfile_callback(frame: object) -> bool:
    while isinstance(frame, FrameType):
        module = frame.f_globals.get("__name__")
        if module == "soundfile" and frame.f_code.co_name.startswith("vio_"):
            return True
        frame = frame.f_back
    return False


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """As `raised`, but only once the `with` block is over: what is being opened must be known to
    whoever closes it. A second one does not wait."""
    noted: list[int] = []

    def note(number: int, frame: object) -> None:
        if noted:
            _leave(number, frame)
        else:
            noted.append(number)

    with _handling(note):
        yield
    if noted:
        raise Left(noted[0])


@contextlib.contextmanager
def _handling(handler: Callable[[int, object], object]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    # nohup's wish stands.
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and signal.getsignal(hangup) == signal.SIG_IGN:
        numbers.remove(hangup)
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
