"""Workers: processes that are asked, one question at a time."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import BenchError

WORKER = Path(__file__).with_name("worker.py")
#: A library that uses more threads than one would be measured on a core that it has not.
_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
_GOODBYE_S = 5.0


def interpreter(place: str) -> str:
    """The Python of a virtual environment, given by its folder or by the interpreter itself.

    Raises BenchError.
    """
    path = Path(place).expanduser()
    if path.is_dir():
        for name in ("bin/python", "bin/python3", "Scripts/python.exe"):
            if (path / name).is_file():
                return str(path / name)
        raise BenchError(f"--against {place}: no virtual environment: no bin/python in that folder")
    if path.is_file() and os.access(path, os.X_OK):
        return str(path)
    raise BenchError(
        f"--against {place}: no such virtual environment; name the folder that python3 -m venv made"
    )


def environment(python: str, kernel: str) -> dict[str, str]:
    """What a worker runs in: one thread, its own packages, compiled modules kept on the disk."""
    env = {**os.environ, **_ONE_THREAD}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    env.pop("DT_KERNEL", None)
    if kernel:
        env["DT_KERNEL"] = kernel
    if python != sys.executable:
        env.pop("PYTHONPATH", None)
    return env


class Worker:
    """A process with a script that answers (`worker.serve`). Close it, or use it in `with`."""

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> None:
        """`name` begins what is said of its failures. Raises BenchError."""
        self.name = name
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=dict(env),
                cwd=tempfile.gettempdir(),  # no folder of this project: nothing is found by chance
                encoding="utf-8",
            )
        except OSError as error:
            raise BenchError(f"{name}: cannot be started: {error.strerror or error}") from None

    def ask(self, question: str, **arguments: Any) -> Any:
        """The answer. Raises BenchError for a refusal, and for a process that has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = ""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"do": question, **arguments}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise BenchError(f"{self.name}: its process ended: {self._last_words()}")
        reply = json.loads(line)
        if "refused" in reply:
            raise BenchError(f"{self.name}: {reply['refused']}")
        return reply["answer"]

    def _last_words(self) -> str:
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {self._process.returncode}"

    def close(self) -> None:
        """Ends the process; it is there no more afterwards."""
        process = self._process
        with contextlib.suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]
        try:
            process.wait(_GOODBYE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()  # type: ignore[union-attr]
        self._errors.close()

    def kill(self) -> None:
        """Ends it at once, whatever it is doing."""
        self._process.kill()
        self.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close() if kind is None else self.kill()


def of_build(name: str, python: str, kernel: str = "") -> Worker:
    """A worker on the package that `python` has installed."""
    return Worker(name, [python, str(WORKER)], environment(python, kernel))


def fresh(name: str, python: str, what: str, bundle: str | None, core: int | None) -> Any:
    """What a function of `worker` measures in a process that ends with it. Raises BenchError."""
    done = subprocess.run(
        [python, str(WORKER), what, bundle or "", "" if core is None else str(core)],
        env=environment(python, ""),
        cwd=tempfile.gettempdir(),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise BenchError(f"{name}: {what}: {lines[-1] if lines else done.returncode}")
    return json.loads(done.stdout)


@contextlib.contextmanager
def busy(cores: Sequence[int]) -> Iterator[bool]:
    """Keeps another core busy while the block lasts; gives whether there is one."""
    if not cores:
        yield False
        return
    code = f"import os; os.sched_setaffinity(0, {{{cores[0]}}})\nwhile True: pass"
    burner = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.DEVNULL)
    try:
        yield True
    finally:
        burner.kill()
        burner.wait()
