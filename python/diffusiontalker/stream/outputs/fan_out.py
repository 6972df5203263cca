"""The ways out of `dt-stream`: what `--to` may name, and the one path on which frames go to all."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from ... import wire
from .. import StreamError
from .livelink import DEFAULT_PORT as LIVELINK_PORT
from .livelink import LiveLinkOutput
from .publisher import DEFAULT_PORT as ZMQ_PORT
from .publisher import Publisher, check_endpoint
from .recorder import CsvRecorder, JsonRecorder, Recorder
from .vmc import DEFAULT_PORT as VMC_PORT
from .vmc import NAME_STYLES, VmcOutput

#: Frames that wait for a slow disk or pipe before further ones are dropped for it: 10 s at 60 Hz.
FILE_QUEUE = 600
#: How long a file that takes nothing is waited for at the end, seconds.
FILE_PATIENCE_S = 10.0

_EXAMPLES = {
    "zmq": f"zmq://HOST[:{ZMQ_PORT}], as in zmq://127.0.0.1",
    "livelink": f"livelink://HOST[:{LIVELINK_PORT}][?subject=NAME], as in livelink://192.168.1.20",
    "vmc": f"vmc://HOST[:{VMC_PORT}][?names={'|'.join(NAME_STYLES)}], as in vmc://127.0.0.1",
    "csv": "csv:PATH, as in csv:face.csv",
    "json": "json:PATH, as in json:face.jsonl",
}


class Output(Protocol):
    """One way out. All calls come from one thread, and none of them waits for a receiver."""

    @property
    def name(self) -> str:
        """Where the frames go, as a user writes or reads it."""

    @property
    def dropped(self) -> int:
        """Frames that this way out, or whoever is at its end, would not take."""

    #: Whether somebody watches while it happens: then the face is closed at the end. A file keeps
    #: the model's frames only.
    live: bool

    def announce(self, schema: wire.Schema) -> None:
        """The frames to come. Called once, before the first of them."""

    def send(self, frame: wire.Frame) -> None:
        """The next frame."""

    def serve(self) -> None:
        """Does what is due besides frames; called every few milliseconds."""

    def close(self, bye: wire.Bye | None = None) -> None:
        """Ends it; None withdraws what was not yet final. Raises StreamError."""


@dataclass(frozen=True)
class Destination:
    """A `--to` that was understood."""

    text: str  #: as the user wrote it
    scheme: str
    address: str  #: ZeroMQ endpoint, host, or path
    port: int = 0
    options: dict[str, str] = field(default_factory=dict)

    @property
    def is_file(self) -> bool:
        return self.scheme in ("csv", "json")


def parse(text: str, *, allow_remote: bool = False) -> Destination:
    """Reads what follows `--to`. Raises StreamError that shows how it is written."""
    scheme, colon, rest = text.partition(":")
    example = _EXAMPLES.get(scheme)
    if not colon or example is None:
        raise StreamError(
            f"--to {text}: expected zmq://, livelink://, vmc://, csv: or json: at its beginning, "
            "as in livelink://192.168.1.20 or csv:face.csv"
        )
    if scheme in ("csv", "json"):
        if not rest or rest.startswith("//"):
            raise StreamError(f"--to {text}: expected {example}")
        return Destination(text, scheme, rest)
    if not rest.startswith("//"):
        raise StreamError(f"--to {text}: expected {example}")
    try:
        parts = urlsplit(text)
        port = parts.port
        pairs = parse_qsl(
            parts.query, keep_blank_values=True, strict_parsing=bool(parts.query), errors="strict"
        )
    except ValueError as error:
        raise StreamError(f"--to {text}: {error}; expected {example}") from None
    if not parts.hostname or parts.path not in ("", "/") or parts.fragment or "@" in parts.netloc:
        raise StreamError(f"--to {text}: expected {example}")
    options = dict(pairs)
    known = {"livelink": ("subject",), "vmc": ("names",)}.get(scheme, ())
    for key, _ in pairs:
        if key not in known or len(options) != len(pairs):
            raise StreamError(f"--to {text}: {key!r} is unknown or there twice; expected {example}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if scheme == "zmq":
        endpoint = f"tcp://{host}:{ZMQ_PORT if port is None else port}"
        check_endpoint(endpoint, allow_remote, f"--to {text}")
        return Destination(text, scheme, endpoint)
    if port == 0:
        raise StreamError(f"--to {text}: expected a port from 1 to 65535; expected {example}")
    if "subject" in options:
        try:
            wire.check_subject(options["subject"])
        except wire.WireError as error:
            raise StreamError(f"--to {text}: {error}") from None
    if options.get("names", NAME_STYLES[0]) not in NAME_STYLES:
        raise StreamError(
            f"--to {text}: names: expected {', '.join(NAME_STYLES)}, got {options['names']!r}"
        )
    standard = LIVELINK_PORT if scheme == "livelink" else VMC_PORT
    return Destination(text, scheme, parts.hostname, port or standard, options)


def open_output(
    destination: Destination, *, subject: str, allow_remote: bool, paced: bool
) -> Output:
    """Opens a way out; files are written in the background if `paced`. Raises StreamError."""
    match destination.scheme:
        case "zmq":
            return Publisher(destination.address, allow_remote=allow_remote)
        case "livelink":
            name = destination.options.get("subject", subject)
            return LiveLinkOutput(destination.address, destination.port, name)
        case "vmc":
            names = destination.options.get("names", NAME_STYLES[0])
            return VmcOutput(destination.address, destination.port, names)
    recorders: dict[str, Callable[[Path], Recorder]] = {"csv": CsvRecorder, "json": JsonRecorder}
    recorder = recorders[destination.scheme](Path(destination.address))
    return Background(recorder) if paced else recorder


class Background:
    """Gives an output a thread and a bounded queue: a disk or a pipe may stall."""

    def __init__(self, inner: Output, depth: int = FILE_QUEUE) -> None:
        self.live = inner.live
        self._inner = inner
        self._overflow = 0
        self._queue: queue.Queue[wire.Schema | wire.Frame | None] = queue.Queue(depth)
        self._failure: BaseException | None = None
        self._abandoned = False
        self._thread = threading.Thread(
            target=self._work, name=f"dt-stream {inner.name}", daemon=True
        )
        self._thread.start()

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def dropped(self) -> int:
        return self._overflow + self._inner.dropped

    def announce(self, schema: wire.Schema) -> None:
        self._queue.put_nowait(schema)

    def send(self, frame: wire.Frame) -> None:
        """Queues a frame. Raises what the output raised in the meantime."""
        self.serve()
        try:
            self._queue.put_nowait(frame)
        except queue.Full:
            self._overflow += 1

    def serve(self) -> None:
        """Raises what the output raised in the meantime."""
        if self._failure is not None:
            raise self._failure

    def close(self, bye: wire.Bye | None = None) -> None:
        """Waits until the queue is written, or drops it if there is no `bye`."""
        self._abandoned = bye is None
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=FILE_PATIENCE_S)
        self._thread.join(FILE_PATIENCE_S)
        if self._thread.is_alive():
            raise StreamError(
                f"{self.name} took nothing for {FILE_PATIENCE_S:.0f} s; "
                f"{self._queue.qsize()} frames were not written"
            )
        self._inner.close(None if self._failure is not None else bye)
        self.serve()

    def _work(self) -> None:
        try:
            while True:
                try:
                    message = self._queue.get(timeout=1.0)
                except queue.Empty:
                    self._inner.serve()
                    continue
                if message is None:
                    return
                if self._abandoned:
                    continue
                if isinstance(message, wire.Schema):
                    self._inner.announce(message)
                else:
                    self._inner.send(message)
                    self._inner.serve()
        except BaseException as error:
            self._failure = error


class Outputs:
    """Every way out of one session, as one. Closes at the end of a `with` block what is open."""

    def __init__(self) -> None:
        self._all: list[Output] = []
        self._failures: list[StreamError] = []
        self._open = True

    def add(self, output: Output) -> None:
        self._all.append(output)

    @property
    def live(self) -> bool:
        """Whether somebody may be watching."""
        return any(o.live for o in self._all)

    @property
    def names(self) -> list[str]:
        """Where somebody may be watching."""
        return [o.name for o in self._all if o.live]

    @property
    def subscribers(self) -> int | None:
        """Connected to the publishers; None without one."""
        publishers = self._publishers()
        return sum(p.subscribers for p in publishers) if publishers else None

    @property
    def dropped(self) -> list[tuple[str, int]]:
        """Names and losses of the ways out that have lost frames."""
        return [(o.name, o.dropped) for o in self._all if o.dropped]

    def announce(self, schema: wire.Schema) -> None:
        """The frames to come. Raises StreamError, as the calls below do."""
        self._each(lambda output: output.announce(schema))

    def send(self, frame: wire.Frame) -> None:
        """The next frame, to all."""
        self._each(lambda output: output.send(frame))

    def send_audio(self, audio: wire.Audio) -> None:
        """A piece of the sound, to those that can take it."""
        for publisher in self._publishers():
            publisher.send_audio(audio)

    def serve(self) -> None:
        """Call it every few milliseconds."""
        self._each(lambda output: output.serve())

    def _each(self, call: Callable[[Output], None]) -> None:
        """Calls all of them, then raises the first failure. Whoever failed is left out later."""
        before = len(self._failures)
        for output in tuple(self._all):
            try:
                call(output)
            except StreamError as error:
                self._failures.append(error)
                self._all.remove(output)
                with contextlib.suppress(StreamError):
                    output.close(None)
        if len(self._failures) > before:
            raise self._failures[before]

    def close(self, bye: wire.Bye | None, *, keep: bool) -> None:
        """Says goodbye everywhere; files stay if `keep`. Later calls do nothing.

        Raises the first StreamError that any of them ever raised, after all were closed.
        """
        if not self._open:
            return
        self._open = False
        # Who watches is told first: a file may be slow to take its last frames.
        for output in sorted(self._all, key=lambda o: not o.live):
            try:
                output.close(bye if keep or output.live else None)
            except StreamError as error:
                self._failures.append(error)
        if self._failures:
            raise self._failures[0]

    def _publishers(self) -> Sequence[Publisher]:
        return [o for o in self._all if isinstance(o, Publisher)]

    def __enter__(self) -> Outputs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # After an error its own message is the one that counts.
        with contextlib.suppress(StreamError):
            self.close(None, keep=False)
