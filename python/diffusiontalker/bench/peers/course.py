"""The course of a clip through the network, frame by frame: what every peer is given alike.

A peer computes what holds the multiplications: the audio encoder, column by column as they come,
and the sampling steps. Log-mel, the place of a frame between columns, noise and identity are given
to it, out of the measured time, which is kind to it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ... import _core
from ...bundle import Bundle
from ...curves import CURVES
from ...runtime import Runtime

FloatArray = NDArray[np.float32]
SEED = 1


class Peer(Protocol):
    """One voice in another runtime."""

    def encode(self, mel: FloatArray) -> FloatArray:
        """Takes the next columns, (n, 80); gives their features, (n, channels)."""

    def sample(self, audio: FloatArray, identity: FloatArray, noise: FloatArray) -> FloatArray:
        """One frame, from (channels,), (channels,) and (52,): (52,) in standardised units."""

    def reset(self) -> None:
        """Back to the start."""


@dataclass(frozen=True)
class Course:
    """A clip, prepared."""

    bundle: Bundle
    clip: FloatArray  # 16 kHz
    frames: int

    def frames_of(self, peer: Peer) -> Iterator[FloatArray]:
        """The clip's frames, each as soon as its columns are there: (52,) curves."""
        mel, _ = _core.log_mel(np.concatenate([self.clip, np.zeros(16000, np.float32)]))
        ahead = int(self.bundle.manifest["encoder"]["lookahead_columns"])
        statistics = self.bundle.tensors
        mean, std = statistics["statistics.mean"], statistics["statistics.std"]
        identity = self.bundle.identity_features()[self.bundle.default_identity]
        noise = _core.noise(SEED, 0, self.frames) * self.bundle.noise_scale()
        peer.reset()
        features = np.empty((0, len(identity)), np.float32)
        for frame in range(self.frames):
            place = Fraction(100 * frame) / self.bundle.frame_rate + ahead
            column, share = int(place), np.float32(place % 1)
            needed = column + (share > 0) + 1
            if needed > len(features):
                new = peer.encode(mel[len(features) : needed])
                features = np.concatenate([features, new])
            after = features[column + 1] if share else features[column]
            audio = (1 - share) * features[column] + share * after
            yield peer.sample(audio, identity, noise[frame]) * std + mean

    def play(self, peer: Peer) -> tuple[float, float, FloatArray]:
        """Seconds for all frames, by the clock and of processor time; the frames, (n, 52)."""
        begun, begun_cpu = time.perf_counter(), time.process_time()
        frames = list(self.frames_of(peer))
        return time.perf_counter() - begun, time.process_time() - begun_cpu, np.stack(frames)


def runtimes_own(course: Course) -> FloatArray:
    """The runtime's frames of the course: a gate that is always open, nothing after the network."""
    manifest = {
        **course.bundle.manifest,
        "gate": {"threshold_minimum_db": -150, "threshold_maximum_db": -140, "attack_ms": 0},
        "postprocess": {name: {"minimum": -1000, "maximum": 1000} for name in CURVES},
    }
    bare = Bundle(course.bundle.path, manifest, course.bundle.tensors)
    default = course.bundle.identities[course.bundle.default_identity]
    runtime = Runtime(bare, seed=SEED, identity=default, idle=0)
    frames = np.concatenate([runtime.step(course.clip), runtime.flush()])
    return frames[: course.frames]
