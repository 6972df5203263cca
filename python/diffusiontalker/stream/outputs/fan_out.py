"""The one path on which frames go to every output of a session."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from ...frames import Audio, Bye, Schema, StampedFrame
from .. import StreamError
from .destination import Destination
from .endpoint import Access
from .file_queue import FileQueue
from .livelink import LiveLinkOutput
from .output import Output
from .publisher import Publisher
from .recorder import CsvRecorder, JsonRecorder, Recorder
from .vmc import NAME_STYLES, VmcOutput


class FanOut:
    """Every output of one session, as one. Closes at the end of a `with` block what is open."""

    def __init__(self) -> None:
        self._all: list[Output] = []
        self._failures: list[StreamError] = []
        #: Called with a line for each output that failed without ending the session.
        self.tell: Callable[[str], object] = lambda line: None
        #: Whether there was one.
        self.failed = False
        self._open = True

    def add(self, output: Output) -> None:
        self._all.append(output)

    def remove(self, output: Output) -> bool:
        """Sends nothing more to one of them, which the caller closes; False if it has failed."""
        if output not in self._all:
            return False
        self._all.remove(output)
        return True

    @property
    def live(self) -> bool:
        """Whether somebody may be watching."""
        return any(o.live for o in self._all)

    @property
    def hears(self) -> bool:
        """Whether one of them is to be told of the sound."""
        return any(o.hears for o in self._all)

    @property
    def names(self) -> list[str]:
        """Where somebody may be watching."""
        return [o.name for o in self._all if o.live]

    @property
    def subscribers(self) -> int | None:
        """Connected to all of them; None where nobody can connect."""
        counts = [o.subscribers for o in self._all]
        known = [count for count in counts if count is not None]
        return sum(known) if known else None

    @property
    def dropped(self) -> list[tuple[str, int]]:
        """Names and losses of the outputs that have lost frames."""
        return [(o.name, o.dropped) for o in self._all if o.dropped]

    def announce(self, schema: Schema) -> None:
        """The frames to come. Raises StreamError, as the calls below do."""
        self._each(lambda output: output.announce(schema))

    def send(self, frame: StampedFrame) -> None:
        """The next frame, to all."""
        self._each(lambda output: output.send(frame))

    def send_audio(self, audio: Audio) -> None:
        """A piece of the sound, to those that can take it."""
        self._each(lambda output: output.send_audio(audio))

    def hear(self, position: int, samples: NDArray[np.float32]) -> None:
        """The next sound (n,) as the runtime got it."""
        self._each(lambda output: output.hear(position, samples) if output.hears else None)

    def serve(self) -> None:
        """Call it every few milliseconds."""
        self._each(lambda output: output.serve())

    def hurry(self) -> None:
        """Nobody is waited for any more; may be called from another thread."""
        for output in tuple(self._all):
            output.hurry()

    def _each(self, call: Callable[[Output], None]) -> None:
        """Calls all of them, then raises the first failure of one that is vital. Whoever failed is
        left out later."""
        before = len(self._failures)
        for output in tuple(self._all):
            try:
                call(output)
            except StreamError as error:
                self._note(output, error)
                self._all.remove(output)
                with contextlib.suppress(StreamError):
                    output.close(None)
        if len(self._failures) > before:
            raise self._failures[before]

    def _note(self, output: Output, error: StreamError) -> None:
        if output.vital:
            self._failures.append(error)
            return
        self.failed = True
        self.tell(str(error))

    def close(self, bye: Bye | None, *, keep: bool) -> None:
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
                self._note(output, error)
            except BaseException:
                # Ctrl-C while files are completed: those that are not yet are withdrawn.
                for other in self._all:
                    with contextlib.suppress(StreamError):
                        other.close(None)
                raise
        if self._failures:
            raise self._failures[0]

    def __enter__(self) -> FanOut:
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


def open_output(destination: Destination, *, subject: str, access: Access, paced: bool) -> Output:
    """Opens an output; files are written in the background if `paced`. Raises StreamError."""
    match destination.scheme:
        case "zmq":
            return Publisher(destination.address, access=access)
        case "livelink":
            name = destination.options.get("subject", subject)
            return LiveLinkOutput(
                destination.address, destination.port, name, broadcast=destination.broadcast
            )
        case "vmc":
            names = destination.options.get("names", NAME_STYLES[0])
            return VmcOutput(
                destination.address, destination.port, names, broadcast=destination.broadcast
            )
    recorders: dict[str, Callable[[Path], Recorder]] = {"csv": CsvRecorder, "json": JsonRecorder}
    recorder = recorders[destination.scheme](Path(destination.address))
    return FileQueue(recorder) if paced else recorder


def open_outputs(
    destinations: Sequence[Destination], *, subject: str, access: Access, paced: bool
) -> FanOut:
    """Opens every destination, or none of them: raises StreamError for the first that refuses."""
    outputs = FanOut()
    with contextlib.ExitStack() as stack:
        # Closed here only if one of them cannot be opened.
        stack.enter_context(outputs)
        for destination in destinations:
            outputs.add(open_output(destination, subject=subject, access=access, paced=paced))
        stack.pop_all()
    return outputs
