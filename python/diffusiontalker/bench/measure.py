"""The measurements, in the order in which they are made; a report is plain data.

Builds that are compared take turns round by round, so that what else the machine does meets all of
them alike.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from .. import bundle as bundles
from ..bundle import BundleError
from ..clock import CORE_RATE_HZ
from ..resample import Resampler
from ..sound.reader import read_all
from . import BenchError, processes, work
from .processes import Worker

FORMAT, FORMAT_VERSION = "diffusiontalker-bench", 1
THIS = "this build"
PEERS = ("PyTorch, eager", "torch.compile", "ONNX Runtime")
_PACKAGES = {"PyTorch, eager": "torch", "torch.compile": "torch", "ONNX Runtime": "onnxruntime"}
#: What a live voice brings at a time.
CHUNK_SAMPLES = 256
#: name of a row -> samples a chunk; 0 is the whole clip at once.
MODES = {"frame by frame": CHUNK_SAMPLES, "whole clip": 0}
# Peers are slow: they join the first rounds only, on the clip's beginning.
_PEER_ROUNDS = 3
_PEER_SECONDS = 3.0

Row = dict[str, Any]
#: Told what is being done, and how far it is from 0 to 1.
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    bundles: Sequence[str] = ()  #: folders that every build reads, beside each one's own
    steps: Sequence[int] = ()  #: numbers of sampling steps, divisors of this build's own bundle's
    against: Sequence[str] = ()  #: virtual environments with other builds
    kernels: Sequence[str] = ("",)  #: "" is the best there is
    every_kernel: bool = False
    peers: Sequence[str] = PEERS
    rounds: int = 20
    clip_seconds: float | None = None  #: of the demo clip; None is all of it
    tail_frames: int = 10000
    starts: int = 10  #: fresh processes
    voices: Sequence[int] = (1, 4, 16, 64, 256)
    voice_seconds: float = 2.0
    core: int | None = None  #: None: the last that this process may use

    @classmethod
    def quick(cls, **given: Any) -> Plan:
        """A run for continuous integration: every row, none of them precise."""
        small = {"rounds": 2, "clip_seconds": 2.0, "tail_frames": 120, "starts": 1}
        return cls(**{**small, "voices": (1, 2), "voice_seconds": 0.25, **given})


@dataclass(frozen=True)
class _Case:
    """A bundle, as builds are told of it."""

    label: str
    folder: str | None  # None: each build's own


@dataclass
class Report:
    """What was found; every list has plain rows."""

    machine: Row = field(default_factory=dict)
    clip: Row = field(default_factory=dict)
    builds: list[Row] = field(default_factory=list)
    speed: list[Row] = field(default_factory=list)
    peers: list[Row] = field(default_factory=list)
    tails: list[Row] = field(default_factory=list)
    voices: list[Row] = field(default_factory=list)
    starts: list[Row] = field(default_factory=list)
    peaks: list[Row] = field(default_factory=list)
    ratios: list[Row] = field(default_factory=list)
    frames: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def data(self) -> Row:
        return {"format": FORMAT, "format_version": FORMAT_VERSION, **vars(self)}


def run(plan: Plan, progress: Progress = lambda *_: None) -> Report:
    """Measures what the plan says. Raises BenchError."""
    with tempfile.TemporaryDirectory(prefix="dt-bench-") as scratch:
        return _Run(plan, Path(scratch), progress).measure()


def cores() -> list[int]:
    """Cores that this process may use; empty where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def processor() -> str:
    """What the processor calls itself."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


class _Run:
    """One run of the command."""

    def __init__(self, plan: Plan, scratch: Path, progress: Progress) -> None:
        self._plan, self._scratch, self._progress = plan, scratch, progress
        self._report = Report()
        self._pythons = {THIS: sys.executable}
        self._pythons.update({place: processes.interpreter(place) for place in plan.against})
        free = cores()
        if plan.core is not None and free and plan.core not in free:
            raise BenchError(
                f"--core {plan.core}: this process may use {', '.join(map(str, free))}"
            )
        self._core = plan.core if plan.core is not None else (free[-1] if free else None)
        self._others = [core for core in free if core != self._core]
        self._done = self._total = 0

    def measure(self) -> Report:
        plan, report = self._plan, self._report
        self._clip = self._prepare_clip()
        cases = self._cases()
        self._examine_builds()
        self._total = (
            len(self._kernels) * len(cases) * (plan.rounds + 2) + len(plan.voices) + plan.starts
        )
        for kernel in self._kernels:
            for case in cases:
                with_peers = case == cases[0] and kernel == self._kernels[0]
                self._time(case, kernel, plan.peers if with_peers else ())
        self._count_voices()
        self._start_afresh()
        self._compare()
        report.notes.append(
            "allocations in a step: 0 by the C++ suite, which counts them (a process of Python "
            "makes the arrays that it returns)"
        )
        return report

    # ---- before ------------------------------------------------------------------------------

    def _prepare_clip(self) -> str:
        """The demo clip at 16 kHz as a file that any build's worker reads."""
        path = Path(bundles.__file__).parents[1] / "data" / "demo.flac"
        sound, rate_hz, _ = read_all(path)
        if rate_hz != CORE_RATE_HZ:
            sound = Resampler(rate_hz).push(sound)
        if self._plan.clip_seconds is not None:
            sound = sound[: round(self._plan.clip_seconds * CORE_RATE_HZ)]
        np.save(self._scratch / "clip.npy", sound)
        self._report.clip = {
            "name": path.name,
            "seconds": len(sound) / CORE_RATE_HZ,
            "chunk_ms": 1000 * CHUNK_SAMPLES / CORE_RATE_HZ,
        }
        self._report.machine = {
            "processor": processor(),
            "cores": len(cores()) or os.cpu_count(),
            "core": self._core,
            "system": f"{platform.system()} {platform.machine()}",
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        }
        return str(self._scratch / "clip.npy")

    def _cases(self) -> list[_Case]:
        made = [_Case("own bundle", None)]
        own = bundles.read()
        for steps in self._plan.steps:
            if steps == own.manifest["diffusion"]["sample_steps"]:
                continue
            try:
                folder = work.with_steps(own, steps, self._scratch / f"steps{steps}")
            except ValueError as error:
                raise BenchError(f"--{error}") from None
            made.append(_Case(f"{own.name}, {steps} steps", str(folder)))
        for place in self._plan.bundles:
            folder = Path(place).expanduser().resolve()
            try:
                bundles.read(folder)
            except BundleError as error:
                raise BenchError(str(error)) from None
            made.append(_Case(place, str(folder)))
        return made

    def _examine_builds(self) -> None:
        """Who takes part, and which kernels; refuses an environment without the package."""
        kernels = list(self._plan.kernels)
        for name, python in self._pythons.items():
            with processes.of_build(_told(name), python) as worker:
                try:
                    found = worker.ask("hello", core=self._core)
                except BenchError as error:
                    if name == THIS:
                        raise
                    raise BenchError(f"{error}; is diffusiontalker installed there?") from None
            self._report.builds.append({"build": name, **found})
            if name == THIS:
                known = found["kernels"]
                for kernel in kernels:
                    if kernel and kernel not in known:
                        raise BenchError(f"--kernel {kernel}: this machine has {', '.join(known)}")
                self._kernels = known if self._plan.every_kernel else kernels

    # ---- speed -------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _voices_of(self, case: _Case, kernel: str) -> Iterator[dict[str, tuple[Worker, Row]]]:
        """Name of a build -> its worker and what it says of the bundle; without builds that
        cannot read it."""
        with contextlib.ExitStack() as stack:
            opened: dict[str, tuple[Worker, Row]] = {}
            for build in self._report.builds:
                name = build["build"]
                usable = kernel if kernel in build["kernels"] else ""
                worker = stack.enter_context(
                    processes.of_build(_told(name), self._pythons[name], usable)
                )
                hello = worker.ask("hello", core=self._core)
                try:
                    about = worker.ask("open", clip=self._clip, bundle=case.folder)
                except BenchError as error:
                    if name == THIS:
                        raise
                    self._report.notes.append(f"{case.label}: left out for {error}")
                    continue
                opened[name] = worker, {**about, "kernel": hello["kernel"]}
            yield opened

    def _time(self, case: _Case, kernel: str, peers: Sequence[str]) -> None:
        """A case's rows of speed, its peers' and its tails."""
        with self._voices_of(case, kernel) as voices, contextlib.ExitStack() as stack:
            others = {
                name: worker
                for name in peers
                if (worker := self._open_peer(stack, name, case)) is not None
            }
            taken: dict[tuple[str, str], list[Row]] = {}
            for number in range(self._plan.rounds):
                self._step(f"{case.label}, round {number + 1} of {self._plan.rounds}")
                for name, (worker, _) in voices.items():
                    for mode, samples in MODES.items():
                        save = ""
                        if number == 0:
                            save = str(self._saved(name, mode, case))
                        played = worker.ask("play", samples=samples, save=save)
                        taken.setdefault((name, mode), []).append(played)
                for name, worker in others.items() if number < _PEER_ROUNDS else ():
                    taken.setdefault((name, "frame by frame"), []).append(worker.ask("play"))
            for name, (_, about) in voices.items():
                for mode in MODES:
                    row = _speed_row(name, case, mode, kernel, about, taken[name, mode])
                    self._report.speed.append(row)
            for row in self._report.peers:
                if (key := (row["peer"], "frame by frame")) in taken and "minimum_us" not in row:
                    row.update(_times(taken[key]))
            self._compare_frames(case, voices)
            self._step(f"{case.label}, steps beside a busy core")
            for name, (worker, about) in voices.items():
                self._tails(name, case, about, worker)
            self._step(f"{case.label}, peaks")
            if case.folder is None:
                peak = voices[THIS][0].ask("peak", kernel=voices[THIS][1]["kernel"])
                self._report.peaks.append({"kernel": voices[THIS][1]["kernel"], **peak})

    def _open_peer(self, stack: contextlib.ExitStack, name: str, case: _Case) -> Worker | None:
        """A peer's worker; None, with a note, where it is not installed or cannot."""
        missing = [p for p in (_PACKAGES[name],) if importlib.util.find_spec(p) is None]
        if missing:
            self._report.notes.append(f"{name}: left out, {missing[0]} is not installed")
            return None
        self._progress(f"preparing {name}", self._done / max(1, self._total))
        command = [sys.executable, "-m", "diffusiontalker.bench.peers", name]
        worker = stack.enter_context(
            Worker(name, command, processes.environment(sys.executable, ""))
        )
        seconds = min(self._report.clip["seconds"], _PEER_SECONDS)
        try:
            about = worker.ask(
                "open", clip=self._clip, bundle=case.folder, seconds=seconds, core=self._core
            )
        except BenchError as error:
            self._report.notes.append(f"left out: {error}")
            return None
        self._report.peers.append({"peer": name, "mode": "frame by frame", **about})
        return worker

    def _tails(self, name: str, case: _Case, about: Row, worker: Worker) -> None:
        with processes.busy(self._others) as beside:
            found = worker.ask("tails", samples=CHUNK_SAMPLES, frames=self._plan.tail_frames)
        self._report.tails.append(
            {
                "build": name,
                "bundle": case.label,
                "kernel": about["kernel"],
                "other_core_busy": beside,
                "frames": found["frames"],
                "steps": found["steps"],
                **{f"{key}_us": 1e6 * found[key] for key in ("p50", "p99", "max")},
            }
        )

    def _saved(self, name: str, mode: str, case: _Case) -> Path:
        number = list(self._pythons).index(name)
        return self._scratch / f"frames{number}-{MODES[mode]}-{abs(hash(case))}.npy"

    def _compare_frames(self, case: _Case, voices: dict[str, tuple[Worker, Row]]) -> None:
        """Chunks against the whole clip, and builds on one bundle against each other."""
        whole = np.load(self._saved(THIS, "whole clip", case))
        pairs = [(THIS, "frame by frame")]
        pairs += [(name, "whole clip") for name in voices if name != THIS]
        for name, mode in pairs:
            if voices[name][1]["sha256"] != voices[THIS][1]["sha256"]:
                continue
            other = np.load(self._saved(name, mode, case))
            same = other.shape == whole.shape
            self._report.frames.append(
                {
                    "bundle": case.label,
                    "of": f"{name}, {mode}",
                    "against": f"{THIS}, whole clip",
                    "kernel": voices[name][1]["kernel"],
                    "identical": bool(same and np.array_equal(other, whole)),
                    "largest_difference": float(np.abs(other - whole).max()) if same else None,
                }
            )

    # ---- the rest ----------------------------------------------------------------------------

    def _count_voices(self) -> None:
        """Voices that a core carries in real time, by the number that suits each build best."""
        case = _Case("own bundle", None)
        with self._voices_of(case, self._kernels[0]) as voices:
            for count in self._plan.voices:
                self._step(f"{count} voices")
                for name, (worker, about) in voices.items():
                    streams = next(b["streams"] for b in self._report.builds if b["build"] == name)
                    if not streams and count > 16:
                        continue  # a model each: no more of them would fit, nor be quicker
                    found = worker.ask(
                        "voices",
                        count=count,
                        samples=CHUNK_SAMPLES,
                        seconds=self._plan.voice_seconds,
                    )
                    self._report.voices.append(
                        {
                            "build": name,
                            "kernel": about["kernel"],
                            "at_once": count,
                            "by": "streams=N" if found["together"] else "a Runtime each",
                            "voices_a_core": count / found["share"],
                            "cpu_voices_a_core": count / found["cpu_share"],
                            "us_a_frame": 1e6 * found["share"] / count / about["frame_rate"],
                        }
                    )

    def _start_afresh(self) -> None:
        """Until a Runtime is there, and what it takes in memory, builds in turns."""
        taken: dict[str, list[Row]] = {name: [] for name in self._pythons}
        for number in range(self._plan.starts):
            self._step(f"start {number + 1} of {self._plan.starts}")
            for name, python in self._pythons.items():
                taken[name].append(
                    processes.fresh(_told(name), python, "first_use", None, self._core)
                )
        for name, python in self._pythons.items():
            live = processes.fresh(_told(name), python, "live_use", None, self._core)
            first = taken[name][0]
            self._report.starts.append(
                {
                    "build": name,
                    "minimum_ms": 1000 * min(t["seconds"] for t in taken[name]),
                    "median_ms": 1000 * statistics.median(t["seconds"] for t in taken[name]),
                    "cpu_ms": 1000 * min(t["cpu_seconds"] for t in taken[name]),
                    "imports_ms": 1000 * min(t["import_seconds"] for t in taken[name]),
                    "numpy_mb": first["numpy_bytes"] / 1e6,
                    "runtime_mb": first["used_bytes"] / 1e6,
                    "live_mb": live["bytes"] / 1e6,
                    "portaudio_mb": live["portaudio_bytes"] / 1e6,
                }
            )

    def _compare(self) -> None:
        """How many times as long as this build the others and the peers take."""
        report = self._report
        for row in report.speed:
            if row["build"] == THIS:
                continue
            ours = next(
                r for r in report.speed
                if r["build"] == THIS and r["bundle"] == row["bundle"] and r["mode"] == row["mode"]
                and r["kernel_asked"] == row["kernel_asked"]
            )  # fmt: skip
            what = f"{row['mode']}, {row['bundle']}"
            report.ratios.append(_ratio(row["build"], what, row, ours, "_us"))
        ours = next(r for r in report.speed if r["build"] == THIS and r["mode"] == "frame by frame")
        for row in report.peers:
            if "minimum_us" in row:
                report.ratios.append(_ratio(row["peer"], "frame by frame", row, ours, "_us"))
        for row in report.starts[1:]:
            what = "Runtime() ready"
            report.ratios.append(_ratio(row["build"], what, row, report.starts[0], "_ms"))

    def _step(self, what: str) -> None:
        self._progress(what, min(1.0, self._done / max(1, self._total)))
        self._done += 1


def _told(name: str) -> str:
    """A build, as an error names it."""
    return name if name == THIS else f"--against {name}"


def _times(taken: Sequence[Row]) -> Row:
    """Microseconds a frame."""
    each = [1e6 * t["seconds"] / t["frames"] for t in taken]
    return {
        "minimum_us": min(each),
        "median_us": statistics.median(each),
        "cpu_us": min(1e6 * t["cpu_seconds"] / t["frames"] for t in taken),
        "rounds": len(each),
        "frames": taken[0]["frames"],
    }


def _speed_row(
    name: str, case: _Case, mode: str, kernel: str, about: Row, taken: Sequence[Row]
) -> Row:
    times = _times(taken)
    best = min(taken, key=lambda t: float(t["seconds"]))
    work_a_frame = work.multiplications(about["shape"])
    return {
        "build": name,
        "bundle": case.label,
        "mode": mode,
        "kernel": about["kernel"],
        "kernel_asked": kernel,
        "steps": about["steps"],
        "sha256": about["sha256"],
        **times,
        # Shares of the best round's time, where the build can tell.
        "stages": best["stages"]
        and {stage: s / best["seconds"] for stage, s in best["stages"].items()},
        "multiplications": work_a_frame,
        "multiplications_a_second": 1e6 * sum(work_a_frame.values()) / times["cpu_us"],
    }


def _ratio(name: str, what: str, theirs: Row, ours: Row, unit: str) -> Row:
    return {
        "of": name,
        "what": what,
        "minimum": theirs[f"minimum{unit}"] / ours[f"minimum{unit}"],
        "median": theirs[f"median{unit}"] / ours[f"median{unit}"],
        "cpu": theirs[f"cpu{unit}"] / ours[f"cpu{unit}"],
    }
