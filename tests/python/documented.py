"""The commands that the documents give, and what becomes of each.

A line of a code block that begins with a program is a command. It is run by
`test_documented_commands.py`, or a comment above its block says what it needs that CI lacks:

    <!-- needs microphone: --mic -->          of the lines that contain `--mic`
    <!-- needs recordings -->                 of every line
    <!-- every command needs recordings -->   of a document that is a record of what was run

A `console` block is a session: commands after `$`, each with all that it says; `...` stands for
anything. Its commands are run as well, and must say it.
"""

from __future__ import annotations

import re
import subprocess
import textwrap
from dataclasses import dataclass
from pathlib import Path

from paths import ROOT

#: What CI lacks, and who runs the like of it.
REASONS = {
    "microphone": "a sound card; tests/integration/test_microphone.py speaks into a virtual one",
    "index": "a package index, or a system's packages; tests/run.sh installs the package",
    "recordings": "data that is not part of the project; tests/python/train makes its own",
    "time": "minutes to hours of computing; tests/python/bench has shorter ones",
    "stage": "a stage of tests/run.sh, or outside CI",
    "another-build": "a second installed build of this project",
    "GPU": "NVIDIA's driver and libraries; tests/tensorrt has a stand-in",
    "engine": "a game engine or a program with a window",
    "browser": "a browser; a stage outside CI has one",
}
PROGRAM = re.compile(
    r"(?:[A-Z_]+=\S+ )?(?:dt-[a-z]+|pip|python3?|sh|poe|espeak-ng|ffmpeg|cmake|torchrun|RunUAT\.\w+"
    r"|tests/\S+|apt-get|jupyter|node|npx|npm|godot\S*|blender)(?= |$)"
)
EVERY = re.compile(r"<!-- every command needs ([\w-]+) -->")
NEEDS = re.compile(r"<!-- needs ([\w-]+)(?:: (.+?))? -->")
SHELLS = ("sh", "bash", "shell")


@dataclass(frozen=True)
class Command:
    """A command of a document."""

    text: str  #: without its comment
    document: str  #: path from the checkout
    line: int
    needs: str | None  #: one of REASONS, or what stands in its place

    def __str__(self) -> str:
        return f"{self.document}:{self.line}: {self.text}"


def documents() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    ).stdout.split()
    skipped = ("CHANGELOG.md", "tests/unreal/stubs/README.md", "python/")
    return [ROOT / name for name in listed if not name.startswith(skipped)]


def commands() -> list[Command]:
    return [c for document in documents() for c in commands_of(document.read_text("utf-8"),
            document.relative_to(ROOT).as_posix())]  # fmt: skip


def commands_of(text: str, document: str = "") -> list[Command]:
    """The commands of all code blocks, with the needs that are noted above each block."""
    found: list[Command] = []
    needs: list[tuple[str, list[str]]] = []
    fence: str | None = None
    in_block = False
    every = EVERY.search(text)
    for number, line in enumerate(text.splitlines(), 1):
        if mark := re.fullmatch(r"\s*```(\w*).*", line):
            fence = (mark[1] or "text") if fence is None else None
            in_block = True  # so that the line after the closing fence ends it
            continue
        is_code = fence is not None or re.match(r" {4}", line) is not None
        if note := NEEDS.search(line):
            patterns = (note[2] or "").split(", ") if note[2] else []
            needs = ([] if in_block else needs) + [(note[1], patterns)]
            in_block = False
            continue
        if not line.strip():
            continue
        if not is_code:
            needs, in_block = [], False
            continue
        in_block = True
        if fence is not None and fence not in SHELLS:
            continue
        command = re.sub(r"\s{1,}#(?!\S).*| {3,}\S.*$", "", line.strip())
        if PROGRAM.match(command) or fence in SHELLS:
            reason = next(
                (r for r, patterns in needs if not patterns or any(p in command for p in patterns)),
                every[1] if every else None,
            )
            found.append(Command(command, document, number, reason))
    return found


@dataclass(frozen=True)
class Session:
    """A command and what it says."""

    command: str
    says: str  #: with `...` for anything
    document: str

    def __str__(self) -> str:
        return f"{self.document}: {self.command}"

    def agrees(self, said: str) -> bool:
        lines = [
            r"(?:.*\n)?" if line == "..." else ".*".join(map(re.escape, line.split("..."))) + r"\n"
            for line in self.says.splitlines()
        ]
        return re.fullmatch("".join(lines), said, re.S) is not None


def sessions_of(text: str, document: str = "") -> list[Session]:
    """What the `console` blocks show."""
    found = []
    for block in re.findall(r"^ *```console\n(.*?)^ *```$", text, flags=re.M | re.S):
        for part in re.split(r"^\$ ", textwrap.dedent(block), flags=re.M)[1:]:
            command, _, says = part.partition("\n")
            found.append(Session(command, says, document))
    return found


def sessions() -> list[Session]:
    return [s for document in documents() for s in sessions_of(document.read_text("utf-8"),
            document.relative_to(ROOT).as_posix())]  # fmt: skip


def mentions(text: str) -> list[str]:
    """Commands of the package inside sentences."""
    prose = re.sub(r"^```.*?^```$|^ {4}.*$", "", text, flags=re.M | re.S)
    return re.findall(r"`(dt-[a-z]+ [^`\n]+)`", prose)


def unknown_options(command: str) -> list[str]:
    """Options of a `dt-...` command that its help page does not have."""
    words = command.split()
    pages = ROOT / "tests" / "golden" / "help"
    names = [words[0]]
    if len(words) > 1 and (pages / f"{words[0]}-{words[1]}.txt").exists():
        names.insert(0, f"{words[0]}-{words[1]}")
    if not (pages / f"{names[0]}.txt").exists():
        return [words[0]]
    known = set(
        re.findall(r"(?<!\w)--?[a-z][\w-]*", (pages / f"{names[0]}.txt").read_text("utf-8"))
    )
    asked = re.findall(r"(?:^| )(--?[a-z][\w-]*)", command)
    return [option for option in asked if option not in known]
