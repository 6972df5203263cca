"""`dt-train speech`: its options and what it says."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..collect.folder_names import FOLDER_NAMES
from ..config import ConfigError
from .options import AddCommand

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from ..collect.debian_speech import Folder


def register(add: AddCommand) -> None:
    """Give dt-train the command."""
    making = add("speech", "make the speech without faces that configs/ear.toml names")
    making.add_argument(
        "-o",
        "--out",
        required=True,
        metavar="FOLDER",
        help="folder of the folders; one that it has is left as it is",
    )
    making.add_argument(
        "--packages",
        metavar="DIR",
        help="folder with Debian's .deb files (default: apt-get downloads them to FOLDER/packages)",
    )
    making.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="NAME",
        help=f"these folders alone, of {', '.join(FOLDER_NAMES)}",
    )
    making.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Make the folders that are missing. Raises ConfigError, or BrokenTake without PyAV."""
    from ..collect import debian_speech
    from .bars import bars_on

    chosen = _chosen(arguments.only)
    out = Path(arguments.out).expanduser()
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    missing = [folder for folder in chosen if not debian_speech.finished(folder, out)]
    debian_speech.require(missing)
    with bars_on(console) as progress:
        packages = _packages(missing, arguments.packages, out, progress)
        for folder in missing:
            task = progress.add_task(folder.name, total=None, note="")
            package = packages.get(folder.package)
            made = debian_speech.make(
                folder,
                package,
                out,
                on_total=lambda total, task=task: progress.update(task, total=total),  # type: ignore[misc]
                on_entry=partial(progress.advance, task),
            )
            for skip in made.skipped:
                say(f"skipped {skip.path} of {folder.name}: {skip.reason}")
            source = package.name if package else folder.program
            say(
                f"{folder.name}: made from {source}; broken entries skipped: {len(made.skipped)}, "
                f"silent ones left out: {len(made.silent)}"
            )
    _sum_up(chosen, missing, out, say)


def _chosen(names: list[str]) -> list[Folder]:
    from ..collect.debian_speech import FOLDERS

    for name in names:
        if name not in FOLDERS:
            raise ConfigError(f"--only {name}: there are {', '.join(FOLDERS)}")
    return [folder for name, folder in FOLDERS.items() if not names or name in names]


def _packages(
    folders: list[Folder], given: str | None, out: Path, progress: Progress
) -> dict[str, Path]:
    """Package -> file of all that the folders need. Raises ConfigError where one is missing."""
    from ..collect import debian_speech

    directory = Path(given).expanduser() if given else out / "packages"
    if given and not directory.is_dir():
        raise ConfigError(f"--packages {given}: there is no such folder")
    found, missing = debian_speech.find_packages(folders, directory)
    if not missing:
        return found
    files = ", ".join(f"{package}_*.deb" for package in missing)
    if given:
        raise ConfigError(
            f"--packages {given} lacks {files}: put them there (apt-get download, on a Debian "
            "machine), or name other folders by --only"
        )
    if not debian_speech.can_download():
        raise ConfigError(
            f"there is no apt-get here: get {files} from Debian and give their folder by --packages"
        )
    task = progress.add_task("downloading packages", total=len(missing), note="")
    for package in missing:
        progress.update(task, note=package)
        debian_speech.download(package, directory)
        progress.advance(task)
    progress.update(task, note="")
    return debian_speech.find_packages(folders, directory)[0]


def _sum_up(
    folders: list[Folder], made: list[Folder], out: Path, say: Callable[[str], None]
) -> None:
    from ..collect import debian_speech

    files, seconds = 0, 0.0
    for folder in folders:
        here, here_s = debian_speech.measure(out / folder.name)
        was = "" if folder in made else " (was there: left as it is)"
        say(f"{here_s / 60:7.1f} minutes in {here:5d} files: {folder.name}{was}")
        files, seconds = files + here, seconds + here_s
    say(f"{seconds / 60:7.1f} minutes in {files:5d} files under {out}")
