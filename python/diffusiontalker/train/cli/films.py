"""What `dt-train capture` does: films -> what is measured -> takes -> a report."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from ..collect import capture, landmark_head, pixels, report, takes
from ..collect.landmark_head import LandmarkHead
from ..collect.landmarks import COUNT
from ..collect.measured import Measured
from ..collect.measured import read as read_measured
from ..collect.measured import write as write_measured
from ..config import ConfigError
from ..corpora import video
from .bars import bars_on


@dataclass
class _Work:
    """One call: what is asked for, and what has become of it."""

    out: Path
    model: Path
    aspect: Fraction | None
    head: LandmarkHead
    solved: bool
    by: str  # --speaker
    say: Callable[[str], None]
    skipped: dict[str, str] = field(default_factory=dict)
    reported: list[report.Reported] = field(default_factory=list)

    def target(self, film: Path) -> Path:
        return self.out / f"{film.stem}.json"

    def kept(self, film: Path) -> Path:
        return self.out / "measured" / f"{film.stem}.npz"

    def key(self, film: Path) -> str:
        """Names what was measured and how: another film, shape or model is measured anew."""
        told = film.stat(), self.model.stat()
        sizes = " ".join(f"{one.st_size} {one.st_mtime_ns}" for one in told)
        return f"{film.name} {sizes} {self.aspect}"

    def person_of(self, film: Path) -> str:
        return {"film": str(film), "folder": str(film.resolve().parent), "one": ""}[self.by]

    def skip(self, film: Path, why: Exception) -> None:
        """Leave a film out; the reason is a line."""
        said = " ".join(str(why).split()).removeprefix(f"{film.name}: ") or type(why).__name__
        self.skipped[film.name] = said
        self.say(f"skipped {film.name}: {said}")


def run(arguments: argparse.Namespace, console: Console) -> None:
    """The command. Raises ConfigError, CaptureError, HeadError or FileNotFoundError."""
    films = [Path(film).expanduser() for film in arguments.video]
    work = _work(arguments, films, console)
    wanted = [film for film in films if not work.target(film).exists()]
    for film in films:
        if film not in wanted:
            work.say(f"{work.target(film)} is there: left as it is")
    if wanted:
        capture.require(work.model)
        _make_folder(work.out)
        with bars_on(console) as progress:
            measured = _measure(films, wanted, work, progress)
            task = progress.add_task("solving", total=len(measured), note="")
            for person in dict.fromkeys(work.person_of(film) for film in measured):
                of = [film for film in measured if work.person_of(film) == person]
                _take(of, measured, wanted, work)
                progress.advance(task, len(of))
            progress.remove_task(task)
    if arguments.report and work.reported:
        work.say(f"report: {_report(work)}")
    _end(films, wanted, work)


def _work(arguments: argparse.Namespace, films: list[Path], console: Console) -> _Work:
    """What the options ask for. Raises where it cannot be."""
    for film in films:
        if not film.is_file():
            raise FileNotFoundError(f"video {film} does not exist")
    stems = [film.stem for film in films]
    for stem in stems:
        if stems.count(stem) > 1:
            raise ConfigError(f"two videos are called {stem}: their takes would be one file")
    try:
        aspect = pixels.parse(arguments.pixel_aspect) if arguments.pixel_aspect else None
    except ValueError as reason:
        raise ConfigError(f"--pixel-aspect: {reason}") from None
    head, table = arguments.head, arguments.landmark_table
    if head and not table:
        raise ConfigError("--head needs --landmark-table: the head's vertices at the landmarks")
    return _Work(
        out=Path(arguments.out).expanduser(),
        model=Path(arguments.model).expanduser(),
        aspect=aspect,
        head=landmark_head.read(Path(table).expanduser(), Path(head).expanduser() if head else None)
        if table
        else landmark_head.default(),
        solved=arguments.curves == "solved",
        by=arguments.speaker,
        say=partial(console.print, markup=False, highlight=False, soft_wrap=True),
    )


def _measure(
    films: list[Path], wanted: list[Path], work: _Work, progress: Progress
) -> dict[Path, Measured]:
    """What is seen in the films, in their order: measured now, or kept from before.

    Films whose takes are there count for their person's face, if what was measured is still kept.
    """
    found = {}
    (work.out / "measured").mkdir(exist_ok=True)
    with capture.landmarker(work.model) as detect:
        for film in films:
            kept = read_measured(work.kept(film), work.key(film))
            if kept is None and film in wanted:
                task = progress.add_task(escape(film.name), total=None, note="")
                try:
                    _ask(video.info(film), film, work)
                    progress.update(task, total=video.info(film).frames or None)
                    advance = partial(progress.advance, task)
                    kept = capture.measure(film, detect, advance, work.aspect)
                    write_measured(kept, work.kept(film), work.key(film))
                except capture.CaptureError:
                    raise  # the model's fault, and so every film's
                except Exception as reason:  # whatever a damaged film sets off: the others go on
                    work.skip(film, reason)
                progress.remove_task(task)
            if kept is not None:
                found[film] = kept
    return found


def _ask(said: video.VideoInfo, film: Path, work: _Work) -> None:
    """Tell what shape the pixels are taken to have; ask where the film's word is doubtful."""
    if work.aspect is not None:
        return
    asked = pixels.question(film.name, said.width, said.height, said.pixel_aspect)
    if asked:
        work.say(asked)
    elif said.pixel_aspect not in (None, Fraction(1)):
        assert said.pixel_aspect is not None
        shape = pixels.told(said.pixel_aspect)
        work.say(f"{film.name}: pixels of {shape}, as the film says; made square")


def _take(of: list[Path], measured: dict[Path, Measured], wanted: list[Path], work: _Work) -> None:
    """The takes of one person."""
    seen = [measured[film] for film in of]
    for film, one in zip(of, seen, strict=True):
        if not one.solvable and work.solved:
            raise capture.CaptureError(
                f"{film.name}: the model gives {one.points.shape[1]} landmarks, {COUNT} are "
                "needed: use MediaPipe's face_landmarker.task, or --curves network"
            )
    try:
        known = takes.know(seen, work.head) if all(one.solvable for one in seen) else None
        curves = [takes.curves_of(one, known if work.solved else None) for one in seen]
    except Exception as reason:  # whatever odd landmarks set off: other people's films go on
        for film in [film for film in of if film in wanted]:
            work.skip(film, reason)
        return
    forward = work.solved and takes.forward_seen(curves)
    names = tuple(name for name in takes.NAMES if name not in takes.left_out(forward))
    for film, one, values in zip(of, seen, curves, strict=True):
        if film not in wanted:
            continue
        try:
            sound, rate_hz = video.read_sound(film)
            takes.write(one, values, names, sound, rate_hz, work.target(film))
        except (ValueError, OSError) as reason:
            work.skip(film, reason)
            continue
        notes = capture.notes(one)
        work.say("; ".join([f"{work.target(film)}: {len(one.times_s)} frames", *notes]))
        if known is not None:
            work.reported.append(report.Reported(film, one, values, names, known, tuple(notes)))


def _report(work: _Work) -> Path:
    return report.write(
        work.out / "report",
        work.reported,
        work.skipped,
        pixel_aspect=work.aspect,
        solved=work.solved,
    )


def _end(films: list[Path], wanted: list[Path], work: _Work) -> None:
    """What has become of the films. Raises ConfigError if there is no take at all."""
    done = len(films) - len(work.skipped)
    if not done:
        raise ConfigError(f"no take from {len(films)} videos: see above")
    unseen = ", ".join(takes.left_out(True))
    if len(work.skipped) < len(wanted):
        work.say(f"not seen from films, so not in the takes: {unseen} (and jawForward, mostly)")
    if work.by == "film" and len(wanted) - len(work.skipped) > 1:
        work.say(
            "each film was taken for another person's; --speaker one or folder finds the face at "
            "rest over all films of a person"
        )
    if work.skipped:
        work.say(f"skipped: {', '.join(work.skipped)}; the reasons stand above")
    work.say(f"{done} takes in {work.out}, {len(work.skipped)} videos skipped")


def _make_folder(out: Path) -> None:
    """Before the work whose result goes there. Raises ConfigError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot make that folder ({error.strerror})") from None
