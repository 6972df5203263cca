"""The workload, in a process of its own: a script for any installed build of this package.

It is run by the interpreter of the build to measure, so it uses the standard library, NumPy and
what the package has offered since commit 72d097a; whatever came later is asked for first. On
stdin come questions, a line of JSON each, {"do": NAME, ...arguments}; each gets a line on stdout,
{"answer": ...} or {"refused": "one line"}.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

#: Pauses for the process, in seconds: what one call may take before others want their turn.
_TRIALS_S = 0.4


def resident_bytes() -> int:
    """Resident memory of this process, shared libraries included; 0 where it cannot be told."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, AttributeError, ValueError):
        return 0


def pin(core: int | None) -> None:
    """Keeps this process to one core, where the system can."""
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def serve(answers: Mapping[str, Callable[..., Any]]) -> None:
    """Answers questions until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks knows of Ctrl-C, and closes stdin
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    for line in sys.stdin:
        question = json.loads(line)
        try:
            reply = {"answer": answers[question.pop("do")](**question)}
        except Exception as error:
            text = " ".join(f"{error}".split()) or type(error).__name__
            reply = {"refused": text, "kind": type(error).__name__}
        out.write(json.dumps(reply) + "\n")
        out.flush()


class Voice:
    """A runtime and the clip that it is played."""

    def __init__(self, clip: str, bundle: str | None) -> None:
        import numpy as np

        from diffusiontalker import Runtime

        self._kind, self._np = Runtime, np
        self._clip = np.load(clip)
        self._bundle = bundle
        self._known = inspect.signature(Runtime.__init__).parameters
        # The model alone: what plays on top of it (blinks) would be another build's own.
        self._more: dict[str, Any] = {"idle": 0.0} if "idle" in self._known else {}
        self._runtime = self.new()

    def new(self, **more: Any) -> Any:
        return self._kind(self._bundle, seed=1, **self._more, **more)

    def about(self) -> dict[str, Any]:
        runtime = self._runtime
        shape = ("frame_rate", "encoder", "decoder", "diffusion")
        return {
            "shape": {key: runtime.bundle.manifest[key] for key in shape},
            "sha256": runtime.bundle.sha256,
            "name": runtime.bundle.name,
            "frame_rate": float(runtime.frame_rate),
            "lookahead_ms": runtime.lookahead_ms,
            "seconds": len(self._clip) / runtime.sample_rate,
            "steps": runtime.bundle.manifest["diffusion"]["sample_steps"],
        }

    def chunks(self, samples: int) -> Iterator[Any]:
        size = samples or len(self._clip)
        for at in range(0, len(self._clip), size):
            yield self._clip[at : at + size]

    def play(self, samples: int, save: str = "") -> dict[str, Any]:
        """The clip once, in chunks of so many samples (0: in one): frames, and seconds for all.

        `stages`: seconds by stage, where the build can tell.
        """
        runtime = self._runtime
        runtime.reset()
        chunks = list(self.chunks(samples))
        begun, begun_cpu = time.perf_counter(), time.process_time()
        frames = [runtime.step(chunk) for chunk in chunks]
        frames.append(runtime.flush())
        took, took_cpu = time.perf_counter() - begun, time.process_time() - begun_cpu
        if save:
            self._np.save(save, self._np.concatenate(frames))
        stages = getattr(runtime, "stage_seconds", None)
        return {
            "frames": sum(len(f) for f in frames),
            "seconds": took,
            "cpu_seconds": took_cpu,
            "stages": dict(stages) if stages else None,
        }

    def tails(self, samples: int, frames: int) -> dict[str, Any]:
        """Seconds that a step took, over so many frames of the clip, played again and again."""
        runtime = self._runtime
        runtime.reset()
        taken: list[float] = []
        done = 0
        while done < frames:
            for chunk in self.chunks(samples):
                begun = time.perf_counter()
                new = len(runtime.step(chunk))
                taken.append(time.perf_counter() - begun)
                done += new
        np = self._np
        return {
            "frames": done,
            "steps": len(taken),
            "p50": float(np.percentile(taken, 50)),
            "p99": float(np.percentile(taken, 99)),
            "max": float(np.max(taken)),
        }

    def voices(self, count: int, samples: int, seconds: float) -> dict[str, Any]:
        """So many voices at once for so many seconds of sound: what share of real time they take.

        By `streams=` where the build has it, each voice with sound from elsewhere in the clip; else
        by a runtime each.
        """
        np, clip = self._np, self._clip
        chunks = round(seconds * self._runtime.sample_rate / samples)
        begins = [len(clip) * v // count for v in range(count)]
        together = np.stack([np.resize(np.roll(clip, -at), chunks * samples) for at in begins])
        pieces = [
            np.ascontiguousarray(together[:, i * samples : (i + 1) * samples])
            for i in range(chunks)
        ]
        at_once = "streams" in self._known
        if at_once:
            runtime = self.new(streams=count)
            step: Callable[[Any], Any] = runtime.step
        else:
            bundle = self._runtime.bundle
            runtimes = [self._kind(bundle, seed=1, **self._more) for _ in range(count)]

            def step(piece: Any) -> Any:
                return [one.step(row) for one, row in zip(runtimes, piece, strict=True)]

        step(pieces[0])
        begun, begun_cpu = time.perf_counter(), time.process_time()
        for piece in pieces[1:]:
            step(piece)
        lasted_s = (chunks - 1) * samples / self._runtime.sample_rate
        return {
            "count": count,
            "together": at_once,
            "share": (time.perf_counter() - begun) / lasted_s,
            "cpu_share": (time.process_time() - begun_cpu) / lasted_s,
        }


class Build:
    """What this interpreter has installed."""

    def __init__(self) -> None:
        self._voice: Voice | None = None

    def hello(self, core: int | None) -> dict[str, Any]:
        """Which build this is, and what it runs on. Pins the process."""
        pin(core)
        import numpy as np

        import diffusiontalker
        from diffusiontalker import Runtime, _core

        info = _core.cpu_info()
        return {
            "package": os.path.dirname(os.path.abspath(diffusiontalker.__file__)),
            "version": getattr(diffusiontalker, "__version__", "unknown"),
            "python": ".".join(map(str, sys.version_info[:3])),
            "numpy": np.__version__,
            "kernel": info["kernel"],
            "kernels": list(info["available"]),
            "streams": "streams" in inspect.signature(Runtime.__init__).parameters,
        }

    def open(self, clip: str, bundle: str | None) -> dict[str, Any]:
        self._voice = None
        self._voice = Voice(clip, bundle)
        return self._voice.about()

    def play(self, **question: Any) -> dict[str, Any]:
        return self._opened().play(**question)

    def tails(self, **question: Any) -> dict[str, Any]:
        return self._opened().tails(**question)

    def voices(self, **question: Any) -> dict[str, Any]:
        return self._opened().voices(**question)

    def peak(self, kernel: str) -> dict[str, Any]:
        """Multiplications a second, best of several: NumPy's float32 matrix product on one thread,
        and int8 and float32 as the core measures its own kernel, where the build has that."""
        import numpy as np

        from diffusiontalker import _core

        a, b = (np.full((768, 768), 0.5, np.float32) for _ in range(2))
        best, end = 1e9, time.perf_counter() + _TRIALS_S
        while time.perf_counter() < end:
            begun = time.perf_counter()
            np.dot(a, b)
            best = min(best, time.perf_counter() - begun)
        own = getattr(_core, "peak_multiplications", None)
        return {"sgemm": 768**3 / best, "core": dict(own(kernel)) if own else None}

    def _opened(self) -> Voice:
        if self._voice is None:
            raise ValueError("no clip is open")
        return self._voice


def first_use(bundle: str | None, core: int | None) -> dict[str, Any]:
    """In a fresh process: how long until a Runtime is there, and what memory it takes; NumPy's own
    is left out of both."""
    pin(core)
    import numpy as np

    before = resident_bytes()
    begun, begun_cpu = time.perf_counter(), time.process_time()
    from diffusiontalker import Runtime

    imported = time.perf_counter()
    runtime = Runtime(bundle)
    ready, ready_cpu = time.perf_counter(), time.process_time()
    with_runtime = resident_bytes()
    runtime.step(np.zeros(16000, np.float32))
    return {
        "import_seconds": imported - begun,
        "seconds": ready - begun,
        "cpu_seconds": ready_cpu - begun_cpu,
        "numpy_bytes": before,
        "bytes": with_runtime - before,
        "used_bytes": resident_bytes() - before,
    }


def live_use(bundle: str | None, core: int | None) -> dict[str, Any]:
    """In a fresh process: memory above NumPy's of what `dt-stream --mic` loads, with a runtime for
    48 kHz that has heard a second, and PortAudio's part of it (0 where there is none)."""
    pin(core)
    import numpy as np

    before = resident_bytes()
    try:
        importlib.import_module("diffusiontalker.stream.cli.stream")
    except ImportError:
        importlib.import_module("diffusiontalker.stream.cli")
    runtime = importlib.import_module("diffusiontalker").Runtime(bundle, sample_rate=48000)
    runtime.step(np.zeros(48000, np.float32))
    own = resident_bytes() - before
    try:
        importlib.import_module("sounddevice")
    except (ImportError, OSError):
        return {"bytes": own, "portaudio_bytes": 0}
    return {"bytes": resident_bytes() - before, "portaudio_bytes": resident_bytes() - before - own}


def main() -> None:
    """worker.py: answers questions. worker.py FRESH BUNDLE CORE: one answer; "" for neither."""
    # This file's folder holds modules with names of their own; none is meant to be imported.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [place for place in sys.path if os.path.abspath(place or ".") != here]
    if len(sys.argv) > 1:
        fresh = {"first_use": first_use, "live_use": live_use}[sys.argv[1]]
        bundle, core = sys.argv[2] or None, int(sys.argv[3]) if sys.argv[3] else None
        print(json.dumps(fresh(bundle, core)))
        return
    build = Build()
    names = ("hello", "open", "play", "tails", "voices", "peak")
    serve({name: getattr(build, name) for name in names})


if __name__ == "__main__":
    main()
