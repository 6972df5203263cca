"""How do filmed faces blink, look about, drift and turn? The figures behind the idle motion.

Question: rate, depth and shape of blinks; how far and how long gaze rests; how much and how slowly
brows and head move, so that cpp/src/curves/idle.cpp can draw the same.
Command: python studies/measure_idle.py FOLDER [FOLDER ...], each a folder of takes as grid_s1_fit
and grid_speakers_fit are: NAME.json (curves by name at 25 frames a second) and rotations.npz
(NAME -> degrees of yaw, pitch, roll), in folders of speakers or not.
Answer: see the table at the end of this docstring.
Date: 2026-11-28.

ANSWER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 25.0
#: A blink is a bump that rises this far over the clip's open eye (its tenth percentile).
RISE = 0.25
#: A gaze step of this much (of an eyeLook curve, over one frame) ends a fixation.
STEP = 0.06


def percentiles(values: NDArray[np.float64]) -> str:
    low, mid, high = np.percentile(values, [10, 50, 90])
    return f"{mid:.3f} ({low:.3f} to {high:.3f})"


class Clip:
    """One take: its curves by name, its head."""

    def __init__(self, path: Path, rotation: NDArray[np.float64] | None) -> None:
        stored = json.loads(path.read_text())
        values = np.array([frame["weights"] for frame in stored["frames"]])
        self.curve = {name: values[:, i] for i, name in enumerate(stored["names"])}
        self.rotation = rotation
        self.name = path.stem

    def side(self, name: str) -> NDArray[np.float64]:
        return np.stack([self.curve[f"{name}{side}"] for side in ("Left", "Right")])

    def gaze(self) -> NDArray[np.float64]:
        """(frames, 2): to the face's own left and up, the eyes' mean."""
        left = (
            self.curve["eyeLookOutLeft"] - self.curve["eyeLookInLeft"]
            + self.curve["eyeLookInRight"] - self.curve["eyeLookOutRight"]
        ) / 2  # fmt: skip
        up = (self.side("eyeLookUp") - self.side("eyeLookDown")).mean(0)
        return np.stack([left, up], axis=1)


def blinks(clip: Clip) -> list[dict[str, float]]:
    """The whole blinks of a clip; those cut by its ends are left out."""
    both = clip.side("eyeBlink")
    shut = both.mean(0)
    rest = float(np.percentile(shut, 10))
    over = shut - rest
    found = []
    frame = 1
    while frame < len(over) - 1:
        if over[frame] < RISE or over[frame] < over[frame - 1] or over[frame] < over[frame + 1]:
            frame += 1
            continue
        peak = over[frame]
        begin, end = frame, frame
        while begin > 0 and over[begin] > 0.1 * peak:
            begin -= 1
        while end < len(over) - 1 and over[end] > 0.1 * peak:
            end += 1
        if over[begin] <= 0.1 * peak and over[end] <= 0.1 * peak and end - begin <= 20:
            half = np.flatnonzero(over[begin : end + 1] > 0.5 * peak)
            gaze = clip.gaze()
            found.append(
                {
                    "peak": float(shut[frame]),
                    "depth": float(peak),
                    "close_ms": (frame - begin) / RATE_HZ * 1000,
                    "open_ms": (end - frame) / RATE_HZ * 1000,
                    "half_ms": len(half) / RATE_HZ * 1000,
                    "apart": float(abs(both[0, frame] - both[1, frame])),
                    "gaze_moved": float(np.linalg.norm(gaze[end] - gaze[begin])),
                    "down": float(clip.side("eyeLookDown").mean(0)[frame]
                                  - clip.side("eyeLookDown").mean(0)[begin]),
                    "squint": float(clip.side("eyeSquint").mean(0)[frame]
                                    - clip.side("eyeSquint").mean(0)[begin]),
                    "brow": float(clip.side("browDown").mean(0)[frame]
                                  - clip.side("browDown").mean(0)[begin]),
                    "at_s": frame / RATE_HZ,
                }
            )  # fmt: skip
        frame = end + 1
    return found


def fixations(clip: Clip) -> tuple[list[float], list[float]]:
    """(durations in seconds of fixations with both ends in the clip, sizes of gaze steps)."""
    gaze = clip.gaze()
    shut = clip.side("eyeBlink").mean(0)
    open_eye = shut < np.percentile(shut, 10) + 0.15
    step = np.linalg.norm(np.diff(gaze, axis=0), axis=1)
    step[~(open_eye[1:] & open_eye[:-1])] = 0.0
    at = [i for i in np.flatnonzero(step > STEP) if i == 0 or step[i - 1] <= STEP]
    sizes = [
        float(np.linalg.norm(gaze[min(i + 3, len(gaze) - 1)] - gaze[max(i - 1, 0)])) for i in at
    ]
    return [float(d) / RATE_HZ for d in np.diff(at)], sizes


def share_below(tracks: list[NDArray[np.float64]], hz: float) -> float:
    """Share of the variance within clips that is slower than `hz`."""
    power = np.mean([np.abs(np.fft.rfft(t - t.mean())) ** 2 for t in tracks], axis=0)
    frequency = np.fft.rfftfreq(len(tracks[0]), 1 / RATE_HZ)
    return float(power[frequency <= hz].sum() / power.sum())


def report(name: str, clips: list[Clip]) -> None:
    seconds = sum(len(c.curve["jawOpen"]) for c in clips) / RATE_HZ
    found = [b for c in clips for b in blinks(c)]
    print(f"{name}: {len(clips)} clips, {seconds:.0f} s")
    print(f"  blinks {len(found)}, {60 * len(found) / seconds:.1f} a minute")
    for key in found[0] if found else []:
        print(f"    {key} {percentiles(np.array([b[key] for b in found]))}")
    held, sizes = zip(*(fixations(c) for c in clips), strict=True)
    steps = np.array([s for clip in sizes for s in clip])
    print(f"  gaze steps {60 * len(steps) / seconds:.1f} a minute, size {percentiles(steps)}")
    durations = np.array([d for clip in held for d in clip])
    if len(durations):
        print(f"    fixations between two steps, s {percentiles(durations)}")
    gaze = np.concatenate([c.gaze() - c.gaze().mean(0) for c in clips])
    print(f"    spread within a clip: across {gaze[:, 0].std():.3f}, up {gaze[:, 1].std():.3f}")
    gaze = np.concatenate([c.gaze() for c in clips])
    lids = np.concatenate([c.side("eyeBlink").mean(0) for c in clips])
    slow = lids < 0.5
    print(f"    lids against down-gaze, r {np.corrcoef(lids[slow], -gaze[slow, 1])[0, 1]:.2f}, "
          f"slope {np.polyfit(-gaze[slow, 1], lids[slow], 1)[0]:.2f}")  # fmt: skip
    for curve in ("browDown", "browOuterUp"):
        tracks = [c.side(curve).mean(0) for c in clips]
        within = np.mean([t.std() for t in tracks])
        print(f"  {curve}: spread within a clip {within:.4f}, of clip means "
              f"{np.std([t.mean() for t in tracks]):.4f}, slower than 0.5 Hz "
              f"{share_below(tracks, 0.5):.2f}, than 1 Hz {share_below(tracks, 1.0):.2f}")  # fmt: skip
    tracks = [c.curve["browInnerUp"] for c in clips]
    print(f"  browInnerUp: spread within a clip {np.mean([t.std() for t in tracks]):.4f}, of clip "
          f"means {np.std([t.mean() for t in tracks]):.4f}, slower than 0.5 Hz "
          f"{share_below(tracks, 0.5):.2f}, than 1 Hz {share_below(tracks, 1.0):.2f}")  # fmt: skip
    heads = [c.rotation for c in clips if c.rotation is not None]
    for i, axis in enumerate(("yaw", "pitch", "roll")):
        tracks = [h[:, i].astype(np.float64) for h in heads]
        if not tracks:
            continue
        print(f"  {axis}, degrees: spread within a clip {np.mean([t.std() for t in tracks]):.2f}, "
              f"of clip means {np.std([t.mean() for t in tracks]):.2f}, slower than 0.5 Hz "
              f"{share_below(tracks, 0.5):.2f}, than 1 Hz {share_below(tracks, 1.0):.2f}, speed "
              f"{np.mean([np.abs(np.diff(t)).mean() for t in tracks]) * RATE_HZ:.2f} a second")  # fmt: skip


def main() -> None:
    for argument in sys.argv[1:]:
        folder = Path(argument)
        rotations = np.load(folder / "rotations.npz")
        speakers: dict[str, list[Clip]] = {}
        for path in sorted(folder.rglob("*.json")):
            if path.stem == "words":
                continue
            speaker = path.parent.name
            keys = (path.stem, f"{speaker}_{path.stem}")
            rotation = next((rotations[k] for k in keys if k in rotations), None)
            speakers.setdefault(speaker, []).append(Clip(path, rotation))
        for name, clips in speakers.items():
            report(name, clips)


if __name__ == "__main__":
    main()
