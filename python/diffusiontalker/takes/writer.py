"""Writes a take while the stream goes on: at any instant what came so far is on disk."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..files import replaced
from ..frames import FLAG_CLOSING, Schema, StampedFrame
from ..sound.growing_wav import GrowingWav
from . import form
from .errors import TakeError

# Takes that begin in one second and have one source.
_MOST_ALIKE = 1000


class TakeWriter:
    """One take in a folder of its own.

    `begin` once, then `frame`, `sound` and `event` as they come, `complete` at the end. Each call
    hands what it got to the operating system before it returns, so that a killed process loses
    nothing. Calls come from one thread and raise TakeError where the disk refuses; what was written
    before stays readable.
    """

    def __init__(
        self,
        folder: Path,
        *,
        source: str,
        settings: Mapping[str, Any],
        recorded: str = "",
        inside: bool = True,
    ) -> None:
        """Makes the take's folder inside `folder`, which is made too, named by time and source.

        `source` names where the voice comes from; `settings` is kept as it is, as JSON. `recorded`
        is when it began, now by default. `inside` False: `folder` itself is the take.
        Raises TakeError.
        """
        self._source, self._settings = source, dict(settings)
        self._schema: Schema | None = None
        self._wav: GrowingWav | None = None
        self._first_sample: int | None = None
        self._frames_file: io.FileIO | None = None
        self._events_file: io.FileIO | None = None
        self._record = form.record(0)
        began = datetime.now().astimezone()
        self._recorded = recorded or began.isoformat(timespec="milliseconds")
        self.frames = 0
        try:
            if inside:
                folder.mkdir(parents=True, exist_ok=True)
                self.path = _new_folder(folder, form.folder_name(source, began))
            else:
                folder.mkdir(parents=True)
                self.path = folder
        except OSError as error:
            raise TakeError(
                f"{folder}: no take can be written there: {error.strerror or error}"
            ) from None

    @property
    def begun(self) -> bool:
        return self._schema is not None

    def begin(self, schema: Schema) -> None:
        """What the frames mean."""
        self._schema = schema
        self._record = form.record(len(schema.curves))
        with self._refused():
            self._frames_file = io.FileIO(self.path / form.FRAMES, "x")
            self._manifest()

    def frame(self, frame: StampedFrame) -> None:
        """A frame of the model's; those that the sender makes while it closes the face are not
        kept."""
        if frame.flags & FLAG_CLOSING:
            return
        assert self._frames_file is not None, "begin comes first"
        one = np.zeros(1, self._record)
        one["index"], one["position"] = frame.index, frame.position
        one["capture_ns"], one["flags"] = frame.capture_ns, frame.flags
        one["values"] = np.array(frame.curves, np.float32)
        self._append(self._frames_file, one.tobytes())
        self.frames += 1

    def sound(self, position: int, samples: NDArray[np.float32]) -> None:
        """Sound (n,) that begins at `position` of the audio clock; none lies before it that comes
        later. Where none came the take has silence, and an event that says so."""
        assert self._schema is not None, "begin comes first"
        with self._refused():
            if self._wav is None:
                self._wav = GrowingWav(self.path / form.SOUND, self._schema.audio_rate)
                self._first_sample = position
                self._manifest()
            assert self._first_sample is not None
            end = self._first_sample + self._wav.samples
            if position < end:
                samples, position = samples[end - position :], end
            elif position > end:
                self.event("no sound", position=end, samples=position - end)
            self._wav.write(position - self._first_sample, samples)

    def event(self, kind: str, **fields: object) -> None:
        """Something that happened meanwhile: {"kind": kind, ...}, with a `position` where it has
        one."""
        with self._refused():
            if self._events_file is None:
                self._events_file = io.FileIO(self.path / form.EVENTS, "x")
            line = json.dumps({"kind": kind, **fields}, ensure_ascii=False) + "\n"
            self._append(self._events_file, line.encode())

    def complete(self, reason: str, **found: object) -> None:
        """Ends the take: `reason` says why it ended, `found` what is known only now."""
        with self._refused():
            self._close_files()
            self._manifest(reason=reason, found=found)

    def leave(self, reason: str) -> None:
        """Ends it as a take that broke off; one without a frame goes. Never raises."""
        if self.frames == 0:
            self.discard()
            return
        with contextlib.suppress(OSError):
            self._close_files()
        with contextlib.suppress(OSError):
            self._manifest(reason=reason, complete=False)

    def discard(self) -> None:
        """Takes the folder away again. Never raises."""
        with contextlib.suppress(OSError):
            self._close_files()
        shutil.rmtree(self.path, ignore_errors=True)

    def _append(self, file: io.FileIO, data: bytes) -> None:
        with self._refused():
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]

    def _close_files(self) -> None:
        """Closes what is open, all of it even where one fails. Raises OSError."""
        with contextlib.ExitStack() as stack:
            for file in (self._frames_file, self._events_file, self._wav):
                if file is not None:
                    stack.callback(file.close)

    def _manifest(
        self,
        *,
        reason: str = "",
        complete: bool | None = None,
        found: Mapping[str, object] | None = None,
    ) -> None:
        """Writes the manifest anew, whole or not at all."""
        assert self._schema is not None
        ended = reason != ""
        wav = self._wav
        document = {
            "format": form.FORMAT,
            "version": form.VERSION,
            "complete": ended if complete is None else complete,
            "reason": reason,
            "source": self._source,
            "recorded": self._recorded,
            "schema": asdict(self._schema),
            "settings": self._settings,
            "found": dict(found or {}),
            "frames": {
                "file": form.FRAMES,
                "record": form.described(self._record),
                "count": self.frames if ended else None,
            },
            "sound": None
            if self._first_sample is None
            else {
                "file": form.SOUND,
                "rate_hz": self._schema.audio_rate,
                "first_sample": self._first_sample,
                "samples": wav.samples if ended and wav is not None else None,
            },
        }
        with replaced(self.path / form.MANIFEST) as part:
            part.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")

    @contextlib.contextmanager
    def _refused(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TakeError(f"{self.path}: {error.strerror or error}") from None


def _new_folder(folder: Path, name: str) -> Path:
    for number in range(1, _MOST_ALIKE):
        path = folder / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path
    raise OSError(f"{_MOST_ALIKE} takes of that name are there")
