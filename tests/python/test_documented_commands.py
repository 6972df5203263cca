"""Every command of the documents is run, or says what it needs that CI lacks."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import given
import pytest
from documented import (
    REASONS,
    Command,
    Session,
    commands,
    commands_of,
    documents,
    mentions,
    sessions,
    sessions_of,
    unknown_options,
)
from paths import ROOT, scripts

if not (ROOT / ".git").exists():
    pytest.skip("documents are checked in a git checkout", allow_module_level=True)

HERE = Path(__file__).parent
AT_ONCE = 2
LIMIT_S = 120
#: Programs of others that commands begin with: what stands in for each, given the folder's files.
STAND_INS = {"espeak-ng": "cat speech.wav", "ffmpeg": "cat speech.s16"}
#: What must be there afterwards, by a part of the command; `*` in a name stands for anything.
LEAVES = {
    "--out face.csv": "face.csv",
    "--out curves/": "curves/*.csv",
    "--plot": "*.png",
    "--json bench.json": "bench.json",
    "--record takes": "takes/*/take.json",
    "convert takes face.glb": "face.glb",
    "convert takes face.vrma": "face.vrma",
    "--to smaller": "smaller/manifest.json",
}


def run_now() -> list[Command]:
    """The commands that nothing stands in the way of, one of each spelling."""
    return list({c.text: c for c in reversed(commands()) if c.needs is None}.values())[::-1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of what is given: always, where takes are meant, and to show what goes wrong."""
    made = tmp_path_factory.mktemp("given")
    for name, write in {
        "always": given.write,
        "takes": given.write_takes,
        "spoilt": given.write_spoilt,
    }.items():
        (made / name).mkdir()
        write(made / name)
    return made


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PATH: the package's commands, made fast, and stand-ins of other programs."""
    bin_ = tmp_path_factory.mktemp("bin")
    lines = {
        name: f'exec "{sys.executable}" "{HERE}/fast_command.py" {name} "$@"' for name in scripts()
    }
    lines |= {"python": f'exec "{sys.executable}" "$@"', "python3": f'exec "{sys.executable}" "$@"'}
    for name, line in {**STAND_INS, **lines}.items():
        (bin_ / name).write_text(f"#!/bin/sh\n{line}\n")
        (bin_ / name).chmod(0o755)
    return bin_


@pytest.fixture(scope="module")
def outcome(
    folder: Path, programs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], tuple[subprocess.CompletedProcess[str], Path]]]:
    """Command -> how it ended, and its folder. All run at once, a few at a time."""

    taken = socket.create_server(("127.0.0.1", 0))
    ports = {"TAKEN_PORT": str(taken.getsockname()[1]), "FREE_PORT": str(free_ports(1)[0])}
    # Read before the threads begin: pytest writes to it from test to test.
    environment = dict(os.environ)

    def run(command: str, port: int) -> tuple[subprocess.CompletedProcess[str], Path]:
        work = tmp_path_factory.mktemp("work")
        has_takes = " takes" in command and "--record" not in command
        for name, meant in {"always": True, "takes": has_takes, "spoilt": command in told}.items():
            if meant:
                shutil.copytree(folder / name, work, dirs_exist_ok=True)
        for name in ("configs", "examples", "docs", "tests"):
            if (ROOT / name).exists():
                (work / name).symlink_to(ROOT / name)
        path = os.pathsep.join([str(programs), environment["PATH"]])
        env = {**environment, **ports, "PATH": path, "DT_TEST_PORT": str(port), "MPLBACKEND": "Agg"}
        done = subprocess.run(
            ["sh", "-c", command], cwd=work, env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, encoding="utf-8", timeout=LIMIT_S,
            stderr=subprocess.STDOUT if command in told else subprocess.PIPE,
        )  # fmt: skip
        return done, work

    told = {s.command for s in sessions()}
    pool = ThreadPoolExecutor(AT_ONCE)
    texts = [command.text for command in run_now()] + [s.command for s in sessions()]
    running = {
        text: pool.submit(run, text, port)
        for text, port in zip(texts, free_ports(len(texts)), strict=True)
    }
    yield lambda command: running[command].result()
    pool.shutdown(cancel_futures=True)
    taken.close()


def free_ports(count: int) -> list[int]:
    """So many that nobody else has."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


@pytest.mark.parametrize("command", run_now(), ids=str)
def test_it_runs(
    command: Command,
    outcome: Callable[[str], tuple[subprocess.CompletedProcess[str], Path]],
) -> None:
    done, work = outcome(command.text)
    said = f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    assert done.returncode == 0, (
        f"{said}\nIf CI cannot run it, say above its block what it needs: "
        f"<!-- needs REASON: {command.text.split()[0]} --> ({', '.join(REASONS)})"
    )
    assert "Traceback" not in done.stderr, said
    for part, left in LEAVES.items():
        if part in command.text:
            assert list(work.glob(left)), f"{said}\nit left no {left}"


@pytest.mark.parametrize("session", sessions(), ids=str)
def test_it_says_so(
    session: Session,
    outcome: Callable[[str], tuple[subprocess.CompletedProcess[str], Path]],
) -> None:
    done, _ = outcome(session.command)
    assert session.agrees(done.stdout), f"{session}\n{done.stdout[-2000:]}"


def test_reasons_are_of_the_list() -> None:
    assert {c.needs for c in commands()} - {None} <= set(REASONS)


def test_commands_have_the_options_that_help_tells_of() -> None:
    """Those that are not run, and those in sentences, at least spell their options right."""
    given = [c.text for c in commands()]
    given += [m for document in documents() for m in mentions(document.read_text("utf-8"))]
    wrong = {c: unknown for c in given if c.startswith("dt-") and (unknown := unknown_options(c))}
    assert wrong == {}


def test_the_reader_sees_commands() -> None:
    text = """
<!-- needs microphone: --mic -->
<!-- needs time: dt-train, poe -->

    dt-stream --mic          # yours
    dt-stream --demo
    rt.set(gain={})
    poe lint

Text.

    dt-train run x.toml --no-such   with words

```sh
unknown-program --x  # a shell's block holds commands alone
```

```python
python = 3
```
"""
    found = [(c.text, c.needs) for c in commands_of(text)]
    assert found == [
        ("dt-stream --mic", "microphone"), ("dt-stream --demo", None), ("poe lint", "time"),
        ("dt-train run x.toml --no-such", None), ("unknown-program --x", None),
    ]  # fmt: skip
    assert unknown_options("dt-train run x.toml --no-such --out y") == ["--no-such"]
    shown = sessions_of("```console\n$ dt-stream --x\nno ... x\n...\n$ dt-watch\n```\n")
    assert [(s.command, s.says) for s in shown] == [
        ("dt-stream --x", "no ... x\n...\n"), ("dt-watch", ""),
    ]  # fmt: skip
    assert shown[0].agrees("no such x\nand more\n")
    assert not shown[0].agrees("well, no such x\nand more\n")
    assert mentions("say `dt-watch --json`\n\n    `dt-no --x`\n") == ["dt-watch --json"]
