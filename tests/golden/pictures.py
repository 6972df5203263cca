"""Writes the pictures of films in docs/images anew: `python tests/golden/pictures.py`.

They are pictures of the demo clip as `dt-stream --demo --film` draws them, at the size that a page
shows.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile

from diffusiontalker import Runtime, head
from diffusiontalker.film import Track, chart, layouts, text

PACKAGE = Path(head.__file__).parents[1]
IMAGES = Path(__file__).parents[2] / "docs" / "images"
FPS = Fraction(30)
#: What the strip shows: seconds of the demo clip.
STRIP_S = (0.37, 0.66, 1.4, 2.0, 2.72, 4.35, 4.78, 9.55)
STILL_S = 2.72


def main() -> None:
    sound, rate_hz = soundfile.read(PACKAGE / "data" / "demo.flac", dtype="float32")

    def track(seed: int = 0, strength_lower: float = 1.0) -> Track:
        runtime = Runtime(sample_rate=rate_hz, seed=seed, head=True)
        runtime.set(strength_lower=strength_lower)
        curves = np.concatenate((runtime.step(sound), runtime.flush()))
        times = np.arange(len(curves)) / float(runtime.frame_rate)
        return Track(curves, runtime.curve_names, times)

    first, second = track(), track(seed=3, strength_lower=1.5)
    shown = head.default()

    def still(layout: str, sides: list[layouts.Side], size: tuple[int, int], at_s: float):
        paint = layouts.painter(layout, sides, sound, rate_hz, size, FPS)
        return paint(round(at_s * FPS))

    face = [layouts.Side(first, shown)]
    strip = [still("face", face, (240, 300), at_s) for at_s in STRIP_S]
    text.save(IMAGES / "film_strip.jpg", np.concatenate(strip, axis=1))
    text.save(IMAGES / "film_face.jpg", still("face", face, (960, 540), STILL_S))
    text.save(IMAGES / "film_curves.jpg", still("face+curves", face, (1280, 720), STILL_S))
    pair = [
        layouts.Side(first, shown, "A   seed 0"),
        layouts.Side(second, shown, "B   seed 3, strength-lower 1.5"),
    ]
    text.save(IMAGES / "film_a-b.jpg", still("a-b", pair, (960, 540), STILL_S))
    chart.write(
        IMAGES / "film_sheet.png",
        first.curves,
        first.names,
        first.times,
        sound,
        rate_hz,
        title="demo.flac",
    )


if __name__ == "__main__":
    main()
