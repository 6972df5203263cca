"""`dt-train capture`: its options and what it says."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import ConfigError
from .options import AddCommand

if TYPE_CHECKING:
    from rich.console import Console


def register(add: AddCommand) -> None:
    """Give dt-train the command."""
    capturing = add("capture", "measure the face in videos: takes in BEAT's form")
    capturing.add_argument("video", nargs="+", help="film of one speaker's face, with sound")
    capturing.add_argument("-o", "--out", required=True, metavar="DIR", help="folder of the takes")
    capturing.add_argument(
        "--model", required=True, help="MediaPipe's face_landmarker.task (yours: none is shipped)"
    )
    capturing.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Measure what has no take yet. Raises ConfigError, CaptureError, FileNotFoundError."""
    from rich.markup import escape

    from .. import corpora
    from ..collect import capture
    from ..corpora import video
    from .bars import bars_on

    films = [Path(film).expanduser() for film in arguments.video]
    out, model = Path(arguments.out).expanduser(), Path(arguments.model).expanduser()
    for film in films:
        if not film.is_file():
            raise FileNotFoundError(f"video {film} does not exist")
    stems = [film.stem for film in films]
    for stem in stems:
        if stems.count(stem) > 1:
            raise ConfigError(f"two videos are called {stem}: their takes would be one file")
    missing = [film for film in films if not (out / f"{film.stem}.json").exists()]
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    for film in films:
        if film not in missing:
            say(f"{out / film.stem}.json is there: left as it is")
    done, skipped = len(films) - len(missing), 0
    if missing:
        capture.require(model)
        _make_folder(out)
        with capture.landmarker(model) as detect, bars_on(console) as progress:
            for film in missing:
                task = progress.add_task(escape(film.name), total=None, note="")
                try:
                    progress.update(task, total=video.info(film).frames or None)
                    taken = capture.capture(film, out, detect, partial(progress.advance, task))
                except corpora.BrokenTake as reason:
                    skipped += 1
                    say(f"skipped {film.name}: {reason}")
                else:
                    done += 1
                    said = [f"{taken.take}: {taken.frames} frames", *capture.notes(taken)]
                    say("; ".join(said))
                progress.remove_task(task)
    if not done:
        raise ConfigError(f"no take from {len(films)} videos: see above")
    say(f"{done} takes in {out}, {skipped} videos skipped")


def _make_folder(out: Path) -> None:
    """Before the work whose result goes there. Raises ConfigError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot make that folder ({error.strerror})") from None
