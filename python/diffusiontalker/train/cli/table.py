"""`dt-train table1` and the others: their options, and the making of a table."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import ConfigError
from ..recipes import tables
from .options import AddCommand, add_sources, add_whisper, config_of

if TYPE_CHECKING:
    from rich.console import Console


def register(add: AddCommand) -> None:
    """Give dt-train a command a table."""
    for number, kind in tables.TABLES.items():
        title = kind.title[0].lower() + kind.title[1:]
        making = add(f"table{number}", f"train and measure the rows of a table: {title}")
        making.add_argument("config", help="configuration file (TOML)")
        add_sources(making)
        add_whisper(making)
        making.add_argument(
            "--out",
            required=True,
            help="folder for runs, rows and tables; rows that it holds are not redone, and tables "
            "in one folder share their runs",
        )
        making.add_argument(
            "--epochs",
            type=float,
            default=1.0,
            metavar="FACTOR",
            help="scales every stage's epochs (default 1)",
        )
        making.add_argument("--clips", type=int, help="at most so many held-out clips a source")
        making.add_argument("--head", metavar="FILE", help="a .glb or .npz head: adds LVE")
        making.add_argument("--seed", type=int, default=0, help="seed of the noise (default 0)")
        making.add_argument("--threads", type=int, help="torch threads (default: the file's)")
        making.set_defaults(run=run, table=number)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Train and measure the rows that are lacking. Raises ConfigError or ValueError."""
    from rich.console import Console

    from ..mesh import read_head
    from ..recipes import rows
    from ..stages import parallel
    from . import screen
    from .bars import bars_on

    config = config_of(arguments)
    if arguments.epochs <= 0:
        raise ConfigError(f"--epochs: expected a factor above 0, got {arguments.epochs:g}")
    if arguments.clips is not None and arguments.clips < 1:
        raise ConfigError(f"--clips: expected at least 1, got {arguments.clips}")
    head = read_head(arguments.head) if arguments.head else None
    options = rows.Options(clips=arguments.clips, seed=arguments.seed, head=head)
    ranks = parallel.join(config.device)
    if not ranks.writes:
        console = Console(quiet=True)
    with bars_on(console) as bars:
        data = screen.read_takes(config, bars)
        made = bars.add_task("rows", total=None, note="")
        clips = bars.add_task("clips measured", total=None, note="")
        progress = rows.Progress(
            on_step=screen.stage_bars(bars),
            on_row=lambda label, done, total: bars.update(
                made, total=total, completed=done, note=label
            ),
            on_clips=lambda count: bars.advance(clips, count),
        )
        target = rows.make(
            arguments.table,
            tables.scaled(config, arguments.epochs),
            data,
            Path(arguments.out),
            options,
            progress,
            command="dt-train " + " ".join(arguments.words),
            ranks=ranks,
        )
    ranks.leave()
    if target is not None:
        console.print(f"table in {target}", highlight=False, soft_wrap=True)
