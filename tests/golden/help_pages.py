"""The --help page of every command, as text that any Python version gives alike."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))
from paths import scripts

FOLDER = Path(__file__).with_name("help")
COLUMNS = 100
HELP_INDENT = " " * 8


def page(command: str, *words: str) -> str:
    """What `command words --help` prints, normalised."""
    module, function = scripts()[command].split(":")
    program = f"import sys; from {module} import {function} as main; "
    program += f"sys.argv[0] = {command!r}; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, *words, "--help"],
        env={**os.environ, "COLUMNS": str(COLUMNS), "NO_COLOR": "1", "TERM": "dumb"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command} {' '.join(words)} --help: {done.stderr}")
    return normalised(done.stdout)


def normalised(text: str) -> str:
    """Usage on one line, an option's or command's help on one line below it.

    Python 3.13 writes `-o, --out OUT` where those before say `-o OUT, --out OUT`, and so breaks and
    indents lines elsewhere.
    """
    usage, blank, rest = text.partition("\n\n")
    made: list[str] = []
    entries = inside = False  # a section of positional arguments; an entry whose help may go on
    for line in rest.rstrip().split("\n"):
        if line and not line.startswith(" "):
            entries = line == "positional arguments:"
        if not line or not line.startswith(" "):
            inside = False
        head = re.match(r"^( {2,4})(-\S.*?|\S.*?)(?: {2,}(\S.*))?$", line)
        if head is not None and (entries or head[2].startswith("-")):
            inside = True
            made.append(head[1] + re.sub(r"^(-\w) (.+?), (--)", r"\1, \3", head[2]))
            if head[3]:
                made.append(HELP_INDENT + head[3])
        elif inside and made[-1].startswith(HELP_INDENT):
            made[-1] += " " + line.strip()
        elif inside:
            made.append(HELP_INDENT + line.strip())
        else:
            made.append(line.rstrip())
    return " ".join(usage.split()) + blank + "\n".join(made) + "\n"


def subcommands(top: str) -> list[str]:
    """Those that a command's --help (normalised) lists, or whose own --help it tells of."""
    section = top.partition("positional arguments:\n")[2].partition("\n\n")[0]
    listed = re.findall(r"^ {4}(\S+)$", section, flags=re.M)
    return listed + re.findall(r"^ +dt-\w+ (\w+) --help", top, flags=re.M)


def pages() -> dict[str, str]:
    """File name -> page, for every command and subcommand."""
    made = {}
    for command in scripts():
        made[f"{command}.txt"] = top = page(command)
        for name in subcommands(top):
            made[f"{command}-{name}.txt"] = page(command, name)
    return made
