"""--ray: the road to a cluster, with a stand-in for Ray (`poe ray` has the real one)."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from inline import sounds

from diffusiontalker.batch.cli import main


class RayError(Exception):
    pass


class RayTaskError(RayError):
    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class StandIn(types.ModuleType):
    """Ray's calls that `Cluster` makes, done at once by this process."""

    def __init__(self) -> None:
        super().__init__("ray")
        self.exceptions = types.SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)
        self.joined: list[str] = []
        self.left = 0
        self.options: dict[str, Any] = {}
        self.dies: set[str] = set()
        self.most_pending = 0

    def init(self, address: str, **_: Any) -> None:
        if address == "nobody:1":
            raise ConnectionError("no answer")
        self.joined.append(address)

    def put(self, value: object) -> object:
        return value

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0}

    def remote(self, **options: Any) -> Callable[[Callable[..., object]], object]:
        self.options = options

        def wrap(function: Callable[..., object]) -> object:
            def start(*arguments: Any) -> tuple[Callable[..., object], tuple[Any, ...]]:
                return function, arguments

            return types.SimpleNamespace(remote=start)

        return wrap

    def wait(self, refs: list[Any], **_: Any) -> tuple[list[Any], list[Any]]:
        self.most_pending = max(self.most_pending, len(refs))
        return refs[-1:], refs[:-1]  # the last first: they end in any order

    def get(self, ref: Any) -> object:
        function, arguments = ref
        if Path(arguments[0].audio).name in self.dies:
            raise RayError("its node\n is gone")
        try:
            return function(*arguments)
        except Exception as error:
            raise RayTaskError(error) from None

    def shutdown(self) -> None:
        self.left += 1


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn()
    monkeypatch.setitem(sys.modules, "ray", made)
    return made


def test_every_line_and_the_same_bytes_as_here(tmp_path: Path, ray: StandIn) -> None:
    sounds(tmp_path / "in", [f"{i:02d}.wav" for i in range(12)], 0.1)
    assert (
        main([str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--ray", "auto", "--quiet"])
        == 0
    )
    assert (ray.joined, ray.left, ray.most_pending) == (["auto"], 1, 8)
    assert ray.options == {"num_cpus": 1, "max_retries": 5}
    assert (
        main([str(tmp_path / "in"), "--out", str(tmp_path / "own"), "--jobs", "1", "--quiet"]) == 0
    )
    for path in (tmp_path / "own").glob("*.csv"):
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
    assert len(list((tmp_path / "out").glob("*.csv"))) == 12


def test_a_line_whose_workers_die_is_a_failure(
    tmp_path: Path, ray: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    sounds(tmp_path / "in", ["a.wav", "b.wav"], 0.1)
    ray.dies = {"a.wav"}
    assert main([str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--ray", "auto"]) == 1
    assert "a.wav: its worker died 6 times: its node is gone" in capsys.readouterr().err
    ray.dies = set()
    assert main([str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--ray", "auto"]) == 0
    assert "2 of 2 lines (1 were finished before)" in capsys.readouterr().out


def test_no_cluster_and_no_ray(
    tmp_path: Path,
    ray: StandIn,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sounds(tmp_path / "in", ["a.wav"], 0.1)
    wanted = [str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--ray"]
    for address in ("nobody:1", "127.0.0.1:1"):
        assert main([*wanted, address]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"--ray {address}: no cluster there that can be joined" in line
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main([*wanted, "auto"]) == 2
    assert "pip install 'diffusiontalker[ray]'" in capsys.readouterr().err
