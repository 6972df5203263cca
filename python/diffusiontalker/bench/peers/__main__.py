"""A peer in a process of its own, which answers as a build's worker does."""

from __future__ import annotations

import sys
from typing import Any

from ..worker import pin, serve


class _Voice:
    """One peer on one clip."""

    def __init__(self, name: str) -> None:
        self._name = name

    def open(self, clip: str, bundle: str | None, seconds: float, core: int | None) -> Any:
        """Prepares; answers how far its frames are from the runtime's, and which version it is."""
        pin(core)
        import numpy as np

        from ... import bundle as bundles
        from .course import Course, Peer, runtimes_own

        read = bundles.read(bundle)
        sound = np.load(clip)[: round(seconds * 16000)]
        frames = int(len(sound) * read.frame_rate / 16000)
        self._course = Course(read, sound, frames)
        if self._name == "ONNX Runtime":
            import onnxruntime

            from .onnx_runtime import OnnxRuntime

            version = onnxruntime.__version__
            self._peer: Peer = OnnxRuntime(read)
        else:
            import torch

            from .pytorch import PyTorch

            version = torch.__version__
            self._peer = PyTorch(read, compiled=self._name == "torch.compile")
        made = self._course.play(self._peer)[2]
        away = np.abs(made - runtimes_own(self._course)).max()
        return {"version": version, "difference": float(away), "frames": frames}

    def play(self) -> Any:
        seconds, cpu_seconds, frames = self._course.play(self._peer)
        return {"seconds": seconds, "cpu_seconds": cpu_seconds, "frames": len(frames)}


if __name__ == "__main__":
    voice = _Voice(sys.argv[1])
    serve({"open": voice.open, "play": voice.play})
