"""How do filmed faces blink, look about, drift and turn? The figures behind the idle motion.

Question: rate, depth and shape of blinks; how far and how long gaze rests; how much and how slowly
brows and head move, so that cpp/src/curves/idle.cpp can draw the same.
Command: python studies/measure_idle.py FOLDER [FOLDER ...], each a folder of takes as grid_s1_fit
and grid_speakers_fit are: NAME.json (curves by name at 25 frames a second) and rotations.npz
(NAME -> degrees of yaw, pitch, roll), in folders of speakers or not.
Answer, of seven speakers reading sentences of 1.5 s in clips of 3 s (grid_s1_fit: 837 clips;
grid_speakers_fit: six speakers, 10 or 20 clips each):
- Blinks a minute: 23.8 (s1), 26, 1, 28, 4, 3, 17. Medians a speaker: closing 80 to 120 ms, opening
  (to a tenth of the depth) 180 to 340 ms, the eyes 0.02 to 0.14 apart. Their peak reads 0.42 to
  0.69, since the tracker's network does not see a shut eye as 1. s1 blinks 26 times a minute before
  a sentence, 35 in it, 12 in the 0.4 s after it and 2 later: readers blink as they begin to read.
  That says nothing of a face at rest or of one that talks to somebody.
- Gaze: spread within a clip across 0.037 to 0.078. Steps over 0.06: 52 a minute (s33, whose jitter
  is least) to 171. Lids against down-gaze: slope 0.18 to 0.47, median 0.36, r 0.42 to 0.82.
- Brows, spread within a clip and of clips' means: browDown 0.011 to 0.050 and 0.020 to 0.061,
  browInnerUp 0.0003 to 0.020 and 0.0005 to 0.023, browOuterUp 0.003 to 0.023 and 0.002 to 0.041;
  0.42 to 0.79 of browDown's variance within a clip is slower than 1 Hz.
- Head, degrees, within a clip and of clips' means: yaw 0.26 to 0.41 and 1.0 to 2.2, pitch 0.58 to
  1.2 and 0.9 to 2.0, roll 0.24 to 0.57 and 0.9 to 1.2; 0.60 to 0.89 slower than 1 Hz.
Date: 2026-11-28, machine: 2-core Intel Xeon VM.
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

    def __init__(self, path: Path, key: str, rotation: NDArray[np.float64]) -> None:
        stored = json.loads(path.read_text())
        values = np.array([frame["weights"] for frame in stored["frames"]])
        self.curve = {name: values[:, i] for i, name in enumerate(stored["names"])}
        self.rotation = rotation
        self.key = key

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


def by_speech(clips: list[Clip], words: dict[str, list[list[object]]]) -> str:
    """Blinks a minute before the sentence, in it, in the 0.4 s after it, and later."""
    counts, seconds = np.zeros(4), np.zeros(4)
    for clip in clips:
        spoken = [w for w in words.get(clip.key, []) if w[0] != "sil"]
        if not spoken:
            continue
        begin, end = float(str(spoken[0][1])), float(str(spoken[-1][2]))
        last = len(clip.curve["jawOpen"]) / RATE_HZ
        edges = [0.0, begin, end, min(end + 0.4, last), last]
        seconds += np.clip(np.diff(edges), 0.0, None)
        counts += np.histogram([b["at_s"] for b in blinks(clip)], edges)[0]
    return ", ".join(f"{60 * c / s:.1f}" for c, s in zip(counts, seconds, strict=True) if s)


def spread(tracks: list[NDArray[np.float64]]) -> str:
    """How much a value moves within a clip and from clip to clip, and how slowly."""
    return (
        f"spread within a clip {np.mean([t.std() for t in tracks]):.4f}, "
        f"of clip means {np.std([t.mean() for t in tracks]):.4f}, "
        f"slower than 0.5 Hz {share_below(tracks, 0.5):.2f}, "
        f"than 1 Hz {share_below(tracks, 1.0):.2f}"
    )


def report(name: str, clips: list[Clip], words: dict[str, list[list[object]]]) -> None:
    seconds = sum(len(c.curve["jawOpen"]) for c in clips) / RATE_HZ
    found = [b for c in clips for b in blinks(c)]
    print(f"{name}: {len(clips)} clips, {seconds:.0f} s")
    print(f"  blinks {len(found)}, {60 * len(found) / seconds:.1f} a minute")
    print(f"    a minute before, in, just after and after the sentence: {by_speech(clips, words)}")
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
        print(f"  {curve}: {spread([c.side(curve).mean(0) for c in clips])}")
    print(f"  browInnerUp: {spread([c.curve['browInnerUp'] for c in clips])}")
    for i, axis in enumerate(("yaw", "pitch", "roll")):
        tracks = [c.rotation[:, i].astype(np.float64) for c in clips]
        speed = np.mean([np.abs(np.diff(t)).mean() for t in tracks]) * RATE_HZ
        print(f"  {axis}, degrees: {spread(tracks)}, speed {speed:.2f} a second")


def main() -> None:
    for argument in sys.argv[1:]:
        folder = Path(argument)
        rotations = np.load(folder / "rotations.npz")
        words = json.loads((folder / "words.json").read_text())
        speakers: dict[str, list[Clip]] = {}
        for path in sorted(folder.rglob("*.json")):
            if path.stem == "words":
                continue
            speaker = path.parent.name
            keys = (path.stem, f"{speaker}_{path.stem}")
            key = next(k for k in keys if k in rotations)
            speakers.setdefault(speaker, []).append(Clip(path, key, rotations[key]))
        for name, clips in speakers.items():
            report(name, clips, words)


if __name__ == "__main__":
    main()
