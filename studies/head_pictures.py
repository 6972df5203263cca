"""Draws the pictures of docs/head.md: the head at rest, in ten poses, in all 52 shapes, speaking.

    python studies/head_pictures.py docs/images

They are made as films are (diffusiontalker.film), without a display. `head_speaking.jpg` is the
frame of the demo clip's first eight seconds in which the mouth is widest open, as the embedded
model makes it. It needs Pillow.

Question: is each shape a face and not a blob with a hole? Answer (2026-11-29): each was looked at;
docs/head.md shows them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image, ImageDraw, ImageFont

import diffusiontalker.head as heads
from diffusiontalker import Runtime
from diffusiontalker.curves import CURVES
from diffusiontalker.film import Portrait
from diffusiontalker.stream.sources.wav import demo_path

NAMES = (*CURVES, "headYaw", "headPitch", "headRoll")


def both(curve: str, weight: float) -> dict[str, float]:
    return {curve + "Left": weight, curve + "Right": weight}


POSES: dict[str, dict[str, float]] = {
    "neutral": {},
    "jawOpen": {"jawOpen": 0.8},
    "smile": both("mouthSmile", 0.9) | both("cheekSquint", 0.4),
    "pucker": {"mouthPucker": 1.0},
    "funnel": {"mouthFunnel": 0.9, "jawOpen": 0.2},
    "blink": both("eyeBlink", 1.0),
    "brows": {"browInnerUp": 1.0} | both("browOuterUp", 0.8) | both("eyeWide", 0.5),
    "m": both("mouthPress", 0.5) | {"mouthRollLower": 0.3, "mouthRollUpper": 0.25},
    "f": both("mouthUpperUp", 0.35) | {"mouthRollLower": 0.55, "jawOpen": 0.1},
    "oo": {"mouthPucker": 0.8, "mouthFunnel": 0.35, "jawOpen": 0.08},
}


def frame(weights: dict[str, float]) -> np.ndarray:
    """(55,) curves and turns of the head."""
    values = np.zeros(len(NAMES), np.float32)
    for name, weight in weights.items():
        values[NAMES.index(name)] = weight
    return values


def sheet(shown: dict[str, np.ndarray], columns: int) -> Image.Image:
    """Pictures (height, width, 3) side by side, each with its name."""
    high, wide = next(iter(shown.values())).shape[:2]
    rows = -(-len(shown) // columns)
    whole = Image.new("RGB", (columns * wide, rows * high), (30, 33, 39))
    pen = ImageDraw.Draw(whole)
    font = ImageFont.load_default(max(11, wide // 16))
    for k, (name, picture) in enumerate(shown.items()):
        at = (k % columns * wide, k // columns * high)
        whole.paste(Image.fromarray(picture), at)
        pen.text((at[0] + 6, at[1] + 4), name, fill=(235, 235, 235), font=font)
    return whole


def face_of(portrait: Portrait, weights: dict[str, float]) -> np.ndarray:
    """The picture at half its size, without what stands around the head."""
    picture = np.asarray(Image.fromarray(portrait.picture(frame(weights))).reduce(2))
    size = len(picture)
    return picture[int(0.13 * size) : int(0.83 * size), int(0.17 * size) : int(0.83 * size)]


def speaking() -> np.ndarray:
    """(55,): the widest open frame of the clip's first eight seconds."""
    audio, rate = soundfile.read(demo_path(), dtype="float32")
    curves = Runtime(sample_rate=rate, seed=7).step(audio[: 8 * rate])
    widest = curves[curves[:, CURVES.index("jawOpen")].argmax()]
    return np.concatenate([widest, np.array([0.25, 0.03, 0.0], np.float32)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    head = heads.default()
    large = Portrait(head, NAMES, (720, 720))
    Image.fromarray(large.picture(frame({}))).save(out / "head_neutral.jpg", quality=88)
    Image.fromarray(large.picture(speaking())).save(out / "head_speaking.jpg", quality=88)
    middle = Portrait(head, NAMES, (960, 960))
    posed = {name: face_of(middle, weights) for name, weights in POSES.items()}
    sheet(posed, 5).save(out / "head_poses.jpg", quality=85)
    small = Portrait(head, NAMES, (480, 480))
    each = {name: face_of(small, {name: 1.0}) for name in CURVES}
    sheet(each, 9).save(out / "head_shapes.jpg", quality=72)


if __name__ == "__main__":
    main()
