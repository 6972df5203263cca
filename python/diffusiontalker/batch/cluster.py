"""Workers of a Ray cluster. Home of ray.

Ray moves tasks; sounds and results stay where all its machines see them: a shared folder, or a URL.
"""

from __future__ import annotations

import io
import itertools
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, redirect_stdout
from typing import Any
from urllib.parse import urlsplit

from ..stream import StreamError
from .lines import Failure, Line
from .stores import Store
from .work import Done, Settings, convert

# How long a cluster may take to answer the door, seconds.
_PATIENCE_S = 5.0
# Lines that each core of the cluster has before it.
_AHEAD = 4
# How often whoever asks for results hears that there are none yet, seconds.
_TICK_S = 0.5
# Machines may come and go: a line is begun again so often before it counts as failed.
_RETRIES = 5


def _knock(address: str) -> None:
    """Raises OSError where nobody listens: Ray would try for minutes."""
    where = urlsplit(address if "://" in address else f"//{address}")
    if where.hostname and where.port:
        socket.create_connection((where.hostname, where.port), _PATIENCE_S).close()


class Cluster:
    """A Ray cluster that converts lines."""

    def __init__(self, address: str, settings: Settings, store: Store) -> None:
        """Joins it; `address` as ray.init takes it. Raises StreamError."""
        try:
            # Before it is imported, which starts threads that report on its use.
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            import ray
        except ImportError:
            raise StreamError("--ray: Ray is missing; pip install 'diffusiontalker[ray]'") from None
        self._ray = ray
        self._joined = ExitStack()
        # Ray writes about machines that went to stdout, and what became of lines is told anyhow.
        self._joined.enter_context(redirect_stdout(io.StringIO()))
        try:
            _knock(address)
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            self._joined.close()
            raise StreamError(
                f"--ray {address}: no cluster there that can be joined ({error}); start one with "
                "ray start --head, and more machines with ray start --address HOST:6379"
            ) from None
        self._task: Any = ray.remote(num_cpus=1, max_retries=_RETRIES)(convert)
        self._settings = ray.put(settings)
        self._store = ray.put(store)

    def work(self, lines: Sequence[Line]) -> Iterator[tuple[Line, Done | Failure] | None]:
        """As `Crew.work`."""
        ray = self._ray
        waiting = iter(lines)
        pending: dict[Any, Line] = {}
        while True:
            room = max(1, int(ray.cluster_resources().get("CPU", 1))) * _AHEAD - len(pending)
            for line in itertools.islice(waiting, max(room, 0)):
                pending[self._task.remote(line, self._settings, self._store)] = line
            if not pending:
                return
            done, _ = ray.wait(list(pending), num_returns=1, timeout=_TICK_S)
            if not done:
                yield None
            for ref in done:
                line = pending.pop(ref)
                yield line, self._result(ref, line)

    def _result(self, ref: Any, line: Line) -> Done | Failure:
        errors = self._ray.exceptions
        try:
            result: Done | Failure = self._ray.get(ref)
        except errors.RayTaskError as error:
            if isinstance(error.cause, StreamError):
                raise error.cause from None
            return Failure(line.audio, line.out, f"{type(error.cause).__name__}: {error.cause}")
        except errors.RayError as error:
            said = " ".join(str(error).split())[:300]
            return Failure(line.audio, line.out, f"its worker died {_RETRIES + 1} times: {said}")
        return result

    def close(self) -> None:
        """Leaves the cluster; what is under way there ends."""
        self._ray.shutdown()
        self._joined.close()
