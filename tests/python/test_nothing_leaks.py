"""Nothing is told to anybody, and nothing that comes from elsewhere is run."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from paths import ROOT

PACKAGE = ROOT / "python" / "diffusiontalker"
# What calls out; files at URLs, which a user names, are fsspec's (batch/places.py, by contract).
_CALLERS = ("urllib.request", "requests", "httpx", "http.client", "aiohttp", "ftplib", "smtplib")
# A pickle runs what it says. VOCASET is made of pickles: numbers and arrays alone are let in there.
_PICKLES = ("pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve")
_MAY_NAME_PICKLES = {"train/corpora/vocaset.py", "train/networks/whisper_weights.py"}

_WATCHED = """
import runpy, sys

def tell(event, given):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        print("CALLED", event, given[1:], file=sys.stderr)

sys.addaudithook(tell)
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def calls() -> Iterator[tuple[str, ast.Call, str]]:
    """(file, call, its function's dotted name) of the whole package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                yield path.relative_to(PACKAGE).as_posix(), node, ast.unparse(node.func)


def imports() -> Iterator[tuple[str, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                yield path.relative_to(PACKAGE).as_posix(), name


def test_no_module_can_call_out() -> None:
    found = [(file, name) for file, name in imports() if name.startswith(_CALLERS)]
    # The bench of dt-serve asks the server that it has started.
    assert not [(file, name) for file, name in found if not file.startswith("serve/load/")]


def test_commands_connect_to_nobody(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED, "diffusiontalker.stream.cli", "--demo", "--seconds", "1",
         "--fast", "--no-publish", "--out", str(tmp_path / "face.csv")],
        capture_output=True, encoding="utf-8", cwd=tmp_path, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "CALLED" not in done.stderr
    assert (tmp_path / "face.csv").exists()


def test_no_pickle_is_loaded_from_what_can_be_downloaded() -> None:
    for file, name in imports():
        assert name.split(".")[0] not in _PICKLES or file in _MAY_NAME_PICKLES, f"{file}: {name}"
    for file, call, name in calls():
        words = {word.arg: ast.unparse(word.value) for word in call.keywords}
        if name.endswith("torch.load"):
            assert words.get("weights_only") == "True", f"{file}:{call.lineno}"
        if name in ("np.load", "numpy.load"):
            assert words.get("allow_pickle", "False") == "False", f"{file}:{call.lineno}"
        assert words.get("trust_remote_code", "False") == "False", f"{file}:{call.lineno}"
        assert not re.fullmatch(r"(pickle|cPickle)\.loads?|eval|exec", name), (
            f"{file}:{call.lineno}"
        )
        assert not (name.startswith("yaml.") and "load" in name), f"{file}:{call.lineno}"
        assert words.get("shell", "False") == "False", f"{file}:{call.lineno}: a shell"
