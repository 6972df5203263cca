"""Options that several commands share, and what they say of a configuration."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ..config import Config, ConfigError, load

#: (name, help) -> the parser of one more command.
AddCommand = Callable[[str, str], argparse.ArgumentParser]


def add_sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="folder of one of the configuration's sources (repeatable)",
    )


def add_whisper(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--whisper",
        metavar="FILE",
        help="Whisper tiny's weights, in place of the configuration's listening.weights: OpenAI's "
        "tiny.en.pt, or transformers' model.safetensors or its folder",
    )


def config_of(arguments: argparse.Namespace) -> Config:
    """The configuration with what the command line changes in it."""
    config = load(arguments.config, named_folders(arguments.data))
    if arguments.whisper:
        weights = str(Path(arguments.whisper).expanduser().resolve())
        config = replace(config, listening=replace(config.listening, weights=weights))
    return replace(config, threads=arguments.threads) if arguments.threads else config


def named_folders(entries: Sequence[str]) -> dict[str, str]:
    folders: dict[str, str] = {}
    for entry in entries:
        name, equals, folder = entry.partition("=")
        if not equals:
            raise ConfigError(f"--data {entry}: expected NAME=FOLDER")
        folders[name] = str(Path(folder).expanduser())
    return folders


def run_folder(arguments: argparse.Namespace, config: Config) -> Path:
    """`--out`, or runs/NAME."""
    return Path(arguments.out) if arguments.out else Path("runs") / config.name
