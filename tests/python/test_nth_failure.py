"""Operation n on the disk fails, for every n: nothing is lost that was reported written.

The C++ core's allocations fail in tests/cpp/runtime/test_nth_failure.cpp.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from failing_disk import HOWS, Disk, every_failure
from takes_made import frame_of, schema_of, sound_of, values_of

from diffusiontalker import bundle
from diffusiontalker.batch.journal import Entry, Journal
from diffusiontalker.batch.stores import Folder
from diffusiontalker.bundle import BundleError
from diffusiontalker.files import replaced
from diffusiontalker.takes import TakeError, TakeWriter, read

FailingDisk = Callable[[], contextlib.AbstractContextManager[Disk]]
FRAMES = 6
BLOCK = 100
VALUES = values_of(FRAMES)
SOUND = sound_of(FRAMES * BLOCK)


class Recorded:
    """A take as far as its writer said that it was written."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.begun = self.complete = False
        self.frames = self.sound = self.events = 0

    def record(self, folder: Path) -> None:
        writer = TakeWriter(folder, source="mic", settings={})
        self.folder = writer.path
        try:
            writer.begin(schema_of())
            self.begun = True
            for i in range(FRAMES):
                # The second half comes later than it should: a hole, which is an event.
                hole = 50 if i >= FRAMES // 2 else 0
                writer.sound(i * BLOCK + hole, SOUND[i * BLOCK : (i + 1) * BLOCK])
                self.sound += 1
                writer.frame(frame_of(schema_of(), i, VALUES[i]))
                self.frames += 1
            writer.event("made up", position=3)
            self.events += 1
            writer.complete("end of the audio")
            self.complete = True
        except TakeError:
            writer.leave("broken off")
            raise

    def check(self) -> None:
        """What was reported is there, bit for bit."""
        if not self.frames:
            return
        assert self.folder is not None
        take = read(self.folder)
        assert len(take.index) >= self.frames
        assert take.values[: self.frames].tobytes() == VALUES[: self.frames].tobytes()
        for i in range(self.sound):
            at = i * BLOCK + (50 if i >= FRAMES // 2 else 0)
            np.testing.assert_array_equal(
                take.sound(at, at + BLOCK), SOUND[i * BLOCK : (i + 1) * BLOCK]
            )
        kinds = [event["kind"] for event in take.events]
        assert kinds.count("made up") >= self.events
        assert ("no sound" in kinds) or self.sound <= FRAMES // 2
        assert take.complete or not self.complete


@pytest.mark.parametrize("dead", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("how", HOWS)
def test_a_take_keeps_what_it_said_was_written(tmp_path: Path, how: str, dead: bool) -> None:
    numbers = itertools.count()

    def tries(disk: FailingDisk) -> None:
        recorded, error = Recorded(), ""
        with disk() as state:
            try:
                recorded.record(tmp_path / str(next(numbers)))
            except TakeError as failure:
                error = str(failure)
        if how == "short":
            assert error == "", "half a write is no failure"
        elif state.failed:
            assert "\n" not in error
            assert "No space left" in error or "Input/output error" in error
        recorded.check()

    assert every_failure(tries, how, dead=dead) > (10 if how == "short" else 20)


@pytest.mark.parametrize("how", HOWS)
def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, how: str) -> None:
    path = tmp_path / "file.json"

    def tries(disk: FailingDisk) -> None:
        path.write_text("old")
        wanted = "new and longer"
        with disk() as state:
            try:
                with replaced(path) as part:
                    part.write_text(wanted)
            except OSError:
                assert state.failed
                wanted = "old"
        assert path.read_text() == wanted
        assert list(tmp_path.iterdir()) == [path]

    assert every_failure(tries, how) >= 1


def entry_of(number: int) -> Entry:
    return Entry(
        f"line{number}", f"{number}.wav", "stamp", "digest", {".csv": (f"part{number}", 9)}, 60, 1.0
    )


@pytest.mark.parametrize("how", HOWS)
def test_a_journal_keeps_what_it_said_is_safe(tmp_path: Path, how: str) -> None:
    numbers = itertools.count()

    def tries(disk: FailingDisk) -> None:
        store = Folder(str(tmp_path / str(next(numbers))))
        safe: list[str] = []
        with disk() as state:
            for run in range(2):  # the second finds what the first left
                with contextlib.suppress(OSError):
                    journal = Journal(store)
                    for line in range(3):
                        # Whoever goes on after a failure loses no line either.
                        with contextlib.suppress(OSError):
                            journal.add([entry_of(10 * run + line)])
                            safe.append(f"line{10 * run + line}.csv")
        assert state.failed or len(safe) == 6
        known = Journal(store)
        text = store.read_journal()
        for name in safe:
            assert f'"out": "{name.removesuffix(".csv")}"'.encode() in text
            assert sum(name.removesuffix(".csv").encode() in line for line in whole_lines(text)) > 0
        known.add([entry_of(99)])
        assert b'"line99"' in whole_lines(store.read_journal())[-1]

    assert every_failure(tries, how) >= 6


def whole_lines(text: bytes) -> list[bytes]:
    """Those that a reader can use."""
    return [line for line in text.split(b"\n") if line.startswith(b"{") and line.endswith(b"}")]


def test_a_bundle_that_cannot_be_read_says_so_in_a_line(bundle_at_60: bundle.Bundle) -> None:
    def tries(disk: FailingDisk) -> None:
        with disk() as state:
            said = ""
            try:
                assert bundle.read(bundle_at_60.path).sha256 == bundle_at_60.sha256
            except BundleError as error:
                said = str(error)
            assert state.failed == ("No space left" in said)
            assert "\n" not in said

    assert every_failure(tries, "refused") >= 3


@pytest.mark.parametrize("how", HOWS)
def test_a_bundle_is_written_whole_or_reads_as_none(
    tmp_path: Path, bundle_at_60: bundle.Bundle, how: str
) -> None:
    numbers = itertools.count()
    tensors = {name: np.array(value) for name, value in bundle_at_60.tensors.items()}

    def tries(disk: FailingDisk) -> None:
        folder = tmp_path / str(next(numbers) % 2)
        with disk() as state:
            try:
                bundle.write(folder, bundle_at_60.manifest, tensors)
            except (OSError, BundleError):
                assert state.failed
        with contextlib.suppress(BundleError):
            assert bundle.read(folder).sha256 == bundle_at_60.sha256

    assert every_failure(tries, how) >= 2
